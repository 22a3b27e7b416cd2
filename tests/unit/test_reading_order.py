"""The order of the faces of a group photo: rows from the top, each from left to right."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facefusion.perception.reading_order import in_reading_order


def _face(x: float, y: float, height: float = 100) -> Any:
    half = height / 2
    box = np.array([x - half, y - half, x + half, y + half])
    return SimpleNamespace(mesh=np.array([[x, y, 0.0]]), detection=SimpleNamespace(box=box))


def _order(*places: tuple[float, ...]) -> list[int]:
    """Positions among the places, in reading order, whatever order they come in."""
    faces = [_face(*place) for place in places]
    shuffled = random.Random(7).sample(faces, len(faces))
    return [
        next(i for i, face in enumerate(faces) if face is each)
        for each in in_reading_order(shuffled)
    ]


@pytest.mark.parametrize(
    "places",
    [
        [(10, 50)],
        [(100, 120), (300, 90), (500, 130), (700, 100)],  # one row of people of different sizes
        [(400, 100), (600, 110), (100, 290), (300, 300), (500, 310)],  # two rows, side by side
        [(500, 100), (100, 300), (900, 500)],  # one above the other
        [
            (100, 100, 60),
            (300, 110, 60),
            (50, 250, 140),
            (350, 240, 140),
        ],  # the row in front is larger
        [
            (314, 221, 115),
            (936, 145, 115),
            (118, 339, 115),
            (512, 353, 115),
            (782, 422, 115),
            (1172, 345, 115),
        ],  # around a table
    ],
)
def test_rows_before_columns(places: list[tuple[float, ...]]) -> None:
    assert _order(*places) == list(range(len(places)))


def test_no_face_is_lost() -> None:
    places = [(float(x), float(y)) for x, y in np.random.default_rng(3).uniform(0, 2000, (40, 2))]
    assert sorted(_order(*places)) == list(range(40))
    assert in_reading_order([]) == []
