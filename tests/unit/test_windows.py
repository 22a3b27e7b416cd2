"""Rectangles of pixels under a crop or a mask."""

from __future__ import annotations

import numpy as np

from facefusion.geometry.windows import mask_corners, pixel_window, square_corners


def test_a_window_contains_its_corners_and_stays_in_the_photo() -> None:
    corners = np.array([[2.5, -4.0], [7.2, 3.5]])
    assert pixel_window(corners, (20, 10)) == (2, 0, 8, 4)
    assert pixel_window(corners, (20, 10), before=1, after=2) == (1, 0, 10, 6)
    assert pixel_window(corners, (5, 3)) == (2, 0, 5, 3)


def test_there_is_no_window_outside_of_the_photo() -> None:
    corners = square_corners(0, 10)
    assert pixel_window(corners - 20, (50, 50)) is None
    assert pixel_window(corners + 60, (50, 50)) is None


def test_the_box_of_a_mask_is_one_pixel_larger() -> None:
    mask = np.zeros((8, 8), np.float32)
    assert mask_corners(mask) is None
    mask[2:4, 3:7] = 0.5
    box = mask_corners(mask)
    assert box is not None
    assert box.min(0).tolist() == [2, 1] and box.max(0).tolist() == [7, 4]
