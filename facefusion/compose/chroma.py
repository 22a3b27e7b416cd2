"""Reduces blotches and casts in the new skin's chroma that the photo's light does not have."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.types import FloatArray, Photo

#: Standard deviation, in pixels of a 224 px face, over which chroma is averaged.
CHROMA_SCALE: Final = 5.0
#: Standard deviation, in pixels of a 224 px face, over which lightness is averaged.
LIGHT_SCALE: Final = 7.0
#: Standard deviation, in pixels of a 224 px face, of the soft edge of the change.
EDGE: Final = 1.5
#: Pixels of a 224 px face per pixel at which the change is computed: it is smooth.
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
#: Difference in L* below which shading is left alone: it is the person's own shape.
LIGHT_FROM: Final = 5.0
#: Corrected share of the difference in L* beyond `LIGHT_FROM`.
LIGHT_SHARE: Final = 0.4


def match_skin_chroma(
    face: Photo,
    target: Photo,
    skin: FloatArray,
    mask: FloatArray,
    unit: float,
    share: float = 1.0,
    light: float = LIGHT_SHARE,
) -> Photo:
    """Gives new skin the low frequencies of the target's chroma, and reduces large errors of light.

    In CIELAB: a* and b*, averaged over skin, move to the target's by a share; L* only by a share of
    the excess over `LIGHT_FROM`. All finer detail is the new face's own. Computed at a low
    resolution as a change of RGB, which is enlarged and added.

    Args:
        face, target: (h, w, 3) RGB uint8, the new face and the photo under it.
        skin: (h, w) float32 in [0, 1], skin without eyes, brows and lips.
        mask: (h, w) float32 in [0, 1], opacity of the new face.
        unit: pixels of these images per pixel of a 224 px face.
        share: corrected share of the difference in chroma, in [0, 1].
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
    own, theirs = _lab(face, small), _lab(target, small)
    stray = np.linalg.norm(theirs[..., 1:] - np.median(theirs[known], axis=0)[1:], axis=2)
    trusted = weight * np.clip((STRAY[1] - stray) / (STRAY[1] - STRAY[0]), 0, 1).astype(np.float32)
    apart = (theirs - own) * trusted[..., None]

    chroma = share * _spread(apart[..., 1:], trusted, CHROMA_SCALE * scale)
    length = np.linalg.norm(chroma, axis=2, keepdims=True)
    chroma *= np.minimum(1, LARGEST / np.maximum(length, 1e-6))
    lightness = _spread(apart[..., :1], trusted, LIGHT_SCALE * scale)
    lightness -= np.clip(lightness, -LIGHT_FROM, LIGHT_FROM)
    soft = _mean(weight, EDGE * scale)[..., None]
    shift = soft * np.concatenate([light * lightness, chroma], axis=2)

    moved = cv2.cvtColor(np.asarray(own + shift, np.float32), cv2.COLOR_LAB2RGB)
    less = 255 * (moved - cv2.cvtColor(own, cv2.COLOR_LAB2RGB))
    change = cv2.resize(less, (width, height), interpolation=cv2.INTER_LINEAR)
    where = (skin > 0).astype(np.uint8)
    return np.asarray(cv2.add(face, change, face.copy(), where, cv2.CV_8U), np.uint8)


def _lab(image: Photo, size: tuple[int, int]) -> FloatArray:
    """Converts an image to CIELAB at a smaller size, (width, height)."""
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_LINEAR), np.uint8)
    less = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.cvtColor(less / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)


def _mean(field: FloatArray, sigma: float) -> FloatArray:
    border = cv2.BORDER_REFLECT
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma, borderType=border), np.float32)


def _spread(weighted: FloatArray, weight: FloatArray, sigma: float) -> FloatArray:
    """Averages a weighted field (h, w, C) around each place, faded where little weight is near."""
    near = _mean(weight, sigma)
    total = _mean(weighted, sigma).reshape(weighted.shape)
    share = np.clip(near / ENOUGH, 0, 1) / np.maximum(near, 1e-3)
    return np.asarray(total * share[..., None], np.float32)
