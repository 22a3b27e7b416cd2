"""Reads what the host of the page says about it: title, contact, imprint and examples."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from facefusion.page.i18n import t
from facefusion.words import say

#: Environment variables of the host.
TITLE_VARIABLE: Final = "FACEFUSION_TITLE"
CONTACT_VARIABLE: Final = "FACEFUSION_CONTACT"
IMPRINT_VARIABLE: Final = "FACEFUSION_IMPRINT"
EXAMPLES_VARIABLE: Final = "FACEFUSION_EXAMPLES"
#: The examples of the project.
EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
#: Longest title in characters that fits on the first line of a phone.
MAX_TITLE: Final = 40
_MAIL: Final = re.compile(r"(?:mailto:)?([^\s@:/?&]+@[^\s@:/?&]+)")
_ADDRESS: Final = re.compile(r"https?://\S+")

log = logging.getLogger("facefusion.app")


@dataclass(frozen=True)
class Host:
    """What the host says about the page.

    Attributes:
        title: of the page.
        contact: address of a page, or `mailto:` and an e-mail address; or "".
        imprint: address of a page, or "".
        examples: directory with `pairs.csv` and the photos that it names.
    """

    title: str
    contact: str
    imprint: str
    examples: Path

    @classmethod
    def read(cls) -> Host:
        """Reads the environment; values that cannot be used are left out, with a warning."""
        title = _value(TITLE_VARIABLE)
        if len(title) > MAX_TITLE:
            _warn(TITLE_VARIABLE, f"is longer than {MAX_TITLE} characters")
            title = title[:MAX_TITLE].rstrip()
        return cls(
            title or say("title"),
            _link(CONTACT_VARIABLE, with_mail=True),
            _link(IMPRINT_VARIABLE),
            _directory(),
        )

    @property
    def links(self) -> dict[str, str]:
        """The addresses that there are, by the key of their text."""
        both = {"host.contact": self.contact, "host.imprint": self.imprint}
        return {key: address for key, address in both.items() if address}


def link(key: str, address: str) -> str:
    """Renders one of `Host.links`, which opens in a tab of its own: the photos stay."""
    return f'<a href="{escape(address)}" target="_blank" rel="noopener">{t(key)}</a>'


def _value(variable: str) -> str:
    return " ".join(os.environ.get(variable, "").split())


def _link(variable: str, *, with_mail: bool = False) -> str:
    value = _value(variable)
    if with_mail and (mail := _MAIL.fullmatch(value)):
        return f"mailto:{mail[1]}"
    if value and not _ADDRESS.fullmatch(value):
        _warn(variable, "is no address that begins with https://")
        return ""
    return value


def _directory() -> Path:
    value = os.environ.get(EXAMPLES_VARIABLE, "").strip()
    if not value:
        return EXAMPLES
    directory = Path(value).resolve()
    if not (directory / "pairs.csv").is_file():
        _warn(EXAMPLES_VARIABLE, "is no directory with a file pairs.csv")
        return EXAMPLES
    return directory


def _warn(variable: str, reason: str) -> None:
    log.warning("%s %s.", variable, reason)
