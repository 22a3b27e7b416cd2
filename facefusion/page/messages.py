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
from facefusion.page.jobs import RefusedError, TooSlowError
from facefusion.words import Language, language_of, say

log = logging.getLogger("facefusion.app")


#: Keys of the messages for a fusion beyond the limits of pixels or time.
_LIMITS: Final[dict[type[Exception], str]] = {
    BusyError: "error.busy",
    TooManyPixelsError: "error.too_many_pixels",
    TooSlowError: "error.too_slow",
}
#: Errors that a check of a photo can raise.
LIMITS: Final[tuple[type[Exception], ...]] = (FusionError, *_LIMITS)


def log_error(error: Exception) -> None:
    """Logs an error's type only, and releases the photos held by its traceback.

    Messages and tracebacks may hold file names.
    """
    released(error)
    expected = isinstance(error, (RefusedError, *LIMITS))
    level = logging.INFO if expected else logging.ERROR
    log.log(level, "No fusion: %s", type(error).__name__)


def mark_text(language: Language) -> str:
    """Returns the visible mark of every picture."""
    return CHINESE if language is Language.CHINESE else ENGLISH


def language(request: gr.Request | None) -> Language:
    """Returns the language of a request."""
    return language_of(request.headers.get("accept-language") if request is not None else None)


def told(message: str, kind: str = "problem") -> Any:
    """Shows a notice, or hides it if the message is empty."""
    return gr.update(value=html.notice(message, kind), visible=bool(message))


def told_doubts(found: Sequence[str], fine: str, spoken: Language) -> Any:
    """Shows warnings about a photo, or the text of key `fine` if there are none."""
    if not found:
        return told(say(fine, spoken), "fine")
    sentences = [say(f"doubt.{doubt}", spoken) for doubt in (*found, "go_on")]
    return told(("" if spoken is Language.CHINESE else " ").join(sentences), "doubt")


def sentence(error: Exception, spoken: Language) -> str:
    """Returns the message for an error; only refusals have texts that are safe to show."""
    if isinstance(error, RefusedError):
        error = error.error
    log_error(error)
    if isinstance(error, FusionError):
        return error.sentence(spoken)
    return say(_LIMITS.get(type(error), "error.unexpected"), spoken)
