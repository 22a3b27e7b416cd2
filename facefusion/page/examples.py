"""Reads the ready photos and their results, and shows them on buttons and in the first view."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.images import lettering
from facefusion.images.marking import marked
from facefusion.images.reading import read_photo
from facefusion.page.html import Hero, address
from facefusion.page.pictures import data_uri
from facefusion.types import Photo
from facefusion.words import Language, say

#: Side of a picture on a button, in pixels.
SIDE: Final = 144
#: Height of the first view's pictures, in pixels.
HERO_HEIGHT: Final = 560
#: The visible mark by language.
_MARKS: Final = {Language.ENGLISH: lettering.ENGLISH, Language.CHINESE: lettering.CHINESE}
#: Most buttons.
MAX_EXAMPLES: Final = 8


@dataclass(frozen=True)
class Example:
    """A photo that can be used with one press, and a face for visitors who have not given theirs.

    Attributes:
        face, target: the photos.
        result: what was made of them beforehand, without the visible mark; or None.
        names: description of the target by language.
    """

    face: Path
    target: Path
    result: Path | None
    names: dict[Language, str]


def read(directory: Path) -> list[Example]:
    """Reads `ready/index.csv`, or else `pairs.csv`; examples without their files are left out."""
    found = _ready(directory / "ready") or _pairs(directory)
    return found[:MAX_EXAMPLES]


def _ready(directory: Path) -> list[Example]:
    rows = _rows(directory / "index.csv")
    names = {
        row["file"]: {Language.ENGLISH: row["english"], Language.CHINESE: row["chinese"]}
        for row in rows
    }
    examples = [
        Example(
            directory / row["face"],
            directory / row["target"],
            directory / row["file"],
            names.get(row["target"], {}),
        )
        for row in rows
        if row["kind"] == "result"
    ]
    return [each for each in examples if _all_exist(each.face, each.target, each.result)]


def _pairs(directory: Path) -> list[Example]:
    found = []
    for number, row in enumerate(_rows(directory / "pairs.csv"), 1):
        face, target = directory / row["source"], directory / row["target"]
        names = {language: f"{say('example', language)} {number}" for language in Language}
        if _all_exist(face, target):
            found.append(Example(face, target, None, names))
    return found


def _rows(table: Path) -> list[dict[str, str]]:
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as rows:
        return list(csv.DictReader(rows))


def _all_exist(*paths: Path | None) -> bool:
    return all(path is not None and path.is_file() for path in paths)


def files(found: list[Example]) -> list[Path]:
    """Returns the photos, which are served from their directory; results are not, unmarked."""
    return sorted({path for each in found for path in (each.face, each.target)})


def style(found: list[Example]) -> str:
    """Makes a style sheet that shows each target on its button."""
    return "\n".join(
        f"#example-{i} {{ background-image: url({data_uri(_square(each.target), 80)}) !important; }}"
        for i, each in enumerate(found, 1)
    )


def index(found: list[Example]) -> str:
    """Renders what the page's scripts read: addresses, and names of the buttons by language."""
    rows = "".join(
        f'<data data-button="example-{i}" data-files="{address(str(each.face))} '
        f'{address(str(each.target))}" '
        + " ".join(f'data-{lang}="{escape(name)}"' for lang, name in each.names.items())
        + "></data>"
        for i, each in enumerate(found, 1)
    )
    return f"<div hidden>{rows}</div>"


def hero(found: list[Example]) -> Hero | None:
    """Makes the first view of the first example with a result."""
    chosen = next((each for each in found if each.result is not None), None)
    if chosen is None or chosen.result is None:
        return None
    before, after = (_shrink(read_photo(path, "target")) for path in (chosen.target, chosen.result))
    pictures = {
        language.value: data_uri(marked(after, text), 82) for language, text in _MARKS.items()
    }
    return Hero(data_uri(before, 82), pictures, before.shape[1] / before.shape[0])


def _shrink(photo: Photo) -> Photo:
    width = round(photo.shape[1] * HERO_HEIGHT / photo.shape[0])
    size = (width, HERO_HEIGHT)
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def _square(path: Path) -> Photo:
    """Cuts the middle out of a photo, a little above its centre, where faces are."""
    photo = read_photo(path, "target")
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 3, (width - side) // 2
    cut = photo[top : top + side, left : left + side]
    return np.asarray(cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
