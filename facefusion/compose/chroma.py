"""Reduces patches in the new skin's chroma and lightness that the photo's light does not have."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.geometry.ramps import ramp
from facefusion.types import FloatArray, Mask, Photo

#: Standard deviation, in pixels of a 224 px face, over which chroma is averaged.
CHROMA_SCALE: Final = 5.0
#: Standard deviation, in pixels of a 224 px face, over which lightness is averaged.
LIGHT_SCALE: Final = 7.0
#: Standard deviation, in pixels of a 224 px face, of the soft edge of the change.
EDGE: Final = 1.5
#: Side of a pixel at which the change is computed, in pixels of a 224 px face: the change is smooth.
STEP: Final = 2.5
#: Mean weight of the skin around a place from which its colour counts fully.
ENOUGH: Final = 0.15
#: Number of skin pixels below which nothing is changed.
FEWEST: Final = 16
#: Distances in a* and b* from the skin's median at which the target's colour starts to count less
#: and no longer counts: hair, paint and strong make-up are not skin.
STRAY: Final = (14.0, 24.0)
#: Largest change of chroma, in CIELAB units.
LARGEST: Final = 30.0
#: Difference in a* and b* above which it is no complexion, but coloured light or paint on the source,
#: and is corrected in full.
CHROMA_FROM: Final = 6.0
#: Difference in L* below which shading is left alone: it is the person's own shape.
LIGHT_FROM: Final = 2.0


def match_skin_chroma(
    face: Photo,
    target: Photo,
    skin: Mask,
    mask: Mask,
    unit: float,
    share: float = 1.0,
    light: float = 1.0,
) -> Photo:
    """Moves new skin towards the low frequencies of the target's chroma and lightness.

    In CIELAB: a* and b*, averaged over skin, move to the target's by a share up to `CHROMA_FROM`, and
    in full beyond it; L* by a share of the excess over `LIGHT_FROM`. All finer detail is the new
    face's own. Computed at a low resolution as a change of RGB, which is enlarged and added.

    Args:
        face, target: (h, w, 3) RGB uint8, the new face and the photo under it.
        skin: (h, w) float32 in [0, 1], skin without eyes, brows and lips.
        mask: (h, w) float32 in [0, 1], opacity of the new face.
        unit: pixels of these images per pixel of a 224 px face.
        share: corrected share of a small difference in chroma, in [0, 1].
        light: corrected share of the excess difference in lightness, in [0, 1].

    Returns:
        (h, w, 3) RGB uint8; `face` itself where there is no skin to compare.
    """
    height, width = mask.shape
    step = max(unit * STEP, 1.0)
    small = (max(round(width / step), 1), max(round(height / step), 1))
    scale = unit * small[0] / width
    weight = np.asarray(cv2.resize(skin * mask, small, interpolation=cv2.INTER_AREA), np.float32)
    known = weight > 0.5
    if np.count_nonzero(known) < FEWEST:
        return face
    face_lab, target_lab = _lab(face, small), _lab(target, small)
    trusted = weight * _skin_likeness(target_lab, known)
    shift = _lab_shift(face_lab, target_lab, trusted, scale, share, light)
    shift *= _mean(weight, EDGE * scale)[..., None]
    return _with_lab_shift(face, face_lab, shift, skin > 0)


def _with_lab_shift(
    face: Photo, small_lab: FloatArray, shift: FloatArray, area: np.ndarray
) -> Photo:
    """Adds a change of CIELAB, computed at a low resolution, to a face.

    Args:
        face: (h, w, 3) RGB uint8.
        small_lab, shift: (s, t, 3) CIELAB of the face at a lower resolution, and its change.
        area: (h, w) bool, changed pixels.
    """
    shifted = cv2.cvtColor(np.asarray(small_lab + shift, np.float32), cv2.COLOR_LAB2RGB)
    small_change = 255 * (shifted - cv2.cvtColor(small_lab, cv2.COLOR_LAB2RGB))
    size = (face.shape[1], face.shape[0])
    change = cv2.resize(small_change, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(
        cv2.add(face, change, face.copy(), area.astype(np.uint8), cv2.CV_8U), np.uint8
    )


def _skin_likeness(lab: FloatArray, known: np.ndarray) -> FloatArray:
    """Weighs colours (h, w, 3) CIELAB by their distance from the median of the skin `known`."""
    distance = np.linalg.norm(lab[..., 1:] - np.median(lab[known], axis=0)[1:], axis=2)
    return ramp(distance, STRAY[1], STRAY[0]).astype(np.float32)


def _lab_shift(
    face: FloatArray,
    target: FloatArray,
    weight: FloatArray,
    scale: float,
    share: float,
    light: float,
) -> FloatArray:
    """Computes the change of a face's low frequencies towards the target's.

    Args:
        face, target: (h, w, 3) CIELAB.
        weight: (h, w) float32 in [0, 1], trusted skin.
        scale: pixels per pixel of a 224 px face.
        share, light: as of `match_skin_chroma`.

    Returns:
        (h, w, 3) in CIELAB units.
    """
    difference = (target - face) * weight[..., None]
    chroma = _spread(difference[..., 1:], weight, CHROMA_SCALE * scale)
    length = np.linalg.norm(chroma, axis=2, keepdims=True)
    corrected = np.minimum(length - (1 - share) * np.minimum(length, CHROMA_FROM), LARGEST)
    chroma *= corrected / np.maximum(length, 1e-6)
    lightness = _spread(difference[..., :1], weight, LIGHT_SCALE * scale)
    lightness -= np.clip(lightness, -LIGHT_FROM, LIGHT_FROM)
    return np.concatenate([light * lightness, chroma], axis=2)


def _lab(image: Photo, size: tuple[int, int]) -> FloatArray:
    """Converts an image to CIELAB at a smaller size, (width, height)."""
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_LINEAR), np.uint8)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.cvtColor(small / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)


def _mean(field: FloatArray, sigma: float) -> FloatArray:
    border = cv2.BORDER_REFLECT
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma, borderType=border), np.float32)


def _spread(weighted: FloatArray, weight: FloatArray, sigma: float) -> FloatArray:
    """Averages a weighted field (h, w, C) around each place, faded where little weight is near."""
    mean_weight = _mean(weight, sigma)
    total = _mean(weighted, sigma).reshape(weighted.shape)
    factor = np.clip(mean_weight / ENOUGH, 0, 1) / np.maximum(mean_weight, 1e-3)
    return np.asarray(total * factor[..., None], np.float32)
