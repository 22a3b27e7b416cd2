"""Every sentence of the page and of the errors, in two languages, each in one place."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from facefusion.words.chinese import CHINESE
from facefusion.words.english import ENGLISH


class Language(StrEnum):
    """The languages of the page."""

    ENGLISH = "en"
    CHINESE = "zh"


TEXTS: Final[dict[Language, dict[str, str]]] = {
    Language.ENGLISH: ENGLISH,
    Language.CHINESE: CHINESE,
}

#: The identity similarity from which on a likeness is called so, best first. On 60 pairs of
#: validation faces our identity network gives strangers 0.12 in the middle and 0.41 at most, and
#: fused faces 0.69 in the middle and 0.46 at least.
LIKENESS: Final = ((0.70, "excellent"), (0.55, "good"), (0.40, "fair"))


def say(key: str, language: Language = Language.ENGLISH) -> str:
    """The words for a key.

    Raises:
        KeyError: there are none.
    """
    return TEXTS[language][key]


#: The names of Chinese, as browsers give them, that Gradio knows; it speaks English to the others,
#: and so do we.
_CHINESE: Final = ("zh-cn", "zh-tw")


def language_of(accepted: str | None) -> Language:
    """The language of the page for a browser's `Accept-Language` header: what it names first
    decides.
    """
    return (
        Language.CHINESE
        if (accepted or "").strip().lower().startswith(_CHINESE)
        else Language.ENGLISH
    )


def likeness(similarity: float) -> str:
    """What an identity similarity in [-1, 1] is called: the end of a key that starts with "match."."""
    return next((name for least, name in LIKENESS if similarity >= least), "weak")


def refusal(
    code: str, photo: str, number: int | None, language: Language = Language.ENGLISH
) -> str:
    """Two sentences: which photo cannot be used and why, and what to do.

    Args:
        code: the end of a key that starts with "error.".
        photo: "source" or "target".
        number: 1-based position among several face photos, or None.
        language: of the sentences.
    """
    name, reason = say(f"photo.{photo}", language), say(f"error.{code}", language)
    remedy = say(f"error.{code}.remedy", language)
    if language is Language.CHINESE:
        return f"{name}{f' {number} ' if number is not None else ''}{reason}。{remedy}"
    return f"{name}{f' {number}' if number is not None else ''} {reason}. {remedy}"
