"""Chooses user messages and their language, and logs errors without private data."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import gradio as gr

from facefusion.decoding.budget import BusyError, TooManyPixelsError
from facefusion.errors import FusionError, released
from facefusion.images.lettering import CHINESE, ENGLISH
from facefusion.page import html
from facefusion.page.jobs import TooSlowError
from facefusion.page.photos import RefusedError
from facefusion.perception.quality import Doubt
from facefusion.words import Language, language_of, say, sentences

log = logging.getLogger("facefusion.app")


#: Keys of the messages for a fusion beyond the limits of pixels or time.
_LIMIT_KEYS: Final[dict[type[Exception], str]] = {
    BusyError: "error.busy",
    TooManyPixelsError: "error.too_many_pixels",
    TooSlowError: "error.too_slow",
}
#: Errors that a check of a photo can raise; their messages are safe to show.
PHOTO_ERRORS: Final[tuple[type[Exception], ...]] = (FusionError, *_LIMIT_KEYS)


#: Doubts about the pose of a face.
POSES: Final = frozenset({Doubt.TURNED, Doubt.TILTED})


def log_error(error: Exception) -> None:
    """Logs an error's type only, and releases the photos held by its traceback.

    Messages and tracebacks may hold file names.
    """
    released(error)
    expected = isinstance(error, (RefusedError, *PHOTO_ERRORS))
    level = logging.INFO if expected else logging.ERROR
    log.log(level, "No fusion: %s", type(error).__name__)


def mark_text(language: Language) -> str:
    """Returns the visible mark of every picture."""
    return CHINESE if language is Language.CHINESE else ENGLISH


def request_language(request: gr.Request | None) -> Language:
    """Returns the language of a request."""
    return language_of(request.headers.get("accept-language") if request is not None else None)


def notice_update(message: str, kind: str = "problem") -> Any:
    """Shows a notice, or hides it if the message is empty."""
    return gr.update(value=html.notice(message, kind), visible=bool(message))


def doubts_update(
    doubts: Sequence[str],
    fine_key: str,
    language: Language,
    *,
    asks_again: bool = False,
    notes: Sequence[str] = (),
) -> Any:
    """Shows warnings about a photo, or the text of `fine_key` if there are none.

    Args:
        doubts: the ends of their keys.
        fine_key: of the text for a photo without doubts.
        language: the visitor's language.
        asks_again: whether the face is a new one, for which the consent is asked again.
        notes: ends of the keys of sentences about the file.
    """
    keys = [f"doubt.{doubt}" for doubt in (*doubts, _last_word(doubts))] if doubts else [fine_key]
    keys = [f"note.{note}" for note in notes] + keys
    keys += ["consent.again"] * asks_again
    return notice_update(sentences(keys, language), "doubt" if doubts or notes else "fine")


def _last_word(doubts: Sequence[str]) -> str:
    """Says what follows from doubts: a pose may be refused beside the other photo's."""
    return "same_way" if POSES & set(doubts) else "go_on"


def error_sentence(error: Exception, language: Language) -> str:
    """Returns the message for an error; only refusals have texts that are safe to show."""
    if isinstance(error, RefusedError):
        error = error.error
    log_error(error)
    if isinstance(error, FusionError):
        return error.sentence(language)
    return say(_LIMIT_KEYS.get(type(error), "error.unexpected"), language)
