"""Frames: maps over the aligned crop, at the pixels of a photo that shows it."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.geometry.align import invert, transform_points
from facefusion.geometry.frames import Frame


def turned(scale: float, degrees: float = 20.0, width: int = 90, height: int = 70) -> Frame:
    """A frame with the middle of the crop in its middle; a crop of side 1 has a side of `scale`
    pixels.
    """
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    linear = np.array([[cos, -sin], [sin, cos]])
    middle = np.array([width - 1, height - 1]) / 2  # the middle of a crop of one pixel is (0, 0)
    return Frame(np.concatenate([linear, middle[:, None]], axis=1), width, height)


def ramps(side: int) -> np.ndarray:
    """(side, side, 3) float32, x and y in the pixels of a crop of 128, and their sum."""
    steps = (np.arange(side) + 0.5) * 128 / side - 0.5
    x, y = np.meshgrid(steps, steps)
    return np.stack([x, y, x + y], axis=-1).astype(np.float32)


def expected(frame: Frame) -> np.ndarray:
    """`ramps` at the frame's pixels."""
    grid = np.stack(np.meshgrid(np.arange(frame.width), np.arange(frame.height)), axis=-1).reshape(
        -1, 2
    )
    found = transform_points(grid, invert(frame.from_crop(128))).reshape(
        frame.height, frame.width, 2
    )
    return np.concatenate([found, found.sum(2, keepdims=True)], axis=2)


def test_a_crop_s_own_frame_leaves_its_maps_alone() -> None:
    field, frame = ramps(64), Frame.crop(64)
    assert frame.placed(field) is field and frame.size == (64, 64)
    np.testing.assert_allclose(frame.from_crop(64), np.eye(2, 3), atol=1e-12)


def test_a_crop_of_another_side_is_the_same_view() -> None:
    np.testing.assert_allclose(
        Frame.crop(192).placed(ramps(64))[8:-8, 8:-8], ramps(192)[8:-8, 8:-8], atol=1e-3
    )
    np.testing.assert_allclose(Frame.crop(64).placed(ramps(192)), ramps(64), atol=1e-3)


def test_a_smaller_crop_averages_areas(rng: np.random.Generator) -> None:
    field = rng.random((96, 96, 2)).astype(np.float32)
    np.testing.assert_allclose(
        Frame.crop(32).placed(field), field.reshape(32, 3, 32, 3, 2).mean((1, 3)), atol=1e-6
    )


@pytest.mark.parametrize("side", [32, 128, 256, 600])
@pytest.mark.parametrize("scale", [150.0, 400.0])
def test_a_straight_map_stays_straight_in_a_turned_frame(side: int, scale: float) -> None:
    frame = turned(scale)
    placed, wanted = frame.placed(ramps(side)), expected(frame)
    inside = (wanted[..., :2].min(2) > 12) & (wanted[..., :2].max(2) < 115)
    assert placed.shape == (70, 90, 3) and placed.dtype == np.float32 and inside.sum() > 3000
    # A cubic puts a wave of 5 % of a map's pixel on a straight line, x and y one each on their sum.
    assert np.abs(placed - wanted)[inside].max() < 0.01 + 0.1 * 128 / side


def test_three_channels_are_interpolated_without_steps() -> None:
    frame = turned(358.4, degrees=0)  # 1.4 pixels for one of the map: no cubic
    found = frame.placed(ramps(256))[35, 5:85, 0]
    np.testing.assert_allclose(np.diff(found), 128 / 358.4, atol=1e-3)


def test_beyond_the_crop_its_border_goes_on_unless_told_otherwise() -> None:
    frame, ones = turned(40.0), np.ones((32, 32), np.float32)
    assert (frame.placed(ones) == 1).all()
    placed = frame.placed(ones, outside=0.0)
    assert placed[35, 45] == 1 and placed[0].max() == placed[:, 0].max() == 0
    assert frame.placed(ones, outside=0.5)[0, 0] == 0.5


def test_a_coarse_map_is_enlarged_smoothly() -> None:
    step = np.zeros((32, 32), np.float32)
    step[:, 16:] = 1
    slope = np.diff(turned(320.0, degrees=0).placed(step)[35])
    linear = 32 / 320
    assert (
        slope.max() > 1.1 * linear
    )  # a cubic is steeper in the middle, and has no corners at the ends
    assert np.abs(np.diff(slope)).max() < 0.7 * linear
