"""Blends a crop into the photo; only the region around the face changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.align import chain, invert, rescale_transform
from facefusion.types import FloatArray, Photo

#: Opacity below which a pixel stays untouched.
LEAST_OPACITY: Final = 1 / 512
#: Radius in pixels of a cubic kernel, plus one.
_REACH: Final = 3


@dataclass(frozen=True)
class Region:
    """A rectangle of the photo, and the affine transform that fills it from a crop.

    `matrix` is (2, 3), crop pixels to region pixels.
    """

    top: int
    left: int
    height: int
    width: int
    matrix: np.ndarray

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the photo."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def face_region(mask: FloatArray, to_photo: np.ndarray, shape: tuple[int, ...]) -> Region | None:
    """Finds the part of the photo under a crop's mask.

    Args:
        mask: (S, S) float32 in the crop.
        to_photo: (2, 3) crop pixels to photo pixels.
        shape: (H, W, ...) of the photo.

    Returns:
        The region; None if the mask is empty or outside the photo.
    """
    rows, columns = np.flatnonzero(mask.max(1) > 0), np.flatnonzero(mask.max(0) > 0)
    if not len(rows) or not len(columns):
        return None
    box = np.array(
        [[x, y] for x in (columns[0] - 1, columns[-1] + 1) for y in (rows[0] - 1, rows[-1] + 1)]
    )
    corners = box @ to_photo[:, :2].T + to_photo[:, 2]
    left, top = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, [shape[1], shape[0]])
    if right <= left or bottom <= top:
        return None
    matrix = to_photo.copy()
    matrix[:, 2] -= [left, top]
    return Region(int(top), int(left), int(bottom - top), int(right - left), matrix)


def paste(
    photo: Photo,
    face: Photo,
    mask: FloatArray,
    to_photo: np.ndarray,
    changed: FloatArray | None = None,
) -> tuple[Photo, FloatArray]:
    """Blends a fused crop into a copy of the photo (alpha blending, Porter and Duff 1984).

    The photo's own pixels are never resampled: the crop and its mask are warped into the photo's
    frame and blended there.

    Args:
        photo: (H, W, 3) RGB uint8.
        face: (S, S, 3) RGB uint8, shown where the mask is 1.
        mask: (S, S) float32 in [0, 1].
        to_photo: (2, 3) crop pixels to photo pixels.
        changed: (H, W) float32, mask of earlier pastes; raised in place.

    Returns:
        The new photo, and the mask in its frame, (H, W) float32. Where that is 0 the photo is
        bit-identical.
    """
    result, full = (
        photo.copy(),
        np.zeros(photo.shape[:2], np.float32) if changed is None else changed,
    )
    region = face_region(mask, to_photo, photo.shape)
    if region is None:
        return result, full
    size = (region.width, region.height)
    new = _carried(face, region.matrix, size)
    alpha = cv2.warpAffine(
        mask, region.matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    alpha = cv2.threshold(alpha, LEAST_OPACITY, 0, cv2.THRESH_TOZERO)[1]
    # Bit-identical where alpha is 0: OpenCV divides by the sum of the weights plus 0.00001.
    result[region.window] = cv2.blendLinear(
        new, np.ascontiguousarray(photo[region.window]), alpha, 1 - alpha
    )
    full[region.window] = cv2.max(np.ascontiguousarray(full[region.window]), alpha)
    return result, full


def _carried(face: Photo, matrix: np.ndarray, size: tuple[int, int]) -> Photo:
    """Warps `face` (S, S, 3) by `matrix` (2, 3) to `size` (width, height), bicubically.

    A face much larger in the photo than in the crop is enlarged first, which for a cubic kernel
    costs a tenth of a free transform.
    """
    enlarged = int(np.ceil(np.hypot(matrix[0, 0], matrix[1, 0])))
    if enlarged < 2:
        warped = cv2.warpAffine(
            face, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(warped, np.uint8)
    back, (width, height) = invert(matrix), size
    corners = (
        np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ back[:, :2].T + back[:, 2]
    )
    left, top = np.maximum(np.floor(corners.min(0)).astype(int) - _REACH, 0)
    right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int) + _REACH, face.shape[1::-1])
    part = np.ascontiguousarray(face[top:bottom, left:right])
    wide = (part.shape[1] * enlarged, part.shape[0] * enlarged)
    large = cv2.resize(part, wide, interpolation=cv2.INTER_CUBIC)
    to_part = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    onto = chain(matrix, invert(rescale_transform(to_part, enlarged)))
    return np.asarray(
        cv2.warpAffine(large, onto, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )
