"""Puts pictures of a training's progress together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def tiled(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Lays tiles of equal size out in rows of `columns`; the last row is filled with black.

    Args:
        tiles: (H, W, 3) uint8 each, at least one.
        columns: number of tiles in a row.
    """
    missing = -len(tiles) % columns
    padded = [*tiles, *[np.zeros_like(tiles[0])] * missing]
    rows = [np.concatenate(padded[i : i + columns], 1) for i in range(0, len(padded), columns)]
    return np.concatenate(rows, 0)
