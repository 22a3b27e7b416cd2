"""Draws the target's single strands of hair in front of the new face."""

from __future__ import annotations

from typing import Final

import numpy as np

from facefusion.types import FloatArray, Mask, Photo

#: Opacity below which rows and columns at the border are skipped.
LEAST_OPACITY: Final = 0.02


def draw_strands(face: Photo, target: Photo, skin: FloatArray, opacity: Mask) -> Photo:
    """Darkens a new face by the strands of hair over the target's.

    A strand transmits the same share of light over any skin; it is measured on the photo's skin.

    Args:
        face: (h, w, 3) RGB uint8, the new face.
        target: (h, w, 3) RGB uint8, the photo.
        skin: (h, w, 3) float32 in [0, 255], the photo without its strands.
        opacity: (h, w) float32 in [0, 1], the strands' opacity.

    Returns:
        (h, w, 3) RGB uint8; equal to `face` where the opacity is 0.
    """
    rows, columns = (np.flatnonzero(opacity.max(axis) > LEAST_OPACITY) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return face
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    transmission = np.clip((target[window] + 1.0) / (skin[window] + 1.0), 0, 1)
    result = face.copy()
    result[window] = (
        face[window] * (1 - opacity[window][..., None] * (1 - transmission)) + 0.5
    ).astype(np.uint8)
    return result
