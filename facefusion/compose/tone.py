"""Tone curves: look-up tables that take one colour to another."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.types import FloatArray, Photo

#: Rec. 601 luma of RGB, the weights of JPEG.
LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
#: Gammas are held in this range: beyond it there is noise where there was shadow.
GAMMA_RANGE: Final = (0.4, 2.5)
#: Tones, as shares of 255, are held in this range before their logarithm is taken.
TONE_RANGE: Final = (0.02, 0.98)


def skin_tone(image: Photo, skin: FloatArray) -> FloatArray:
    """Weighted mean colour, (3,) in [0, 255], of `image` (H, W, 3) uint8 under the weights `skin`
    (H, W) in [0, 1]."""
    # A product of matrices is sixteen times quicker than a sum.
    total = skin.ravel() @ image.reshape(-1, 3).astype(np.float32)
    return np.asarray(total / max(float(skin.sum()), 1e-6), np.float32)


def tone_curve(source: FloatArray, target: FloatArray) -> Photo:
    """The look-up table that takes one skin tone to another.

    A gamma for each channel: black stays black and white stays white, so that pupils and teeth
    survive, while the tone in between moves to the target's. A gain would grey the eyes on the
    way to darker skin, an offset the lashes on the way to lighter skin.

    Args:
        source: (3,) mean colour in [0, 255].
        target: (3,) mean colour in [0, 255].

    Returns:
        (1, 256, 3) uint8 table for `cv2.LUT`.
    """
    _, _, gamma = _gammas(source, target)
    table: Photo = np.rint(255 * _ramp() ** gamma)[None].astype(np.uint8)
    return table


def scaled_curve(source: FloatArray, target: FloatArray) -> Photo:
    """`tone_curve`, with a gain for what a gamma at its upper limit leaves of the way to a darker
    tone."""
    low, high, gamma = _gammas(source, target)
    gain = np.minimum(high / low**gamma, 1)
    return np.asarray(np.rint(255 * gain * _ramp() ** gamma)[None], np.uint8)


def gain_curve(source: FloatArray, target: FloatArray) -> Photo:
    """The table that takes one colour to another by a gain a channel; to a brighter one by a gamma,
    for white stays white.

    Args:
        source, target: (3,) in [0, 255].

    Returns:
        (1, 256, 3) uint8 table for `cv2.LUT`.
    """
    low, high = np.clip(source / 255, *TONE_RANGE), np.clip(target / 255, *TONE_RANGE)
    curve = np.where(high <= low, _ramp() * (high / low), _ramp() ** (np.log(high) / np.log(low)))
    return np.asarray(np.rint(255 * curve)[None], np.uint8)


def neutral_curve(gamma: float) -> Photo:
    """(1, 256, 3) uint8 table of one gamma for all channels."""
    return np.asarray(np.rint(255 * np.repeat(_ramp(), 3, axis=1) ** gamma)[None], np.uint8)


def lab(colour: FloatArray) -> FloatArray:
    """CIELAB (D65) of an sRGB colour (3,) in [0, 255]."""
    pixel = np.asarray(colour, np.float32)[None, None] / np.float32(255)
    return np.asarray(cv2.cvtColor(pixel, cv2.COLOR_RGB2LAB)[0, 0], np.float32)


def from_lab(colour: FloatArray) -> FloatArray:
    """The sRGB colour (3,) in [0, 255] of CIELAB (D65), as near as there is one."""
    pixel = cv2.cvtColor(np.asarray(colour, np.float32)[None, None], cv2.COLOR_LAB2RGB)[0, 0]
    return np.asarray(np.clip(255 * pixel, 0, 255), np.float32)


def _gammas(source: FloatArray, target: FloatArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both colours (3,) as shares of 255, and the gamma a channel, held in its range, from one to
    the other.
    """
    low, high = np.clip(source / 255, *TONE_RANGE), np.clip(target / 255, *TONE_RANGE)
    return low, high, np.clip(np.log(high) / np.log(low), *GAMMA_RANGE)


def _ramp() -> np.ndarray:
    return np.arange(256)[:, None] / 255
