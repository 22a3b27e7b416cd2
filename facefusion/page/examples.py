"""Reads the example pairs of photos, and shows them on buttons."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.images.reading import read_photo
from facefusion.page.pictures import data_uri
from facefusion.types import Photo

#: Height of a picture on a button, in pixels.
HEIGHT: Final = 128
#: Most example buttons.
MAX_PAIRS: Final = 4


def pairs(directory: Path) -> list[tuple[Path, Path]]:
    """Reads the pairs of `pairs.csv` (source,target) whose two files exist."""
    table = directory / "pairs.csv"
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as rows:
        listed = [
            (directory / row["source"], directory / row["target"]) for row in csv.DictReader(rows)
        ]
    return [pair for pair in listed if all(path.is_file() for path in pair)][:MAX_PAIRS]


def style(found: list[tuple[Path, Path]]) -> str:
    """Makes a style sheet that shows each example's pictures on its button."""
    rules = []
    for i, pair in enumerate(found, 1):
        both = [_shrink(read_photo(path, "source")) for path in pair]
        gap = np.full((HEIGHT, 8, 3), 255, np.uint8)
        uri = data_uri(np.hstack([both[0], gap, both[1]]), 80)
        rules.append(f"#example-{i} {{ background-image: url({uri}) !important; }}")
    return "\n".join(rules)


def files(found: list[tuple[Path, Path]]) -> list[Path]:
    """Returns the files of the pairs, which are served from their directory."""
    return sorted({path for pair in found for path in pair})


def _shrink(photo: Photo) -> Photo:
    width = round(photo.shape[1] * HEIGHT / photo.shape[0])
    return np.asarray(cv2.resize(photo, (width, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)
