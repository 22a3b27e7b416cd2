"""Colour correction: the source's skin is brought into the target's tone and light before the network sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.types import FloatArray, Photo

#: Gammas are held in this range: beyond it there is noise where there was shadow.
GAMMA_RANGE: Final = (0.4, 2.5)
#: Standard deviation, as a share of the crop's side, of what counts as light: shading wider than an eye.
LIGHT_SCALE: Final = 0.094
#: Light is computed at a fraction of the resolution: it has no detail.
LIGHT_SHRINK: Final = 4
#: Share of the difference in light that is made up for, and the gains' range. A nose casts a shadow of its own.
LIGHT_SHARE: Final = 0.8
GAIN_RANGE: Final = (0.4, 2.5)
#: Where little skin is near, the face's mean decides: its weight against skin's. Levels added against division by shadow.
_PRIOR: Final = 0.02
_FLOOR: Final = 4.0


@dataclass(frozen=True)
class Relight:
    """A correction of tone and light that fits a crop at any resolution.

    Attributes:
        table: (1, 256, 3) uint8 look-up table for the tone.
        gains: (s, s, 3) float32 gains for the light, over the crop.
    """

    table: Photo
    gains: FloatArray

    def __call__(self, image: Photo) -> Photo:
        """Corrects a square crop, (N, N, 3) RGB uint8, of the same view."""
        size, gains = image.shape[0], self.gains
        if size != gains.shape[0]:
            gains = np.asarray(cv2.resize(gains, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)
        toned = cv2.LUT(image, self.table)
        return np.asarray(cv2.multiply(toned, gains, dtype=cv2.CV_8U), np.uint8)


def skin_tone(image: Photo, skin: FloatArray) -> FloatArray:
    """Weighted mean colour, (3,) in [0, 255], of `image` (H, W, 3) uint8 under the weights `skin` (H, W) in [0, 1]."""
    total = skin.ravel() @ image.reshape(-1, 3).astype(np.float32)  # a product of matrices: sixteen times quicker than a sum
    return np.asarray(total / max(float(skin.sum()), 1e-6), np.float32)


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


def match_light(source: Photo, target: Photo, skin: FloatArray) -> Relight:
    """The correction that brings `source` into the tone and the light of `target`, which lies under it.

    After the tone the light: lit and shaded sides, coloured lamps. Both faces are averaged over an eye's width of skin, and
    their ratio is what the source's skin has to be multiplied by (Lambert's law: light multiplies). Finer shading is shape,
    and stays the source's.

    Args:
        source, target: (S, S, 3) RGB uint8, one on the other.
        skin: (S, S) float32 in [0, 1], where skin is most likely.
    """
    toned, table = match_skin(source, target, skin)
    side = max(source.shape[0] // LIGHT_SHRINK, 1)
    sigma = LIGHT_SCALE * side
    weight = cv2.resize(skin, (side, side), interpolation=cv2.INTER_AREA)[..., None]
    near = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]

    def light(image: Photo) -> FloatArray:
        tone = skin_tone(image, skin) + _FLOOR
        under = cv2.resize(image * skin[..., None], (side, side), interpolation=cv2.INTER_AREA) + _FLOOR * weight
        return np.asarray((cv2.GaussianBlur(under, (0, 0), sigma) + _PRIOR * tone) / (near + _PRIOR), np.float32)

    gains = np.clip(light(target) / light(toned), *GAIN_RANGE) ** LIGHT_SHARE
    return Relight(table, np.asarray(gains, np.float32))
