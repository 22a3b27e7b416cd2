"""Crops as the networks of perception take them."""

from __future__ import annotations

import numpy as np

from facefusion.types import FloatArray, Photo


def centred(crops: Photo) -> FloatArray:
    """(N, H, W, 3) RGB uint8 to (N, 3, H, W) in [-1, 1]."""
    return np.asarray((crops.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 127.5, np.float32)
