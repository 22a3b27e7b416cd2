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
    some_of,
)  # fmt: skip
from facefusion.types import FloatArray

#: Largest gains by place in pixels of a 224 px crop: an old target's wrinkles are not given to a
#: smooth face.
_PLACES: Final = (0.75, 1.5, 3.0)
_LARGEST: Final = (1.7, 1.25, 1.08)
#: Smallest gain.
SMALLEST: Final = 0.03
#: Smallest gain on skin where eyes, brows and lips are as sharp as the new face's.
LEAST_SHARP: Final = 0.8
#: Energy ratio of eyes, brows and lips (target over face) above which nothing is blurred: two
#: people differ by as much.
OTHER_EYES: Final = 0.8
#: Energy ratio of eyes, brows and lips below which the photo is out of focus: its blur is matched
#: in full.
OUT_OF_FOCUS: Final = 0.3
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
    people = np.interp(ratio, (OUT_OF_FOCUS, OTHER_EYES), (1.0, 1 / OTHER_EYES))
    return ratio if ratio > 1 else min(1.0, ratio * float(people))


def wanted_gains(target: Band, face: Band) -> Gains:
    """Computes the gains of one level on skin and on features.

    The ratio of structure, not of energy: noise of the target is no sharpness. Where noise hides
    the target's structure on skin, the features measure the photo's blur.
    """
    features = _on_features(target, face)
    blur = min(1.0, features)
    largest = float(np.exp(np.interp(np.log(target.place), np.log(_PLACES), np.log(_LARGEST))))
    own = _structure(target.energy, target.noise)
    trust = min(1.0, (own / max(target.energy, ROUNDING)) ** 2 / TRUSTED)
    skin = (own / _structure(face.energy, face.noise)) ** trust * blur ** (1 - trust)
    skin = min(skin, max(target.energy, ROUNDING) / max(face.energy, ROUNDING))
    # Smooth skin in a sharp photo is that person's own: followed only down to this gain.
    least = max(
        SMALLEST,
        LEAST_SHARP * blur * _structure(face.energy, face.noise) / max(face.energy, ROUNDING),
    )
    skin = float(np.clip(skin, min(least, 1.0), largest))
    features = max(features, skin)
    if face.noise > target.noise:  # the source's noise is reduced on features too
        features = min(features, skin)
    return skin, float(np.clip(features, SMALLEST, largest))


def corrected_gains(
    face: Pyramid,
    wanted: Sequence[Gains],
    bands: Sequence[Band],
    features: Sequence[FloatArray],
    zones: Zones,
) -> list[Gains]:
    """Computes gains that change the energies of the face's levels as wanted.

    A Laplacian pyramid is not orthogonal: a level's gain also changes its neighbours. So the face's
    luma is rebuilt, measured and corrected.

    Args:
        face: pyramid of the new face.
        wanted: wanted change of each level's energy.
        bands: measures of its levels.
        features: for each gain float32 in [0, 1], the weight of the second one, on the grid of
            `Pyramid.details`.
        zones: measured pixels.
    """
    finest, half, *coarser = (gray(level) for level in (face.finest, face.half, *face.coarser))
    sigma, *others = (smoothing_for(each) for each in wanted)
    plain, up = Upsampling.of(), Upsampling.of(sigma)
    small = half
    if sigma:
        whole = np.asarray(
            cv2.GaussianBlur(cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY), (0, 0), sigma), np.uint8
        )
        finest = np.asarray(
            cv2.subtract(some_of(whole), up.measured(half), dtype=cv2.CV_32F), np.float32
        )
        small = np.asarray(cv2.pyrDown(whole), np.float32)
    small = small - filtered(half, up.small, up.small)  # the finest level, at half the size
    gains = list(wanted)
    for _ in range(ROUNDS):
        rest = rebuilt(coarser, gains[1:], features[1:], others)
        gain = gain_map(gains[0], features[0])
        made = gain * small + filtered(rest, up.small, up.small)
        again = gain * finest + up.measured(rest) - plain.measured(made)
        levels = [again, *laplacian(made, len(coarser) - 1)]
        for k, (aim, band) in enumerate(zip(wanted, bands, strict=True)):
            level = levels[k].ravel()
            skin = _correction(aim[0] * band.energy, level[zones.skin[k]])
            other = skin
            if np.isfinite(band.features):
                other = _correction(aim[1] * band.features, level[zones.features[k]])
            gains[k] = (gains[k][0] * skin, gains[k][1] * other)
    return gains


def _correction(wanted: float, values: np.ndarray) -> float:
    return float(np.clip((wanted + FAINT) / (robust(values)[0] + FAINT), *CORRECTION))
