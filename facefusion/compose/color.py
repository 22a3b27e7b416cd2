"""Colour correction: the source's skin is brought to the target's before the network sees it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.types import FloatArray, Photo

#: Gammas are held in this range: beyond it there is noise where there was shadow.
GAMMA_RANGE: Final = (0.4, 2.5)


def skin_tone(image: Photo, skin: FloatArray) -> FloatArray:
    """Weighted mean colour, (3,) in [0, 255], of `image` (H, W, 3) uint8 under the weights `skin` (H, W) in [0, 1]."""
    weights = skin[..., None]
    return np.asarray((image * weights).sum((0, 1)) / max(float(weights.sum()), 1e-6), np.float32)


def tone_curve(source: FloatArray, target: FloatArray) -> Photo:
    """The look-up table that takes one skin tone to another.

    A gamma for each channel: black stays black and white stays white, so that pupils and teeth survive, while the tone in
    between moves to the target's. A gain would grey the eyes on the way to darker skin, an offset the lashes on the way
    to lighter skin.

    Args:
        source: (3,) mean colour in [0, 255].
        target: (3,) mean colour in [0, 255].

    Returns:
        (1, 256, 3) uint8 table for `cv2.LUT`.
    """
    low, high = np.clip(source / 255, 0.02, 0.98), np.clip(target / 255, 0.02, 0.98)
    gamma = np.clip(np.log(high) / np.log(low), *GAMMA_RANGE)
    table = 255 * (np.arange(256)[:, None] / 255) ** gamma
    return np.rint(table)[None].astype(np.uint8)


def match_skin(source: Photo, target: Photo, skin: FloatArray) -> tuple[Photo, Photo]:
    """Corrects `source` (H, W, 3) to the skin tone of `target` (H, W, 3), which lies under it.

    Returns:
        The corrected source and the table that did it, for the same correction at another resolution.
    """
    table = tone_curve(skin_tone(source, skin), skin_tone(target, skin))
    return np.asarray(cv2.LUT(source, table), np.uint8), table
