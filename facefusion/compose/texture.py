"""Matches sharpness and grain of the new face to the target's skin, band by band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from facefusion.compose.bands import Band, Zones, bands
from facefusion.compose.gains import corrected_gains, wanted_gains
from facefusion.compose.grain import Brightness, decoupled, missing
from facefusion.compose.jpeg import compressed, quality_of
from facefusion.compose.motion import gradients_of, motion_of
from facefusion.compose.plan import SMOOTH, Plan
from facefusion.compose.pyramid import Gains, Pyramid, smoothing_for, steps_for
from facefusion.compose.tone import LUMA
from facefusion.types import FloatArray, Photo

#: Number of corrections for losses of noise and detail by compression.
CORRECTIONS: Final = 2
#: Shortest side in pixels of a window that can be measured.
SHORTEST: Final = 16


def match_texture(
    face: Photo,
    target: Photo,
    skin: FloatArray,
    features: FloatArray,
    mask: FloatArray,
    unit: float,
    *,
    sharpness: bool = True,
    grain: bool = True,
    origin: tuple[int, int] = (0, 0),
) -> Photo:
    """Gives the new face the sharpness, noise and compression of the photo around it.

    Each level of the face's Laplacian pyramid is multiplied by the ratio of the target's energy to
    its own, separately on skin and on features, and then gets the noise that it lacks.

    Args:
        face: (h, w, 3) RGB uint8, the new face in the target photo's pixels, valid under `mask`.
        target: (h, w, 3) RGB uint8, the same window of the target photo.
        skin: (h, w) float32 in [0, 1], skin in both.
        features: (h, w) float32 in [0, 1], eyes, brows and lips.
        mask: (h, w) float32 in [0, 1], opacity of the new face.
        unit: pixels of the window per pixel of a face crop of 224 px, in which the face's longer
            side is 179 px.
        sharpness: match the energies of the bands.
        grain: add the noise and the compression that the face lacks.
        origin: top and left of the window in the photo, in pixels.

    Returns:
        (h, w, 3) RGB uint8; `face` itself where there is too little skin to measure. The same input
        gives the same output.
    """
    if min(face.shape[:2]) < SHORTEST:
        return face
    steps = steps_for(face.shape, unit)
    zones = Zones.of(skin, features, mask, steps)
    if not zones.skin:
        return face
    their = _Target.measured(target, zones, unit, steps)
    quality = quality_of(target, origin) if grain else None
    if quality is not None:  # compression removes noise unevenly
        their = replace(their, brightness=Brightness.even())
    new = Pyramid.of(face, steps)
    motion = motion_of(their.gradients, new, zones) if sharpness else None
    if motion is not None:
        face = motion.applied(face)
        new = Pyramid.of(face, steps)
    judged = new if quality is None else Pyramid.of(compressed(face, quality, origin), steps)
    own = bands(judged.details, zones, unit)
    plan, energies = _planned(their, own, judged, features, zones, sharpness, grain, origin)
    result = plan.applied(new)
    if quality is None:
        return result
    result = compressed(result, quality, origin)
    for _ in range(CORRECTIONS if sharpness else 0):
        plan = plan.corrected(energies, bands(Pyramid.of(result, steps).details, zones, unit))
        result = compressed(plan.applied(new), quality, origin)
    return result


def _planned(
    their: _Target,
    own: Sequence[Band],
    face: Pyramid,
    features: FloatArray,
    zones: Zones,
    sharpness: bool,
    grain: bool,
    origin: tuple[int, int],
) -> tuple[Plan, list[float]]:
    """Plans the change of the new face, and the resulting energy of each level on skin."""
    pairs = zip(their.bands, own, strict=True)
    wanted = [wanted_gains(*pair) if sharpness else (1.0, 1.0) for pair in pairs]
    noise = missing(their.bands, own, [gain for gain, _ in wanted]) if grain else []
    grids = (1, *range(1, len(own)))  # the finest level is measured on the next one's
    shares = [np.ascontiguousarray(features[:: 1 << k, :: 1 << k], np.float32) for k in grids]
    plan = Plan(
        gains=corrected_gains(face, wanted, own, shares, zones) if sharpness else wanted,
        smoothing=[smoothing_for(each) for each in wanted],
        noise=decoupled(noise),
        features=[np.asarray(features, np.float32), *shares[1:]],
        brightness=their.brightness,
        origin=origin,
    )
    return plan, _energies(own, wanted, noise)


@dataclass(frozen=True)
class _Target:
    """Measures of the target.

    Attributes:
        bands: measures of its levels, finest first.
        gradients: (2, 2) covariance, for motion blur.
        brightness: dependence of its noise on brightness.
    """

    bands: list[Band]
    gradients: np.ndarray
    brightness: Brightness

    @classmethod
    def measured(cls, target: Photo, zones: Zones, unit: float, steps: int) -> _Target:
        """Measures (h, w, 3) RGB uint8 in `steps` levels."""
        levels = Pyramid.of(target, steps)
        found = bands(levels.details, zones, unit)
        # Brightness is measured on the noisier of the two finest levels.
        k = int(np.argmax([band.noise for band in found[:2]]))
        luma = levels.details[k].reshape(-1, 3)[zones.skin[k]] @ LUMA
        brightness = Brightness.measured(found[k], luma, _shade(levels, k, zones))
        return cls(found, gradients_of(levels, zones), brightness)


def _shade(face: Pyramid, k: int, zones: Zones) -> np.ndarray:
    """Samples (N,) smooth luma at the skin pixels of level k."""
    size = face.details[k].shape[1::-1]
    smooth = cv2.resize(face.smooth(SMOOTH), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth.ravel()[zones.skin[k]])


def _energies(
    face: Sequence[Band], gains: Sequence[Gains], noise: Sequence[FloatArray]
) -> list[float]:
    """Computes the energy of each level on skin with its gain and its noise."""
    variances = [float(LUMA @ each @ LUMA) for each in noise] + [0.0] * (len(face) - len(noise))
    each = zip(face, gains, variances, strict=True)
    return [
        float(np.hypot(gain * band.energy, variance**0.5)) for band, (gain, _), variance in each
    ]
