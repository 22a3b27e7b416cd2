"""Orders faces as people read a photo: rows from the top, each from left to right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from facefusion.types import Face

#: Largest distance of a face from the middle of its row, as a share of the row's mean face height.
#: Heads of one row differ by less, as people are of different sizes; rows are about a head apart.
ROW_SHARE: Final = 0.75


def in_reading_order(faces: Iterable[Face]) -> list[Face]:
    """Sorts faces by rows from the top, and within a row from left to right.

    `FusionPipeline.find_faces` returns them from left to right alone, which mixes the rows.
    """
    rows: list[list[Face]] = []
    for face in sorted(faces, key=_middle):
        if rows and _belongs(face, rows[-1]):
            rows[-1].append(face)
        else:
            rows.append([face])
    return [face for row in rows for face in sorted(row, key=_across)]


def _belongs(face: Face, row: list[Face]) -> bool:
    middle = sum(map(_middle, row)) / len(row)
    height = sum(map(_height, [*row, face])) / (len(row) + 1)
    return abs(_middle(face) - middle) <= ROW_SHARE * height


def _across(face: Face) -> float:
    return float(face.mesh[:, 0].mean())


def _middle(face: Face) -> float:
    return float(face.mesh[:, 1].mean())


def _height(face: Face) -> float:
    return float(face.detection.box[3] - face.detection.box[1])
