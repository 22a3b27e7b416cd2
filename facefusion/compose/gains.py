"""Chooses how far each band of the new face is amplified or attenuated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from facefusion.compose.bands import ROUNDING, Band, Zones, robust
from facefusion.compose.pyramid import (
    Gains,
    Pyramid,
    Upsampling,
    filtered,
    gain_map,
    gray,
    laplacian,
    rebuilt,
    smoothing_for,
    subsampled,
)  # fmt: skip
from facefusion.types import FloatArray

#: Largest gains by scale in pixels of a 224 px crop: an old target's wrinkles are not given to a
#: smooth face.
_SCALES: Final = (0.75, 1.5, 3.0)
_LARGEST: Final = (1.7, 1.25, 1.08)
#: Smallest gain.
LEAST_GAIN: Final = 0.03
#: Smallest gain on skin where eyes, brows and lips are as sharp as the new face's.
LEAST_GAIN_SHARP: Final = 0.8
#: Energy ratio of eyes, brows and lips (target over face) above which nothing is blurred: two
#: people differ by as much.
PEOPLE_RATIO: Final = 0.8
#: Energy ratio of eyes, brows and lips below which the photo is out of focus: its blur is matched
#: in full.
BLUR_RATIO: Final = 0.3
#: Share of structure in a level's variance from which the structure's ratio is fully trusted.
TRUSTED: Final = 0.3
#: Rounds of correction of the gains.
ROUNDS: Final = 2
#: Range of a gain's correction in one round.
CORRECTION: Final = (0.5, 1.6)
#: Grey levels added to both energies of a ratio, so that faint levels change little.
FAINT: Final = 0.1


def _structure(energy: float, noise: float) -> float:
    return float(np.sqrt(max(energy**2 - noise**2, 0.0) + ROUNDING**2))


def _on_features(target: Band, face: Band) -> float:
    """Computes the gain on eyes, brows and lips.

    It is 1 where they cannot be measured, and where a difference of brows and lashes explains it.
    """
    if not (np.isfinite(target.features) and np.isfinite(face.features)):
        return 1.0
    ratio = _structure(target.features, target.noise) / _structure(face.features, face.noise)
    people = np.interp(ratio, (BLUR_RATIO, PEOPLE_RATIO), (1.0, 1 / PEOPLE_RATIO))
    return ratio if ratio > 1 else min(1.0, ratio * float(people))


def energy_gains(target: Band, face: Band) -> Gains:
    """Computes the gains of one level on skin and on features.

    The ratio of structure, not of energy: noise of the target is no sharpness. Where noise hides
    the target's structure on skin, the features measure the photo's blur.
    """
    features = _on_features(target, face)
    blur = min(1.0, features)
    largest = float(np.exp(np.interp(np.log(target.scale), np.log(_SCALES), np.log(_LARGEST))))
    structure = _structure(target.energy, target.noise)
    trust = min(1.0, (structure / max(target.energy, ROUNDING)) ** 2 / TRUSTED)
    skin = (structure / _structure(face.energy, face.noise)) ** trust * blur ** (1 - trust)
    skin = min(skin, max(target.energy, ROUNDING) / max(face.energy, ROUNDING))
    # Smooth skin in a sharp photo is that person's own: followed only down to this gain.
    least = max(
        LEAST_GAIN,
        LEAST_GAIN_SHARP * blur * _structure(face.energy, face.noise) / max(face.energy, ROUNDING),
    )
    skin = float(np.clip(skin, min(least, 1.0), largest))
    features = max(features, skin)
    if face.noise > target.noise:  # the source's noise is reduced on features too
        features = min(features, skin)
    return skin, float(np.clip(features, LEAST_GAIN, largest))


def corrected_gains(
    face: Pyramid,
    desired: Sequence[Gains],
    bands: Sequence[Band],
    features: Sequence[FloatArray],
    zones: Zones,
) -> list[Gains]:
    """Computes gains that change the energies of the face's levels as wanted.

    A Laplacian pyramid is not orthogonal: a level's gain also changes its neighbours. So the face's
    luma is rebuilt, measured and corrected.

    Args:
        face: pyramid of the new face.
        desired: desired change of each level's energy.
        bands: measures of its levels.
        features: for each gain float32 in [0, 1], the weight of the second one, on the grid of
            `Pyramid.details`.
        zones: measured pixels.
    """
    coarser = [gray(level) for level in face.coarser]
    sigma, *smoothing = (smoothing_for(pair) for pair in desired)
    plain, up = Upsampling.of(), Upsampling.of(sigma)
    finest, half = _finest_detail(face, sigma)
    gains = list(desired)
    for _ in range(ROUNDS):
        coarse_luma = rebuilt(coarser, gains[1:], features[1:], smoothing)
        gain = gain_map(gains[0], features[0])
        new_half = gain * half + filtered(coarse_luma, up.small, up.small)
        new_finest = gain * finest + up.measured(coarse_luma) - plain.measured(new_half)
        levels = [new_finest, *laplacian(new_half, len(coarser) - 1)]
        corrections = [
            _corrections(pair, band, levels[k].ravel(), zones, k)
            for k, (pair, band) in enumerate(zip(desired, bands, strict=True))
        ]
        gains = [(g[0] * c[0], g[1] * c[1]) for g, c in zip(gains, corrections, strict=True)]
    return gains


def _finest_detail(face: Pyramid, sigma: float) -> tuple[FloatArray, FloatArray]:
    """Returns luma of the finest level on its measured grid, and the same at half the size.

    Args:
        face: pyramid of the new face.
        sigma: standard deviation of the Gaussian over the face, 0 for none.
    """
    finest, half, up = gray(face.finest), gray(face.half), Upsampling.of(sigma)
    if not sigma:
        return finest, half - filtered(half, up.small, up.small)
    luma = cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY)
    smooth = np.asarray(cv2.GaussianBlur(luma, (0, 0), sigma), np.uint8)
    finest = np.asarray(
        cv2.subtract(subsampled(smooth), up.measured(half), dtype=cv2.CV_32F), np.float32
    )
    smooth_half = np.asarray(cv2.pyrDown(smooth), np.float32)
    return finest, smooth_half - filtered(half, up.small, up.small)


def _corrections(desired: Gains, band: Band, level: np.ndarray, zones: Zones, k: int) -> Gains:
    """Computes the corrections of level k's gains from its rebuilt luma (N,)."""
    skin = _correction(desired[0] * band.energy, level[zones.skin[k]])
    if not np.isfinite(band.features):
        return skin, skin
    return skin, _correction(desired[1] * band.features, level[zones.features[k]])


def _correction(energy: float, values: np.ndarray) -> float:
    return float(np.clip((energy + FAINT) / (robust(values)[0] + FAINT), *CORRECTION))
