"""Makes tone curves: look-up tables that map one colour to another."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.types import FloatArray, Mask, Photo

#: Rec. 601 luma of RGB, the weights of JPEG.
LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
#: Range of gammas: beyond it shadows turn to noise.
GAMMA_RANGE: Final = (0.4, 2.5)
#: Range of tones, as shares of 255, before their logarithm is taken.
TONE_RANGE: Final = (0.02, 0.98)


def skin_tone(image: Photo, skin: Mask) -> FloatArray:
    """Averages `image` (H, W, 3) uint8 under weights `skin` (H, W): (3,) in [0, 255]."""
    # A matrix product is 16 times faster than a sum.
    total = skin.ravel() @ image.reshape(-1, 3).astype(np.float32)
    return np.asarray(total / max(float(skin.sum()), 1e-6), np.float32)


def tone_curve(source: FloatArray, target: FloatArray) -> Photo:
    """Makes the look-up table that maps one skin tone to another.

    A gamma for each channel: black and white stay, so that pupils and teeth survive, while the
    tones in between move to the target's. A gain would grey the eyes towards darker skin, an offset
    the lashes towards lighter skin.

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
    """Extends `tone_curve` by a gain where the largest gamma does not reach a darker tone.

    The channel that needs most decides for all, and the gammas do the rest: with a gain of its own
    in each channel, gloss and white would take the complementary hue.
    """
    low, high, gamma = _gammas(source, target)
    common = np.minimum(high / low**gamma, 1).min()
    reached = np.minimum(high / common, TONE_RANGE[1])
    gamma = np.clip(np.log(reached) / np.log(low), *GAMMA_RANGE) if common < 1 else gamma
    gain = np.minimum(high / low**gamma, 1)
    return np.asarray(np.rint(255 * gain * _ramp() ** gamma)[None], np.uint8)


def gain_curve(source: FloatArray, target: FloatArray) -> Photo:
    """Makes the table that maps one colour to another by a gain per channel.

    A brighter colour is reached by a gamma instead, as white stays white.

    Args:
        source, target: (3,) in [0, 255].

    Returns:
        (1, 256, 3) uint8 table for `cv2.LUT`.
    """
    low, high = np.clip(source / 255, *TONE_RANGE), np.clip(target / 255, *TONE_RANGE)
    curve = np.where(high <= low, _ramp() * (high / low), _ramp() ** (np.log(high) / np.log(low)))
    return np.asarray(np.rint(255 * curve)[None], np.uint8)


def neutral_curve(gamma: float) -> Photo:
    """Makes the (1, 256, 3) uint8 table of one gamma for all channels."""
    return np.asarray(np.rint(255 * np.repeat(_ramp(), 3, axis=1) ** gamma)[None], np.uint8)


def lab(colour: FloatArray) -> FloatArray:
    """Converts an sRGB colour (3,) in [0, 255] to CIELAB (D65)."""
    pixel = np.asarray(colour, np.float32)[None, None] / np.float32(255)
    return np.asarray(cv2.cvtColor(pixel, cv2.COLOR_RGB2LAB)[0, 0], np.float32)


def from_lab(colour: FloatArray) -> FloatArray:
    """Converts CIELAB (D65) to the nearest sRGB colour (3,) in [0, 255]."""
    pixel = cv2.cvtColor(np.asarray(colour, np.float32)[None, None], cv2.COLOR_LAB2RGB)[0, 0]
    return np.asarray(np.clip(255 * pixel, 0, 255), np.float32)


def _gammas(source: FloatArray, target: FloatArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns both colours (3,) as shares of 255, and the clipped gamma a channel between them."""
    low, high = np.clip(source / 255, *TONE_RANGE), np.clip(target / 255, *TONE_RANGE)
    return low, high, np.clip(np.log(high) / np.log(low), *GAMMA_RANGE)


def _ramp() -> np.ndarray:
    return np.arange(256)[:, None] / 255
