"""Matches the colours of black-and-white, toned and single-lamp photos.

All colours of such a photo lie on one curve, and the new face's have to as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Self

import cv2
import numpy as np

from facefusion.compose.tone import LUMA
from facefusion.types import FloatArray, Photo

#: Side in pixels at which the colours are measured.
SIDE: Final = 128
#: Standard deviation, in levels, of the kernel that smooths the curve.
SMOOTH: Final = 5.0
#: Standard deviation, in pixels at `SIDE`, over which distances from the curve are averaged: the
#: chroma noise of JPEG and of film averages out, lips and eyes do not.
SPREAD: Final = 1.5
#: Quantile of the pixels' distances from the curve that is compared with `LARGEST_DISTANCE`.
DISTANCE_QUANTILE: Final = 0.9
#: Largest distance from the curve, in levels of an image whose lights are at 255. Of 1,565
#: portraits, black-and-white and toned ones have at most 3.8, and a chroma (largest less smallest
#: channel) of at most 44; colour portraits have 4.0 and more up to a chroma of 30, 6.1 up to 60,
#: and 11 beyond. Toned and lit in one colour by program, then JPEG of quality 75: 2 to 4.
LARGEST_DISTANCE: Final = 3.8
#: Increase of that distance per level of the curve's mean chroma beyond `CHROMA_FROM`.
CHROMA_SHARE: Final = 0.04
#: Mean chroma of the curve, in levels, from which the largest distance increases.
CHROMA_FROM: Final = 30.0
#: Largest distance from the grey axis, in levels, of a curve that is replaced by that axis.
GREY: Final = 1.5
#: Share of pixels below which a luminance takes the chroma of the nearest that has more.
FEWEST: Final = 2e-4
#: Level of the lights below which a photo is too dark to measure colour.
LEAST_LIGHTS: Final = 8.0


@dataclass(frozen=True)
class ColourCurve:
    """The colours of a monochrome photo, by luminance.

    Attributes:
        weights: (3,) float32 share of each channel in the luminance, of sum 1: Rec. 601 for a grey
            photo, less for a channel that a coloured lamp leaves dark.
        table: (1, 256, 3) uint8 RGB by luminance.
    """

    weights: FloatArray
    table: Photo

    @classmethod
    def of(cls, crop: Photo) -> Self | None:
        """Fits the curve on which the colours of a photo lie.

        Args:
            crop: (S, S, 3) RGB uint8, a face with its surroundings.

        Returns:
            None for a colour photo, or one that is nearly black.
        """
        if crop.shape[0] > SIDE:
            small = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            crop = np.asarray(small, np.uint8)
        low, high = np.percentile(crop[::2, ::2].reshape(-1, 3), (1, 99), axis=0)
        if high.max() < LEAST_LIGHTS:
            return None
        weights = LUMA * (high - low + 1)
        weights = np.asarray(weights / weights.sum(), np.float32)
        level = _luminance(crop, weights)
        table = _smooth_table(crop, level)
        deviation = np.abs(cv2.GaussianBlur(crop - table[level], (0, 0), SPREAD))
        distance = np.maximum(np.maximum(deviation[..., 0], deviation[..., 1]), deviation[..., 2])
        lights, chroma = 255 / high.max(), float(np.ptp(table, axis=1)[level].mean())
        largest_distance = LARGEST_DISTANCE + CHROMA_SHARE * max(chroma * lights - CHROMA_FROM, 0.0)
        if np.quantile(distance, DISTANCE_QUANTILE) * lights > largest_distance:
            return None
        axis = np.arange(256, dtype=np.float32)[:, None]
        if np.abs(table - axis).max() <= GREY:
            table = np.repeat(axis, 3, axis=1)
        return cls(weights, np.clip(np.rint(table), 0, 255).astype(np.uint8)[None])

    def __call__(self, image: Photo) -> Photo:
        """Recolours an image (H, W, 3) RGB uint8 to this curve at its own luminance."""
        level = cv2.cvtColor(_luminance(image, self.weights), cv2.COLOR_GRAY2RGB)
        return np.asarray(cv2.LUT(level, self.table), np.uint8)


@cache
def _kernel() -> FloatArray:
    """Returns (256, 256) float32 Gaussian weights of the luminances around each."""
    axis = np.arange(256, dtype=np.float32)
    return np.asarray(np.exp(-0.5 * ((axis[:, None] - axis) / SMOOTH) ** 2), np.float32)


def _luminance(image: Photo, weights: FloatArray) -> Photo:
    """Computes the weighted luminance, (H, W) uint8."""
    return np.asarray(cv2.transform(image, weights[None]), np.uint8)


def _smooth_table(crop: Photo, level: Photo) -> FloatArray:
    """Fits the mean colour of each luminance, (256, 3) float32, smoothed; end chroma is held."""
    index, colours = level.ravel(), crop.reshape(-1, 3)
    count = np.bincount(index, minlength=256).astype(np.float32)
    total = np.stack([np.bincount(index, colours[:, i], 256) for i in range(3)], 1)
    chroma = (total - count[:, None] * np.arange(256)[:, None]).astype(np.float32)
    axis, kernel = np.arange(256, dtype=np.float32), _kernel()
    weight = kernel @ count
    mean = (kernel @ chroma) / np.maximum(weight, 1e-6)[:, None]
    known = np.flatnonzero(weight >= FEWEST * len(index))
    mean = np.stack([np.interp(axis, known, mean[known, i]) for i in range(3)], 1)
    return np.asarray(axis[:, None] + mean, np.float32)
