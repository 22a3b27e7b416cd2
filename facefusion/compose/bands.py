"""Measures the band energies of a face and the noise in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from facefusion.compose.tone import LUMA
from facefusion.types import FloatArray, Mask

#: Largest number of pixels of a zone in a level's statistics.
SAMPLES: Final = 4000
#: Smallest number of pixels of a zone for statistics.
FEWEST: Final = 60
#: Share of the smallest magnitudes in the dense part; the rest are edges, hairs, wrinkles.
DENSE: Final = 0.8
#: Quantile at which magnitudes are clipped in the energy.
CLIP_QUANTILE: Final = 0.995
#: Dense scale and energy of a Gaussian of standard deviation 1, before normalisation.
_DENSE_OF_GAUSSIAN: Final = 0.6616
_CLIPPED_OF_GAUSSIAN: Final = 0.9952
#: Standard deviation in grey levels of rounding to whole levels, the limit of what can be measured.
ROUNDING: Final = 0.25
#: Side in pixels of a level of the box over which local energy is averaged.
LOCAL_SIZE: Final = 5
#: Quantiles of local energy on skin whose mean is the quiet energy.
QUIET: Final = (0.1, 0.25)
#: Dense scale and quiet local energy, over the energy of skin, at scales in pixels of a 224 px
#: crop: without noise (the 90th percentile of clean portraits), and of noise alone whose deviation
#: varies with brightness. Shading at coarse places is as dense and as even as noise and cannot be
#: told from it there.
_SCALES: Final = (0.75, 1.5, 3.0, 6.0)
_SKIN_DENSE: Final = (0.82, 0.86, 0.92, 0.98)
_SKIN_QUIET: Final = (0.47, 0.49, 0.6, 0.72)
_NOISE_DENSE: Final = 0.95
_NOISE_QUIET: Final = 0.67
#: Floor of the difference of squares between noise and skin, as a divisor.
_LEAST_CONTRAST: Final = 0.05
#: Smallest ratios of the noise deviations of a level and the next finer one: of white noise.
WHITE: Final = (0.24, 0.43, 0.47, 0.5)
#: Largest ratios of the noise deviations of a level and the next finer one: of coarse film grain.
COARSE_GRAIN: Final = (1.2, 0.7, 0.6, 0.5)
#: Magnitude of luma, in dense scales, up to which a pixel counts as noise in the colour covariance.
_NOISE_RANGE: Final = 2.5


@dataclass(frozen=True)
class Zones:
    """Flat indices of measured pixels in each of `Pyramid.details`, at most `SAMPLES` a level.

    Attributes:
        skin, features: indices of skin, and of eyes, brows and lips.
    """

    skin: tuple[np.ndarray, ...]
    features: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, skin: Mask, features: Mask, mask: Mask, levels: int) -> Zones:
        """Selects zones by (h, w) weights in [0, 1], in as many levels as have enough skin."""
        grids = [1, *range(1, levels)]  # the finest level is measured on the next one's
        on_skin = [_zone_pixels(skin, mask, k) for k in grids]
        enough = [len(pixels) >= FEWEST for pixels in on_skin]
        count = enough.index(False) if False in enough else levels
        return cls(
            tuple(on_skin[:count]), tuple(_zone_pixels(features, mask, k) for k in grids[:count])
        )


def _zone_pixels(zone: FloatArray, mask: Mask, k: int) -> np.ndarray:
    grid = np.s_[:: 1 << k, :: 1 << k]
    inside = np.flatnonzero((zone[grid] > 0.5) & (mask[grid] > 0.5))
    return inside[:: max(1, -(-len(inside) // SAMPLES))]


@dataclass(frozen=True)
class Band:
    """Measures of one level of a Laplacian pyramid; energies are of luma, in grey levels.

    Attributes:
        scale: the level's scale in pixels of a face crop of 224 px.
        energy: robust rms on skin.
        dense: scale of the dense part on skin, equal to the rms for a Gaussian.
        quiet: local energy of the quietest skin.
        features: robust rms on eyes, brows and lips; NaN where they are hidden.
        colour: (3, 3) covariance of the dense part's RGB over its luma's variance.
        noise: standard deviation of its noise.
    """

    scale: float
    energy: float
    dense: float
    quiet: float
    features: float
    colour: FloatArray
    noise: float = 0.0


def robust(values: np.ndarray) -> tuple[float, float]:
    """Computes energy (rms, strongest 0.5 % clipped) and dense scale of (N,) values.

    Both equal the standard deviation for a Gaussian.
    """
    magnitudes = np.sort(np.abs(values))
    largest = magnitudes[min(int(CLIP_QUANTILE * len(magnitudes)), len(magnitudes) - 1)]
    energy = float(np.sqrt(np.mean(np.minimum(magnitudes, largest) ** 2))) / _CLIPPED_OF_GAUSSIAN
    return energy, float(
        np.sqrt(np.mean(magnitudes[: int(DENSE * len(magnitudes))] ** 2))
    ) / _DENSE_OF_GAUSSIAN


def bands(levels: Sequence[FloatArray], zones: Zones, unit: float) -> list[Band]:
    """Measures a face in every level of detail with enough skin, finest first.

    Args:
        levels: `Pyramid.details` of RGB in [0, 255].
        zones: measured pixels.
        unit: pixels of the image per pixel of a face crop of 224 px.
    """
    pixels = zip(zones.skin, zones.features, strict=True)
    return _with_noise(
        [_measured(levels[k], 2**k / unit, *level_zones) for k, level_zones in enumerate(pixels)]
    )


def _measured(level: FloatArray, scale: float, skin: np.ndarray, features: np.ndarray) -> Band:
    colours, gray = level.reshape(-1, 3), cv2.cvtColor(level, cv2.COLOR_RGB2GRAY)
    luma = gray.ravel()[skin]
    energy, dense = robust(luma)
    local = cv2.boxFilter(cv2.multiply(gray, gray), -1, (LOCAL_SIZE, LOCAL_SIZE)).ravel()[skin]
    quiet = float(np.sqrt(np.maximum(np.quantile(local, QUIET), 0)).mean())
    noise_pixels = colours[skin[np.abs(luma) <= _NOISE_RANGE * dense]]
    colour = noise_pixels.T @ noise_pixels / max(len(noise_pixels), 1)
    colour /= max(float(LUMA @ colour @ LUMA), 1e-6)
    edges = robust(gray.ravel()[features])[0] if len(features) >= FEWEST else float("nan")
    return Band(scale, energy, dense, quiet, edges, colour)


def _noise_share(measured: float, skin: tuple[float, ...], noise: float, scale: float) -> float:
    """Estimates the share of noise in the variance of a level.

    Args:
        measured: a measure over the level's energy.
        skin: its value for skin without noise, at `_SCALES`.
        noise: its value for noise alone.
        scale: the level's scale, see `Band`.
    """
    clean = float(np.interp(np.log2(scale), np.log2(_SCALES), skin))
    contrast = max(noise**2 - clean**2, _LEAST_CONTRAST)
    return float(np.clip((measured**2 - clean**2) / contrast, 0, 1))


def _noise(band: Band) -> float:
    """Estimates the standard deviation of noise.

    Noise is as dense as a Gaussian and even over the skin; structure is sparse and local.
    """
    energy = max(band.energy, ROUNDING)
    dense = _noise_share(band.dense / energy, _SKIN_DENSE, _NOISE_DENSE, band.scale)
    quiet = _noise_share(band.quiet / energy, _SKIN_QUIET, _NOISE_QUIET, band.scale)
    return band.energy * float((dense * quiet) ** 0.25)


def _with_noise(bands: Sequence[Band]) -> list[Band]:
    """Adds noise to the bands, with a spectrum between those of white noise and coarse grain."""
    measured: list[Band] = []
    for k, band in enumerate(bands):
        noise = _noise(band)
        if measured:
            step = min(k, len(WHITE)) - 1
            noise = float(
                np.clip(
                    noise, WHITE[step] * measured[-1].noise, COARSE_GRAIN[step] * measured[-1].noise
                )
            )
        measured.append(replace(band, noise=min(noise, band.energy)))
    return measured
