"""Matches sharpness and grain of the new face to the target's skin, band by band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.compose.bands import Band, Zones, bands
from facefusion.compose.gains import corrected_gains, energy_gains
from facefusion.compose.grain import Brightness, decoupled, missing_noise
from facefusion.compose.jpeg import compressed, quality_of
from facefusion.compose.motion import gradients_of, motion_of
from facefusion.compose.plan import SMOOTH, Plan
from facefusion.compose.pyramid import Gains, Pyramid, smoothing_for, steps_for
from facefusion.compose.tone import LUMA
from facefusion.types import FloatArray, Mask, Photo

#: Number of corrections for losses of noise and detail by compression.
CORRECTIONS: Final = 2
#: Shortest side in pixels of a window that can be measured.
SHORTEST: Final = 16


def match_texture(
    face: Photo,
    target: Photo,
    skin: Mask,
    features: Mask,
    mask: Mask,
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
        (h, w, 3) RGB uint8, deterministic; `face` itself where too little skin can be measured.
    """
    if min(face.shape[:2]) < SHORTEST:
        return face
    steps = steps_for(face.shape, unit)
    zones = Zones.of(skin, features, mask, steps)
    if not zones.skin:
        return face
    window = _Window(zones, features, unit, steps, origin)
    return _matched(face, window.texture(target, grain=grain), window, sharpness, grain)


def _matched(
    face: Photo, target: _TargetTexture, window: _Window, sharpness: bool, grain: bool
) -> Photo:
    """Plans and applies the changes of a face; arguments as of `match_texture`."""
    pyramid = Pyramid.of(face, window.steps)
    if sharpness and (motion := motion_of(target.gradients, pyramid, window.zones)) is not None:
        face = motion.applied(face)
        pyramid = Pyramid.of(face, window.steps)
    quality = target.quality
    measured = pyramid
    if quality is not None:
        measured = Pyramid.of(compressed(face, quality, window.origin), window.steps)
    plan, energies = _planned(target, measured, window, sharpness, grain)
    result = plan.applied(pyramid)
    if quality is None:
        return result
    result = compressed(result, quality, window.origin)
    for _ in range(CORRECTIONS if sharpness else 0):
        plan = plan.corrected(energies, window.bands(Pyramid.of(result, window.steps)))
        result = compressed(plan.applied(pyramid), quality, window.origin)
    return result


def _planned(
    target: _TargetTexture, face: Pyramid, window: _Window, sharpness: bool, grain: bool
) -> tuple[Plan, list[float]]:
    """Plans the change of the new face, and the resulting energy of each level on skin."""
    face_bands = window.bands(face)
    pairs = zip(target.bands, face_bands, strict=True)
    desired = [energy_gains(*pair) if sharpness else (1.0, 1.0) for pair in pairs]
    noise = missing_noise(target.bands, face_bands, [gain for gain, _ in desired]) if grain else []
    grids = (1, *range(1, len(face_bands)))  # the finest level is measured on the next one's
    features = [
        np.ascontiguousarray(window.features[:: 1 << k, :: 1 << k], np.float32) for k in grids
    ]
    gains = desired
    if sharpness:
        gains = corrected_gains(face, desired, face_bands, features, window.zones)
    plan = Plan(
        gains=gains,
        smoothing=[smoothing_for(pair) for pair in desired],
        noise=decoupled(noise),
        features=[np.asarray(window.features, np.float32), *features[1:]],
        brightness=target.brightness,
        origin=window.origin,
    )
    return plan, _energies(face_bands, desired, noise)


@dataclass(frozen=True)
class _TargetTexture:
    """Measures of the target.

    Attributes:
        bands: measures of its levels, finest first.
        gradients: (2, 2) covariance, for motion blur.
        brightness: dependence of its noise on brightness.
        quality: JPEG quality of the photo if it shows blocks and grain is matched, or None.
    """

    bands: list[Band]
    gradients: np.ndarray
    brightness: Brightness
    quality: int | None


@dataclass(frozen=True)
class _Window:
    """The window in which target and new face are compared.

    Attributes:
        zones: measured pixels.
        features: (h, w) float32 in [0, 1], eyes, brows and lips.
        unit: pixels of the window per pixel of a face crop of 224 px.
        steps: levels of detail.
        origin: top and left of the window in the photo, in pixels.
    """

    zones: Zones
    features: Mask
    unit: float
    steps: int
    origin: tuple[int, int]

    def bands(self, image: Pyramid) -> list[Band]:
        """Measures the levels of an image of the window."""
        return bands(image.details, self.zones, self.unit)

    def texture(self, target: Photo, *, grain: bool) -> _TargetTexture:
        """Measures the target (h, w, 3) RGB uint8; its compression only with `grain`."""
        levels = Pyramid.of(target, self.steps)
        measured = self.bands(levels)
        quality = quality_of(target, self.origin) if grain else None
        brightness = Brightness.even()
        if quality is None:  # compression removes noise unevenly
            # Brightness is measured on the noisier of the two finest levels.
            k = int(np.argmax([band.noise for band in measured[:2]]))
            luma = levels.details[k].reshape(-1, 3)[self.zones.skin[k]] @ LUMA
            brightness = Brightness.measured(measured[k], luma, _shade(levels, k, self.zones))
        return _TargetTexture(measured, gradients_of(levels, self.zones), brightness, quality)


def _shade(face: Pyramid, k: int, zones: Zones) -> np.ndarray:
    """Samples (N,) smooth luma at the skin pixels of level k."""
    size = face.details[k].shape[1::-1]
    smooth = cv2.resize(face.smooth(SMOOTH), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth.ravel()[zones.skin[k]])


def _energies(
    face: Sequence[Band], gains: Sequence[Gains], noise: Sequence[FloatArray]
) -> list[float]:
    """Computes the energy of each level on skin with its gain and its noise."""
    variances = [float(LUMA @ covariance @ LUMA) for covariance in noise] + [0.0] * (
        len(face) - len(noise)
    )
    levels = zip(face, gains, variances, strict=True)
    return [
        float(np.hypot(gain * band.energy, variance**0.5)) for band, (gain, _), variance in levels
    ]
