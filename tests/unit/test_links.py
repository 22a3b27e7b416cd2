"""Links and paths in the Markdown pages lead to files and headings of the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
#: A path in code marks below a folder of the repository, such as `facefusion/tiers.py`. Recipes
#: write NAME for a file that is to be made.
PATH = re.compile(r"`((?:facefusion|tests|benchmarks|docs|examples|\.github)/[\w./-]+)`")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def _pages() -> list[Path]:
    folders = (".github", "benchmarks", "docs", "examples", "facefusion", "tests", "weights")
    pages = [
        *ROOT.glob("*.md"),
        *(page for name in folders for page in (ROOT / name).rglob("*.md")),
    ]
    return sorted(pages)


def _text(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    """Returns the names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _broken(page: Path, text: str) -> Iterator[str]:
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        place = (page.parent / name).resolve() if name else page
        found = place.is_file() and ROOT in place.parents
        if not found or (anchor and anchor not in _anchors(place)):
            yield link


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = _text(page)
    assert list(_broken(page, text)) == []
    paths = [path for path in PATH.findall(text) if "NAME" not in path]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_a_broken_link_is_found() -> None:
    page = ROOT / "README.md"
    text = "[a](docs/none.md) [b](docs/method.md#none) [c](docs/method.md#the-formula) [d](https://example.org)"
    assert list(_broken(page, text)) == ["docs/none.md", "docs/method.md#none"]
