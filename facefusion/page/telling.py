"""What is told to a visitor, in which language, and what the log may hold of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import gradio as gr

from facefusion.decoding.budget import BusyError, TooManyPixelsError
from facefusion.errors import FusionError, released
from facefusion.lettering import CHINESE, ENGLISH
from facefusion.page import pieces
from facefusion.page.jobs import RefusedError, TooSlowError
from facefusion.words import Language, language_of, say

log = logging.getLogger("facefusion.app")


#: What is told where there is no room, or no more time, for a fusion.
_LIMITS: Final[dict[type[Exception], str]] = {
    BusyError: "error.busy",
    TooManyPixelsError: "error.too_many_pixels",
    TooSlowError: "error.too_slow",
}
#: What speaks against a photo that was just chosen.
LIMITS: Final[tuple[type[Exception], ...]] = (FusionError, *_LIMITS)


def log_error(error: Exception) -> None:
    """Logs the type alone, and lets go of the photos in the traceback.

    Messages and tracebacks may hold file names.
    """
    released(error)
    expected = isinstance(error, (RefusedError, *LIMITS))
    level = logging.INFO if expected else logging.ERROR
    log.log(level, "No fusion: %s", type(error).__name__)


def mark_text(language: Language) -> str:
    """What is written into every picture."""
    return CHINESE if language is Language.CHINESE else ENGLISH


def language(request: gr.Request | None) -> Language:
    """The language of whoever asks."""
    return language_of(request.headers.get("accept-language") if request is not None else None)


def told(message: str, kind: str = "problem") -> Any:
    """Shows a notice, or hides it where there is nothing to say."""
    return gr.update(value=pieces.notice(message, kind), visible=bool(message))


def told_doubts(found: Sequence[str], fine: str, spoken: Language) -> Any:
    """What speaks against a photo, or that it is fine: `fine` is the key of these words."""
    if not found:
        return told(say(fine, spoken), "fine")
    sentences = [say(f"doubt.{doubt}", spoken) for doubt in (*found, "go_on")]
    return told(("" if spoken is Language.CHINESE else " ").join(sentences), "doubt")


def reason(error: Exception, spoken: Language) -> str:
    """What is told beside a photo, of a refusal of that photo."""
    if isinstance(error, FusionError):
        log_error(error)
        return error.sentence(spoken)
    return sentence(error, spoken)


def sentence(error: Exception, spoken: Language) -> str:
    """What is told of an error. Only a refusal may speak for itself: it holds no text of the
    visitor's.
    """
    if isinstance(error, RefusedError):
        log_error(error.error)
        return error.error.sentence(spoken)
    log_error(error)
    return say(_LIMITS.get(type(error), "error.unexpected"), spoken)
