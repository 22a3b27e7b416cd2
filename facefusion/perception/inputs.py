"""Converts crops to inputs of the perception networks."""

from __future__ import annotations

import numpy as np

from facefusion.types import FloatArray, Photo


def centred(crops: Photo) -> FloatArray:
    """Converts (N, H, W, 3) RGB uint8 to (N, 3, H, W) float32 in [-1, 1]."""
    return np.asarray((crops.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 127.5, np.float32)
