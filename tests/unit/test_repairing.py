"""The parts of faces that can be brought back by name."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion import FusionPipeline
from facefusion.geometry.mask import fill_points
from facefusion.geometry.topology import LEFT_BROW, LEFT_EYE, OUTER_LIPS, RIGHT_EYE
from facefusion.page.repairing import parts


@pytest.fixture(scope="module")
def mesh(pipeline: FusionPipeline, astronaut: np.ndarray) -> np.ndarray:
    return np.asarray(pipeline.find_faces(astronaut)[0].mesh)


def _painted(lines: list[list[float]], shape: tuple[int, ...]) -> np.ndarray:
    """Draws lines as the brush does without a soft edge."""
    drawn = np.zeros(shape[:2], np.uint8)
    for wide, *points in lines:
        line = np.round(np.reshape(points, (-1, 1, 2))).astype(np.int32)
        cv2.polylines(drawn, [line], False, 255, round(2 * wide))
    return drawn > 0


def _area(outline: tuple[int, ...], mesh: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    filled = np.zeros(shape[:2], np.uint8)
    fill_points(filled, mesh[list(outline), :2], 255)
    return filled > 127


def test_eyes_and_lips_are_covered_and_little_else(mesh: np.ndarray, astronaut: np.ndarray) -> None:
    found = parts([mesh])
    assert [len(found[name]) for name in ("eyes", "mouth", "hair")] == [2, 1, 1]
    eyes, mouth, hair = (_painted(found[name], astronaut.shape) for name in found)
    areas = {
        "eyes": _area(LEFT_EYE, mesh, astronaut.shape) | _area(RIGHT_EYE, mesh, astronaut.shape),
        "mouth": _area(OUTER_LIPS, mesh, astronaut.shape),
    }
    for painted, area in ((eyes, areas["eyes"]), (mouth, areas["mouth"])):
        assert painted[area].all() and painted.sum() < 8 * area.sum()
    brow = _area(LEFT_BROW, mesh, astronaut.shape)
    assert eyes[brow].mean() < 0.2
    top = np.round(mesh[10, :2]).astype(int)
    assert hair[top[1], top[0]] and not (hair & (eyes | mouth)).any()


def test_every_face_has_its_lines(mesh: np.ndarray) -> None:
    one, two = parts([mesh]), parts([mesh, mesh + 100])
    assert [len(two[name]) for name in two] == [2 * len(one[name]) for name in one]
    assert two["mouth"][1][0] == one["mouth"][0][0]  # as wide, elsewhere
    assert two["mouth"][1][1] == pytest.approx(one["mouth"][0][1] + 100, abs=0.1)
    assert parts([]) == {"eyes": [], "mouth": [], "hair": []}
