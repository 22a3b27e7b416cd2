"""Laplacian pyramids (Burt and Adelson, "The Laplacian pyramid as a compact image code", 1983).

The finest level is the largest by far. It is measured at even rows and odd columns alone, which lie
on the next coarser level's grid, and is only made in strips of a few rows while the result is
written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from facefusion.types import FloatArray, Photo

#: Coarsest level of detail in pixels of a face crop of 224 px: beyond it lies shading, which is the
#: networks' work.
COARSEST: Final = 8.0
#: Difference of two gains that is not worth the time.
SAME_GAIN: Final = 0.02
#: Standard deviation in its pixels of the Gaussian that smooths a level, by the larger one of its
#: gains: in a photo out of focus a level keeps its coarser half, and what the next coarser one
#: brings into it is little.
_GAINS: Final = (0.1, 0.9)
_SMOOTHING: Final = (1.3, 0.0)
#: Smallest standard deviation that is worth the time, and steps of it to a pixel.
LEAST_SMOOTHING: Final = 0.3
_STEPS: Final = 20
#: OpenCV's kernels of `pyrDown` and, over zeros between the pixels, of `pyrUp`.
_DOWN: Final = np.array([1, 4, 6, 4, 1]) / 16
_UP: Final = 2 * _DOWN
#: Weight of a filter that is left out.
_NOTHING: Final = 1e-3
#: Takes even rows and odd columns of an image, by nearest neighbours.
_SOME: Final = np.array([[2, 0, 1], [0, 2, 0]], np.float32)

#: Gains of a level, on skin and on features.
Gains = tuple[float, float]


def steps_for(shape: tuple[int, ...], unit: float) -> int:
    """Levels of detail down to `COARSEST` in an image of this shape.

    Args:
        shape: (h, w, ...).
        unit: pixels of the image per pixel of a face crop of 224 px.
    """
    return int(np.clip(np.ceil(np.log2(max(COARSEST * unit, 2.0))), 1, np.log2(min(shape[:2]))))


def smoothing_for(gains: Gains) -> float:
    """Standard deviation of the Gaussian for a level with these gains, 0 for none."""
    sigma = round(float(np.interp(max(gains), _GAINS, _SMOOTHING)) * _STEPS) / _STEPS
    return sigma if sigma >= LEAST_SMOOTHING else 0.0


def smoothed(image: FloatArray, sigma: float) -> FloatArray:
    """`image` under a Gaussian, itself for 0."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32) if sigma else image


def filtered(image: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """`image` under a separable kernel, with the borders of OpenCV's pyramids."""
    return np.asarray(
        cv2.sepFilter2D(image, cv2.CV_32F, columns, rows, borderType=cv2.BORDER_REFLECT_101),
        np.float32,
    )


@dataclass(frozen=True)
class Upsampling:
    """`pyrUp` as filters on the coarser grid.

    Attributes:
        even, odd: kernels that give the enlarged image at even and at odd pixels.
        small: kernel that gives the enlarged image made small again by `pyrDown`.
    """

    even: FloatArray
    odd: FloatArray
    small: FloatArray

    @classmethod
    @lru_cache
    def of(cls, sigma: float = 0.0) -> Upsampling:
        """The filters, with a Gaussian over the enlarged image."""
        kernel = np.pad(_UP, 6)
        if sigma:
            kernel = np.convolve(kernel, cv2.getGaussianKernel(9, sigma)[:, 0], "same")
        return cls(
            _phase(kernel, 0), _phase(kernel, 1), _phase(np.convolve(kernel, _DOWN, "same"), 0)
        )

    def measured(self, image: FloatArray) -> FloatArray:
        """The enlarged image at even rows and odd columns."""
        return filtered(image, self.even, self.odd)


def _phase(kernel: np.ndarray, offset: int) -> FloatArray:
    """Weights of the coarser pixels around one in the finer pixel `offset` beyond it."""
    centre = len(kernel) // 2
    reach = (centre - 1) // 2
    taps = kernel[centre + offset - 2 * np.arange(-reach, reach + 1)]
    while len(taps) > 1 and max(taps[0], taps[-1]) < _NOTHING:
        taps = taps[1:-1]
    return np.asarray(taps / taps.sum(), np.float32)


@dataclass(frozen=True)
class Pyramid:
    """An image in levels.

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
        """The pyramid with `steps` levels of detail."""
        half = np.asarray(cv2.pyrDown(image), np.float32)
        finest = cv2.subtract(some_of(image), Upsampling.of().measured(half), dtype=cv2.CV_32F)
        return cls(image, half, np.asarray(finest, np.float32), laplacian(half, steps - 1))

    @property
    def details(self) -> list[FloatArray]:
        """The levels of detail, finest first, the finest one where it is measured."""
        return [self.finest, *self.coarser[:-1]]

    def smooth(self, level: int) -> FloatArray:
        """Luma of a level of the Gaussian pyramid, at least 1 and no coarser than there are."""
        return rebuilt(
            [gray(each) for each in self.coarser[min(level, len(self.coarser)) - 1 :]], [], []
        )


def gray(image: FloatArray) -> FloatArray:
    """Luma (h, w) of RGB (h, w, 3)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def some_of(image: np.ndarray) -> np.ndarray:
    """Even rows and odd columns of an image, as many as `pyrDown` leaves."""
    size = ((image.shape[1] + 1) // 2, (image.shape[0] + 1) // 2)
    how = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(image, _SOME, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    )


def laplacian(image: FloatArray, steps: int) -> list[FloatArray]:
    """`steps` levels of detail of (h, w) or (h, w, 3), finest first, and what is left of it."""
    levels = []
    for _ in range(steps):
        down = np.asarray(cv2.pyrDown(image), np.float32)
        levels.append(
            np.asarray(cv2.subtract(image, cv2.pyrUp(down, dstsize=image.shape[1::-1])), np.float32)
        )
        image = down
    return [*levels, image]


def gain_map(gains: Gains, features: FloatArray) -> FloatArray:
    """(h, w) gains, the second where `features` (h, w) in [0, 1] is 1."""
    return np.asarray(
        cv2.addWeighted(features, gains[1] - gains[0], features, 0, gains[0]), np.float32
    )


def rebuilt(
    levels: Sequence[FloatArray],
    gains: Sequence[Gains],
    features: Sequence[FloatArray],
    smoothing: Sequence[float] = (),
) -> FloatArray:
    """An image from its Laplacian pyramid, with each level of detail multiplied.

    Args:
        levels: the pyramid, finest first.
        gains: on skin and on features; levels beyond the last one stay as they are.
        features: for each gain float32 in [0, 1], of the level's height and width, how far the
            second gain holds.
        smoothing: for each gain the standard deviation of the Gaussian over what it gives.

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
    """`image` (h, w) or (h, w, 3) times (h, w)."""
    if image.ndim == 3:
        factors = np.asarray(cv2.merge([factors] * image.shape[2]), np.float32)
    return np.asarray(cv2.multiply(image, factors), np.float32)
