"""Chroma of skin: blotches and casts that the photo's light does not have are reduced."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.types import FloatArray, Photo

#: Standard deviations, in pixels of a 224 px face, of what counts as the skin's chroma and as its
#: light, and of the edge of what is changed.
CHROMA_SCALE: Final = 5.0
LIGHT_SCALE: Final = 7.0
EDGE: Final = 1.5
#: Pixels of a 224 px face for one at which the change is computed.
STEP: Final = 2.5
#: Weight of the skin around a place from which on its colour counts wholly, and pixels of it
#: below which nothing is changed.
ENOUGH: Final = 0.15
FEWEST: Final = 16
#: Distance in a* and b* from the median of its skin at which the target's colour counts less, and
#: at which it no longer counts: hair, paint and strong make-up are no skin.
STRAY: Final = (14.0, 24.0)
#: Largest change of chroma, in CIELAB.
LARGEST: Final = 30.0
#: Differences in light up to this are the person's own shape, in L*; this share of what exceeds
#: it is made up for.
LIGHT_FROM: Final = 5.0
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
    """Gives new skin the low frequencies of the target's chroma, and holds its light near.

    In CIELAB: a* and b*, averaged over skin, move to the target's by a share; L* is moved only
    where it is far off. All finer detail is the new face's own. Computed at a low resolution as a
    change of RGB, which is enlarged and added.

    Args:
        face, target: (h, w, 3) RGB uint8, the new face and the photo under it.
        skin: (h, w) float32 in [0, 1], where skin is, without eyes, brows and lips.
        mask: (h, w) float32 in [0, 1], how much of the new face is seen.
        unit: pixels of these images per pixel of a 224 px face.
        share: of the difference in chroma that is made up for, in [0, 1].
        light: share of the excess difference in lightness that is, in [0, 1].

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
    """CIELAB of an image at a smaller size, (width, height)."""
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_LINEAR), np.uint8)
    less = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.cvtColor(less / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)


def _mean(field: FloatArray, sigma: float) -> FloatArray:
    border = cv2.BORDER_REFLECT
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma, borderType=border), np.float32)


def _spread(weighted: FloatArray, weight: FloatArray, sigma: float) -> FloatArray:
    """Weighted mean of a field (h, w, C) around each place, less where there is little weight
    near."""
    near = _mean(weight, sigma)
    total = _mean(weighted, sigma).reshape(weighted.shape)
    share = np.clip(near / ENOUGH, 0, 1) / np.maximum(near, 1e-3)
    return np.asarray(total * share[..., None], np.float32)
