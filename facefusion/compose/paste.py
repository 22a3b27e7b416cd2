"""Blends a crop into the photo; only the region around the face changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.align import chain, invert, rescale_transform
from facefusion.geometry.windows import mask_corners, pixel_window
from facefusion.types import Affine, FloatArray, Mask, Photo

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
    matrix: Affine

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the photo."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def face_region(mask: Mask, to_photo: Affine, shape: tuple[int, ...]) -> Region | None:
    """Finds the part of the photo under a crop's mask.

    Args:
        mask: (S, S) float32 in the crop.
        to_photo: (2, 3) crop pixels to photo pixels.
        shape: (H, W, ...) of the photo.

    Returns:
        The region; None if the mask is empty or outside the photo.
    """
    box = mask_corners(mask)
    if box is None:
        return None
    corners = box @ to_photo[:, :2].T + to_photo[:, 2]
    window = pixel_window(corners, (shape[1], shape[0]), after=1)
    if window is None:
        return None
    left, top, right, bottom = window
    matrix = to_photo.copy()
    matrix[:, 2] -= [left, top]
    return Region(top, left, bottom - top, right - left, matrix)


def paste(
    photo: Photo,
    face: Photo,
    mask: Mask,
    to_photo: Affine,
    changed: Mask | None = None,
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
    result = photo.copy()
    total = np.zeros(photo.shape[:2], np.float32) if changed is None else changed
    region = face_region(mask, to_photo, photo.shape)
    if region is None:
        return result, total
    size = (region.width, region.height)
    warped = _warped(face, region.matrix, size)
    flags, border = cv2.INTER_LINEAR, cv2.BORDER_CONSTANT
    alpha = cv2.warpAffine(mask, region.matrix, size, flags=flags, borderMode=border)
    alpha = cv2.threshold(alpha, LEAST_OPACITY, 0, cv2.THRESH_TOZERO)[1]
    # Bit-identical where alpha is 0: OpenCV divides by the sum of the weights plus 0.00001.
    result[region.window] = cv2.blendLinear(
        warped, np.ascontiguousarray(photo[region.window]), alpha, 1 - alpha
    )
    total[region.window] = cv2.max(np.ascontiguousarray(total[region.window]), alpha)
    return result, total


def _warped(face: Photo, matrix: Affine, size: tuple[int, int]) -> Photo:
    """Warps `face` (S, S, 3) by `matrix` (2, 3) to `size` (width, height), bicubically.

    A face much larger in the photo than in the crop is enlarged first, which for a cubic kernel
    costs a tenth of a free transform.
    """
    enlarged = int(np.ceil(np.hypot(matrix[0, 0], matrix[1, 0])))
    to_face, (width, height) = invert(matrix), size
    box = np.array([[0, 0], [width, 0], [0, height], [width, height]])
    corners = box @ to_face[:, :2].T + to_face[:, 2]
    window = pixel_window(corners, (face.shape[1], face.shape[0]), before=_REACH, after=_REACH)
    border = cv2.BORDER_REPLICATE
    if enlarged < 2 or window is None:
        warped = cv2.warpAffine(face, matrix, size, flags=cv2.INTER_CUBIC, borderMode=border)
        return np.asarray(warped, np.uint8)
    left, top, right, bottom = window
    part = np.ascontiguousarray(face[top:bottom, left:right])
    wide = (part.shape[1] * enlarged, part.shape[0] * enlarged)
    large = cv2.resize(part, wide, interpolation=cv2.INTER_CUBIC)
    to_part = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    onto = chain(matrix, invert(rescale_transform(to_part, enlarged)))
    warped = cv2.warpAffine(large, onto, size, flags=cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(warped, np.uint8)
