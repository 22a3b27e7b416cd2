"""Back into the photo: only the region around the face is touched."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facefusion.types import FloatArray, Photo


@dataclass(frozen=True)
class Region:
    """A rectangle of the photo and the affine that fills it from a crop: `matrix` (2, 3) crop pixels to region pixels."""

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
    """The part of the photo that a crop's mask reaches.

    Args:
        mask: (S, S) float32 in the crop.
        to_photo: (2, 3) crop pixels to photo pixels.
        shape: (H, W, ...) of the photo.

    Returns:
        None where the mask is empty or lies outside the photo.
    """
    rows, columns = np.flatnonzero(mask.max(1) > 0), np.flatnonzero(mask.max(0) > 0)
    if not len(rows) or not len(columns):
        return None
    box = np.array([[x, y] for x in (columns[0] - 1, columns[-1] + 1) for y in (rows[0] - 1, rows[-1] + 1)])
    corners = box @ to_photo[:, :2].T + to_photo[:, 2]
    left, top = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, [shape[1], shape[0]])
    if right <= left or bottom <= top:
        return None
    matrix = to_photo.copy()
    matrix[:, 2] -= [left, top]
    return Region(int(top), int(left), int(bottom - top), int(right - left), matrix)


def paste(photo: Photo, face: Photo, mask: FloatArray, to_photo: np.ndarray) -> tuple[Photo, FloatArray]:
    """Blends a fused crop into a copy of the photo (alpha blending, Porter and Duff 1984).

    The photo's own pixels are never resampled: the crop and its mask are carried into the photo's frame and blended there.

    Args:
        photo: (H, W, 3) RGB uint8.
        face: (S, S, 3) RGB uint8, what to show where the mask is 1.
        mask: (S, S) float32 in [0, 1].
        to_photo: (2, 3) crop pixels to photo pixels.

    Returns:
        The new photo, and the mask in its frame, (H, W) float32. Where that is 0 the photo is bit-identical.
    """
    result, full = photo.copy(), np.zeros(photo.shape[:2], np.float32)
    region = face_region(mask, to_photo, photo.shape)
    if region is None:
        return result, full
    size = (region.width, region.height)
    new = cv2.warpAffine(face, region.matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(mask, region.matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    alpha[alpha < 1 / 512] = 0
    old = photo[region.window]
    blended = cv2.blendLinear(new, np.ascontiguousarray(old), alpha, 1 - alpha)
    result[region.window] = np.where(alpha[..., None] > 0, blended, old)
    full[region.window] = alpha
    return result, full
