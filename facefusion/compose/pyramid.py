"""Builds Laplacian pyramids (Burt and Adelson, 1983) with cheap measures of the finest level.

The paper is "The Laplacian pyramid as a compact image code". The finest level is the largest by
far: it is measured only at even rows and odd columns, which lie on the next coarser level's grid,
and computed only in strips of a few rows while the result is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from facefusion.types import FloatArray, Mask, Photo

#: Coarsest level of detail in pixels of a face crop of 224 px: beyond it lies shading, which the
#: networks correct.
COARSEST: Final = 8.0
#: Difference of two gains below which they are treated as equal, to save time.
SAME_GAIN: Final = 0.02
#: Larger gains of a level between which its smoothing is interpolated.
_GAINS: Final = (0.1, 0.9)
#: Standard deviations in a level's pixels at `_GAINS`: out of focus a level keeps its coarser half,
#: and little comes from the next coarser level.
_SMOOTHING: Final = (1.3, 0.0)
#: Standard deviation in pixels below which a level is not smoothed, to save time.
LEAST_SMOOTHING: Final = 0.3
#: Steps of the standard deviation per pixel, so that few kernels are cached.
_STEPS: Final = 20
#: OpenCV's kernel of `pyrDown`.
_DOWN: Final = np.array([1, 4, 6, 4, 1]) / 16
#: OpenCV's kernel of `pyrUp`, over zeros between the pixels.
_UP: Final = 2 * _DOWN
#: Weight below which outer taps of a filter are dropped.
_LEAST_WEIGHT: Final = 1e-3
#: Affine matrix that samples even rows and odd columns of an image.
_SUBSAMPLING: Final = np.array([[2, 0, 1], [0, 2, 0]], np.float32)

#: Gains of a level, on skin and on features.
Gains = tuple[float, float]


def steps_for(shape: tuple[int, ...], unit: float) -> int:
    """Counts the levels of detail down to `COARSEST` in an image of this shape.

    Args:
        shape: (h, w, ...).
        unit: pixels of the image per pixel of a face crop of 224 px.
    """
    return int(np.clip(np.ceil(np.log2(max(COARSEST * unit, 2.0))), 1, np.log2(min(shape[:2]))))


def smoothing_for(gains: Gains) -> float:
    """Returns the standard deviation of the Gaussian for a level with these gains, 0 for none."""
    sigma = round(float(np.interp(max(gains), _GAINS, _SMOOTHING)) * _STEPS) / _STEPS
    return sigma if sigma >= LEAST_SMOOTHING else 0.0


def smoothed(image: FloatArray, sigma: float) -> FloatArray:
    """Smooths `image` by a Gaussian; returns it unchanged for 0."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32) if sigma else image


def filtered(image: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Filters `image` by a separable kernel, with the borders of OpenCV's pyramids."""
    return np.asarray(
        cv2.sepFilter2D(image, cv2.CV_32F, columns, rows, borderType=cv2.BORDER_REFLECT_101),
        np.float32,
    )


@dataclass(frozen=True)
class Upsampling:
    """`pyrUp` as filters on the coarser grid.

    Attributes:
        even, odd: kernels of the enlarged image at even and at odd pixels.
        small: kernel of `pyrUp` followed by `pyrDown`.
    """

    even: FloatArray
    odd: FloatArray
    small: FloatArray

    @classmethod
    @lru_cache
    def of(cls, sigma: float = 0.0) -> Upsampling:
        """Makes the filters, with a Gaussian over the enlarged image."""
        kernel = np.pad(_UP, 6)
        if sigma:
            kernel = np.convolve(kernel, cv2.getGaussianKernel(9, sigma)[:, 0], "same")
        return cls(
            _phase(kernel, 0), _phase(kernel, 1), _phase(np.convolve(kernel, _DOWN, "same"), 0)
        )

    def measured(self, image: FloatArray) -> FloatArray:
        """Computes the enlarged image at even rows and odd columns."""
        return filtered(image, self.even, self.odd)


def _phase(kernel: np.ndarray, offset: int) -> FloatArray:
    """Returns the weights of the coarser pixels around one for the finer pixel at `offset`."""
    centre = len(kernel) // 2
    reach = (centre - 1) // 2
    taps = kernel[centre + offset - 2 * np.arange(-reach, reach + 1)]
    while len(taps) > 1 and max(taps[0], taps[-1]) < _LEAST_WEIGHT:
        taps = taps[1:-1]
    return np.asarray(taps / taps.sum(), np.float32)


@dataclass(frozen=True)
class Pyramid:
    """The Gaussian and Laplacian levels of an image.

    Attributes:
        image: (h, w, 3) RGB uint8.
        half: Gaussian level 1: (h / 2, w / 2, 3) float32, rounded up.
        finest: Laplacian level 0 at even rows and odd columns, of the shape of `half`.
        coarser: Laplacian levels from 1 on, and the coarsest level of the Gaussian pyramid.
    """

    image: Photo
    half: FloatArray
    finest: FloatArray
    coarser: list[FloatArray]

    @classmethod
    def of(cls, image: Photo, steps: int) -> Pyramid:
        """Builds the pyramid with `steps` levels of detail."""
        half = np.asarray(cv2.pyrDown(image), np.float32)
        finest = cv2.subtract(subsampled(image), Upsampling.of().measured(half), dtype=cv2.CV_32F)
        return cls(image, half, np.asarray(finest, np.float32), laplacian(half, steps - 1))

    @property
    def details(self) -> list[FloatArray]:
        """Levels of detail, finest first, the finest one on its measured grid."""
        return [self.finest, *self.coarser[:-1]]

    def smooth(self, level: int) -> FloatArray:
        """Computes luma of a Gaussian level, at least 1 and at most the coarsest."""
        return rebuilt(
            [gray(detail) for detail in self.coarser[min(level, len(self.coarser)) - 1 :]], [], []
        )


def gray(image: FloatArray) -> FloatArray:
    """Converts RGB (h, w, 3) to luma (h, w)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def subsampled(image: np.ndarray) -> np.ndarray:
    """Samples even rows and odd columns of an image, as many as `pyrDown` leaves."""
    size = ((image.shape[1] + 1) // 2, (image.shape[0] + 1) // 2)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(image, _SUBSAMPLING, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def laplacian(image: FloatArray, steps: int) -> list[FloatArray]:
    """Splits (h, w) or (h, w, 3) into `steps` levels of detail, finest first, and the rest."""
    levels = []
    for _ in range(steps):
        down = np.asarray(cv2.pyrDown(image), np.float32)
        levels.append(
            np.asarray(cv2.subtract(image, cv2.pyrUp(down, dstsize=image.shape[1::-1])), np.float32)
        )
        image = down
    return [*levels, image]


def gain_map(gains: Gains, features: Mask) -> FloatArray:
    """Returns (h, w) gains: the second where `features` (h, w) in [0, 1] is 1."""
    return np.asarray(
        cv2.addWeighted(features, gains[1] - gains[0], features, 0, gains[0]), np.float32
    )


def rebuilt(
    levels: Sequence[FloatArray],
    gains: Sequence[Gains],
    features: Sequence[FloatArray],
    smoothing: Sequence[float] = (),
) -> FloatArray:
    """Rebuilds an image from its Laplacian pyramid, with a gain on each level of detail.

    Args:
        levels: the pyramid, finest first.
        gains: gains on skin and on features; levels beyond the last one are unchanged.
        features: for each gain float32 in [0, 1], of the level's height and width, the weight of
            the second gain.
        smoothing: for each gain the standard deviation of the Gaussian over the sum so far.

    Returns:
        float32 of the finest level's shape.
    """
    result = levels[-1]
    for k in reversed(range(len(levels) - 1)):
        level = levels[k]
        result = np.asarray(cv2.pyrUp(result, dstsize=level.shape[1::-1]), np.float32)
        if k >= len(gains):
            result = np.asarray(cv2.add(result, level), np.float32)
            continue
        if abs(gains[k][1] - gains[k][0]) < SAME_GAIN:
            result = np.asarray(cv2.scaleAdd(level, gains[k][0], result), np.float32)
        else:
            gain = gain_map(gains[k], features[k])
            result = np.asarray(cv2.add(result, times(level, gain)), np.float32)
        if k < len(smoothing):
            result = smoothed(result, smoothing[k])
    return result


def times(image: FloatArray, factors: FloatArray) -> FloatArray:
    """Multiplies `image` (h, w) or (h, w, 3) by `factors` (h, w)."""
    if image.ndim == 3:
        factors = np.asarray(cv2.merge([factors] * image.shape[2]), np.float32)
    return np.asarray(cv2.multiply(image, factors), np.float32)
