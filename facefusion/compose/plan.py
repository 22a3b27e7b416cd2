"""Plans the changes of the new face's pyramid levels and applies them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import cv2
import numpy as np

from facefusion.compose.bands import Band
from facefusion.compose.gains import FAINT
from facefusion.compose.grain import NO_NOISE, Brightness, tile_of, tile_window
from facefusion.compose.pyramid import SAME_GAIN, Gains, Pyramid, rebuilt, smoothed, times
from facefusion.types import FloatArray, Mask, Photo

#: Range of the correction of gains and of noise for losses by compression.
COMPRESSION: Final = (0.7, 1.6)
#: Level of the pyramid whose brightness scales the noise: finer levels are noisy themselves.
SMOOTH: Final = 2
#: Rows of the result per strip, an even number: intermediates stay in the processor's cache.
ROWS: Final = 32
#: Border rows of a strip for smoothing, and of level 1 for enlarging.
MARGIN: Final = 6


@dataclass(frozen=True)
class Plan:
    """Changes of the new face's pyramid levels, finest first.

    Attributes:
        gains: gains on skin and on features.
        smoothing: standard deviations of the Gaussians over the levels, in each level's pixels.
        noise: (3, 3) RGB covariances of the added noise.
        features: for each gain float32 in [0, 1], of the level's height and width, the weight of
            the second one.
        brightness: dependence of the noise on brightness.
        origin: top and left of the window in the photo.
    """

    gains: Sequence[Gains]
    smoothing: Sequence[float]
    noise: Sequence[FloatArray]
    features: Sequence[FloatArray]
    brightness: Brightness
    origin: tuple[int, int]

    def corrected(self, energies: Sequence[float], bands: Sequence[Band]) -> Plan:
        """Amplifies levels whose energy came out too small, and attenuates those too large.

        Levels with noise change their noise; others their detail on skin.
        """
        ratios = [
            (energy + FAINT) / (band.energy + FAINT)
            for energy, band in zip(energies, bands, strict=True)
        ]
        factors = np.clip(ratios, *COMPRESSION).tolist()
        noise = [
            np.asarray(covariance * factor**2, np.float32)
            for covariance, factor in zip(self.noise, factors, strict=False)
        ]
        noisy = [float(np.trace(covariance)) > NO_NOISE**2 for covariance in noise] + [False] * len(
            factors
        )
        gains = [
            (skin if is_noisy else skin * factor, features)
            for (skin, features), factor, is_noisy in zip(self.gains, factors, noisy, strict=False)
        ]
        return replace(self, gains=gains, noise=noise)

    def applied(self, face: Pyramid) -> Photo:
        """Applies the plan to a face: (h, w, 3) RGB uint8."""
        half = rebuilt(face.coarser, self.gains[1:], self.features[1:], self.smoothing[1:])
        factors = self.brightness.over(face.smooth(SMOOTH))
        coarse_noise = self._coarse_noise(face, factors)
        if coarse_noise is not None and not self.smoothing[0]:
            half, coarse_noise = np.asarray(cv2.add(half, coarse_noise), np.float32), None
        finest = _Finest(face, half, self.gains[0], self.features[0], self.smoothing[0])
        half_factors = np.asarray(
            cv2.resize(factors, half.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32
        )
        tile = tile_of(self.noise, 0)
        result, height = np.empty_like(face.image), face.image.shape[0]
        for top in range(0, height, ROWS):
            bottom = min(top + ROWS, height)
            rows = finest.rows(top, bottom)
            if coarse_noise is not None:
                coarse_rows = finest.enlarged(coarse_noise, top, bottom)
                rows = np.asarray(cv2.add(rows, coarse_rows), np.float32)
            if tile is not None:
                noise = tile_window(tile, rows.shape, (self.origin[0] + top, self.origin[1]))
                noise = times(noise, finest.enlarged(half_factors, top, bottom))
                rows = np.asarray(cv2.add(rows, noise), np.float32)
            result[top:bottom] = cv2.addWeighted(rows, 1, rows, 0, 0, dtype=cv2.CV_8U)
        return result

    def _coarse_noise(self, face: Pyramid, factors: FloatArray) -> FloatArray | None:
        """Makes the noise of all coarser grids at level 1: the Gaussians blur the face alone."""
        total: FloatArray | None = None
        for grid in reversed(range(1, len(self.noise))):
            height, width = face.coarser[grid - 1].shape[:2]
            if total is not None:
                total = np.asarray(cv2.pyrUp(total, dstsize=(width, height)), np.float32)
            tile = tile_of(self.noise, grid)
            if tile is not None:
                origin = (self.origin[0] >> grid, self.origin[1] >> grid)
                level_factors = cv2.resize(factors, (width, height), interpolation=cv2.INTER_LINEAR)
                noise = times(
                    tile_window(tile, (height, width), origin),
                    np.asarray(level_factors, np.float32),
                )
                total = noise if total is None else np.asarray(cv2.add(total, noise), np.float32)
        return total


@dataclass(frozen=True)
class _Finest:
    """The result without the finest level's noise, computed in strips.

    Attributes:
        face: pyramid of the new face.
        half: level 1 of the result.
        gains, features, smoothing: of the finest level, as in `Plan`.
    """

    face: Pyramid
    half: FloatArray
    gains: Gains
    features: Mask
    smoothing: float

    @cached_property
    def below(self) -> FloatArray:
        """Level 1 under gain * image: rest - gain * half, as `pyrUp` is linear."""
        return np.asarray(
            cv2.addWeighted(self.half, 1, self.face.half, -self.gains[0], 0), np.float32
        )

    def enlarged(self, level: FloatArray, top: int, bottom: int) -> FloatArray:
        """Computes rows of `pyrUp` of a level 1, with its borders at the window's edges."""
        height, width = self.face.image.shape[:2]
        first, last = max(top // 2 - MARGIN, 0), min((bottom + 1) // 2 + MARGIN, len(level))
        larger = cv2.pyrUp(level[first:last], dstsize=(width, min(2 * last, height) - 2 * first))
        return np.asarray(larger[top - 2 * first : bottom - 2 * first], np.float32)

    def rows(self, top: int, bottom: int) -> FloatArray:
        """Computes rows of the result."""
        (skin_gain, features_gain), margin = self.gains, MARGIN if self.smoothing else 0
        above, below = max(top - margin, 0), min(bottom + margin, len(self.face.image))
        rows, features = self.face.image[above:below], self.features[above:below]
        result = cv2.addWeighted(
            rows, skin_gain, self.enlarged(self.below, above, below), 1, 0, dtype=cv2.CV_32F
        )
        if abs(features_gain - skin_gain) >= SAME_GAIN and features.any():
            detail = cv2.subtract(
                rows, self.enlarged(self.face.half, above, below), dtype=cv2.CV_32F
            )
            difference = (features_gain - skin_gain) * features
            result = cv2.add(result, times(np.asarray(detail, np.float32), difference))
        return smoothed(np.asarray(result, np.float32), self.smoothing)[
            top - above : bottom - above
        ]
