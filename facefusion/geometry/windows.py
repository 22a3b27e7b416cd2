"""Finds the rectangles of pixels that a crop or a mask takes in a photo."""

from __future__ import annotations

import numpy as np


def square_corners(low: float, high: float) -> np.ndarray:
    """Returns the corners (4, 2) of a square from `low` to `high` in x and y."""
    return np.array([[low, low], [high, low], [low, high], [high, high]])


def mask_corners(mask: np.ndarray) -> np.ndarray | None:
    """Returns the corners (4, 2) of the box one pixel around a mask (S, S); None if it is 0."""
    rows, columns = np.flatnonzero(mask.max(1) > 0), np.flatnonzero(mask.max(0) > 0)
    if not len(rows) or not len(columns):
        return None
    return np.array(
        [[x, y] for x in (columns[0] - 1, columns[-1] + 1) for y in (rows[0] - 1, rows[-1] + 1)]
    )


def pixel_window(
    corners: np.ndarray, size: tuple[int, int], before: int = 0, after: int = 0
) -> tuple[int, int, int, int] | None:
    """Finds the pixels under the upright box around some points.

    Args:
        corners: (N, 2) points in pixels.
        size: width and height in pixels, to which the window is clipped.
        before, after: further pixels to the left and above, and to the right and below.

    Returns:
        Left, top, right, bottom, the last two exclusive; None if the window is empty.
    """
    left, top = np.maximum(np.floor(corners.min(0)).astype(int) - before, 0).tolist()
    right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int) + after, size).tolist()
    if right <= left or bottom <= top:
        return None
    return left, top, right, bottom
