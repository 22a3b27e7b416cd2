"""Colour correction: the source's skin is brought to the target's before the network sees it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.fusion.coarse import CoarseFusion
from facefusion.types import FloatArray, Photo

#: Gammas are held in this range: beyond it there is noise where there was shadow.
GAMMA_RANGE: Final = (0.4, 2.5)
#: Standard deviations, in pixels of the coarse crop, below which the residual's lightness and colour do not vary.
LIGHT_SCALE: Final = 2.0
COLOUR_SCALE: Final = 10.0


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


def _smoothed(field: FloatArray, face: FloatArray, sigma: float) -> FloatArray:
    """`field` (H, W, 3) blurred within `face` (H, W): what lies outside does not leak in."""
    weight = face[..., None] + np.float32(1e-3)
    total = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
    return np.asarray(cv2.GaussianBlur(field * weight, (0, 0), sigma) / total, np.float32)


def steady_light(fused: CoarseFusion, face: FloatArray) -> CoarseFusion:
    """Takes stains out of the network's residual.

    Light changes slowly over a face, its colour more slowly still. What the residual adds beyond that is texture that the
    network made up; upsampled to the photo's resolution it shows as coloured patches.

    Args:
        fused: the network's answer.
        face: (128, 128) float32, the face mask that the network was given.
    """
    lightness = fused.delta.mean(2, keepdims=True)
    colour = _smoothed(fused.delta - lightness, face, COLOUR_SCALE)
    return CoarseFusion(fused.mask, _smoothed(np.repeat(lightness, 3, axis=2), face, LIGHT_SCALE) + colour)
