"""Boxes of faces, and pictures that are reduced, turned and cut into tiles."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.geometry.align import transform_points
from facefusion.perception.boxes import (
    eye_angle,
    moved_turned,
    overlapping,
    same_face,
    upright_corners,
)
from facefusion.perception.reductions import OVERLAP, TILE, reduced, tiles, turned
from facefusion.types import Detection

UPRIGHT = Detection(
    np.array([40.0, 30, 120, 130], np.float32),
    0.9,
    np.array([[60, 70], [100, 70], [80, 90], [65, 110], [95, 110]], np.float32),
)


def _turn(degrees: float):
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return lambda xy: np.asarray(xy, np.float64) @ matrix


def test_boxes_overlap_where_one_lies_in_the_other() -> None:
    large, small = np.array([0, 0, 100, 100]), np.array([10, 10, 30, 30])
    assert overlapping(large, small) and overlapping(small, large)
    assert not same_face(large, small)
    assert not overlapping(small, np.array([25, 25, 60, 60]))


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135, 180, 250])
def test_a_turned_face_keeps_its_size_and_place(degrees: float) -> None:
    move = _turn(degrees)
    face = moved_turned(UPRIGHT, move)
    np.testing.assert_allclose(face.points, move(UPRIGHT.points), atol=1e-3)
    around = upright_corners(face, eye_angle(face.points))
    np.testing.assert_allclose(around.mean(0), move(np.array([[80.0, 80]]))[0], atol=1e-2)
    sides = np.linalg.norm(np.roll(around, 1, axis=0) - around, axis=1)
    np.testing.assert_allclose(sides, 100, atol=1e-2)


@pytest.mark.parametrize("degrees", [45, 90, 135, 180, 225, 270, 315])
def test_a_turned_photo_leads_back_to_the_photo(degrees: int) -> None:
    photo = np.full((200, 300, 3), 10, np.uint8)
    photo[38:43, 58:63] = 250
    image, back = turned(photo, degrees)
    y, x = np.nonzero(image[..., 0] > 200)
    (point,) = transform_points(np.array([[x.mean(), y.mean()]]), back)
    np.testing.assert_allclose(point, [60, 40], atol=1)


@pytest.mark.parametrize("shape", [(100, 90), (640, 640), (1025, 2000), (1500, 700), (60, 9000)])
def test_tiles_cover_the_photo_and_overlap(shape: tuple[int, int]) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    seen = np.zeros(shape, int)
    for tile, (left, top) in tiles(photo):
        assert tile.shape[0] % 32 == tile.shape[1] % 32 == 0 and max(tile.shape) <= TILE
        part = photo[int(top) :, int(left) :][: tile.shape[0], : tile.shape[1]]
        padding = np.array(tile.shape[:2]) - part.shape[:2]
        assert (padding < 32).all()
        inside = tile[: part.shape[0], : part.shape[1]]
        seen[int(top) :, int(left) :][: tile.shape[0], : tile.shape[1]] += (inside == part).all(-1)
    assert seen.all()
    for length, row in zip(shape, (seen[:, 0], seen[0]), strict=True):
        common = int((row > 1).sum())
        assert common == 0 if length <= TILE else common >= OVERLAP


def test_a_reduction_keeps_the_shape() -> None:
    assert reduced(np.zeros((30, 20, 3), np.uint8), 40).shape == (30, 20, 3)
    assert reduced(np.zeros((3000, 10, 3), np.uint8), 300).shape == (300, 1, 3)
