"""Looks up every text of the page and of the errors, in two languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
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

#: Smallest identity similarity of each grade, best first. On 60 pairs of validation faces the
#: product's identity network gives different people a median of 0.12 and at most 0.41, and
#: fused faces a median of 0.69 and at least 0.46.
GRADES: Final = ((0.70, "strong"), (0.55, "clear"), (0.40, "some"))


def say(key: str, language: Language = Language.ENGLISH) -> str:
    """Returns the text for a key.

    Raises:
        KeyError: there is no such text.
    """
    return TEXTS[language][key]


def sentences(keys: Iterable[str], language: Language) -> str:
    """Returns the texts of several keys as one."""
    gap = "" if language is Language.CHINESE else " "
    return gap.join(say(key, language) for key in keys)


def listed(keys: Iterable[str], language: Language = Language.ENGLISH) -> str:
    """Returns the texts of several keys as a list in a sentence."""
    return ("、" if language is Language.CHINESE else ", ").join(say(key, language) for key in keys)


def language_of(accepted: str | None) -> Language:
    """Chooses the page's language by the first entry of an `Accept-Language` header.

    All tags of Chinese count as Chinese, such as `zh`, `zh-HK` and `zh-Hant-TW`.
    """
    first = (accepted or "").partition(",")[0].partition(";")[0].strip().lower()
    return Language.CHINESE if first.partition("-")[0] == "zh" else Language.ENGLISH


def chosen_language(chosen: str | None, accepted: str | None) -> Language:
    """Chooses the page's language: the visitor's choice, if it is one, or the browser's."""
    return Language(chosen) if chosen in list(Language) else language_of(accepted)


#: Western punctuation beside Chinese characters, and what Chinese has instead.
_PUNCTUATION: Final = (
    (re.compile(r" ?\(([^()<>]*[\u4e00-\u9fff][^()<>]*)\)"), r"（\1）"),
    (re.compile(r"(?<=\d)\. (?=[\u4e00-\u9fff])"), "："),
    (re.compile(r", (?=[\u4e00-\u9fff])"), "，"),
    (re.compile(r":(</\w+>|) (?=[\u4e00-\u9fff])"), r"：\1"),
    (re.compile(r"(?<=[：，。]) +"), ""),
)


def punctuated(text: str, language: Language) -> str:
    """Gives a text or HTML that was put together from several texts its language's punctuation."""
    if language is Language.CHINESE:
        for pattern, replacement in _PUNCTUATION:
            text = pattern.sub(replacement, text)
    return text


def grade(similarity: float) -> str:
    """Grades an identity similarity in [-1, 1]: the end of a key that starts with "match."."""
    return next((name for least, name in GRADES if similarity >= least), "little")


def refusal(
    code: str, photo: str, number: int | None, language: Language = Language.ENGLISH
) -> str:
    """Writes two sentences: which photo cannot be used and why, and the remedy.

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
