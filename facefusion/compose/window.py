"""Cuts the part of a photo in which the new face is composed and blended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from facefusion.compose.paste import LEAST_OPACITY, Region, face_region
from facefusion.geometry.align import chain, rescale_transform
from facefusion.geometry.frames import Frame
from facefusion.types import Affine, Mask, Photo

#: Pixels blended at once, to bound the memory of intermediates for a large face.
STRIP_PIXELS: Final = 1 << 20


@dataclass(frozen=True)
class FaceWindow:
    """A rectangle of a photo, at the photo's own resolution or, for very large faces, a lower one.

    Attributes:
        region: the rectangle.
        frame: the window's pixels.
        scale: pixels of the window per pixel of the photo, at most 1; of each axis but for the
            rounding of `frame` to whole pixels.
    """

    region: Region
    frame: Frame
    scale: float

    @classmethod
    def of(cls, mask: Mask, to_photo: Affine, shape: tuple[int, ...], largest: int) -> Self | None:
        """Returns the window that holds all of a mask.

        Args:
            mask: (S, S) float32 over the aligned crop, 0 where the photo is unchanged.
            to_photo: (2, 3) pixels of that crop to pixels of the photo.
            shape: (H, W, ...) of the photo.
            largest: largest side in pixels of the aligned crop in the window.

        Returns:
            The window; None if the mask is empty or outside the photo.
        """
        region, side = face_region(mask, to_photo, shape), mask.shape[0]
        if region is None:
            return None
        crop_side = side * float(np.hypot(to_photo[0, 0], to_photo[1, 0]))
        scale = min(1.0, largest / crop_side)
        width, height = (max(1, round(scale * length)) for length in (region.width, region.height))
        # Of whole pixels, so the two axes may differ a little, as they do where pictures are resized.
        x, y = width / region.width, height / region.height
        to_window = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]])
        matrix = chain(to_window, chain(region.matrix, rescale_transform(np.eye(2, 3), side)))
        return cls(region, Frame(matrix, width, height), scale)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.frame.size

    @property
    def origin(self) -> tuple[int, int]:
        """Top and left in the photo."""
        return self.region.top, self.region.left

    def crop(self, photo: Photo) -> Photo:
        """Cuts the window from a photo (H, W, 3) RGB uint8: (height, width, 3)."""
        part = np.ascontiguousarray(photo[self.region.window])
        if self.scale == 1:
            return part
        return np.asarray(cv2.resize(part, self.size, interpolation=cv2.INTER_AREA), np.uint8)

    def opacity(self, mask: Mask) -> Mask:
        """Places a mask (S, S) over the aligned crop in the window: 0 below `LEAST_OPACITY`."""
        alpha = np.clip(self.frame.placed(mask, outside=0.0), 0, 1)
        return np.asarray(cv2.threshold(alpha, LEAST_OPACITY, 0, cv2.THRESH_TOZERO)[1], np.float32)

    def blend(self, photo: Photo, face: Photo, alpha: Mask) -> None:
        """Blends a new face into a photo in place (alpha blending, Porter and Duff, SIGGRAPH 1984).

        Args:
            photo: (H, W, 3) RGB uint8, changed in place; bit-identical where the opacity is 0.
            face: (height, width, 3) RGB uint8, in the window's pixels.
            alpha: (height, width) float32 in [0, 1], its opacity.
        """
        if self.scale != 1:
            size = (self.region.width, self.region.height)
            face = np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_CUBIC), np.uint8)
            alpha = self._in_photo(alpha)
        rows, columns = self.region.window
        step = max(1, STRIP_PIXELS // self.region.width)
        for begin in range(0, self.region.height, step):
            strip = slice(begin, min(begin + step, self.region.height))
            place = slice(rows.start + strip.start, rows.start + strip.stop), columns
            under, opacity = np.ascontiguousarray(photo[place]), alpha[strip]
            # Bit-identical where alpha is 0: OpenCV divides by the sum of the weights plus 0.00001.
            photo[place] = cv2.blendLinear(face[strip], under, opacity, 1 - opacity)

    def raise_to(self, changed: Mask, alpha: Mask) -> None:
        """Raises a mask in place to an opacity.

        Args:
            changed: (H, W) float32 over the photo, changed in place.
            alpha: (height, width) float32 in [0, 1], in the window's pixels.
        """
        place = self.region.window
        alpha = alpha if self.scale == 1 else self._in_photo(alpha)
        np.maximum(changed[place], alpha, out=changed[place])

    def over(self, alpha: Mask, shape: tuple[int, ...]) -> Mask:
        """Places an opacity (height, width) of the window in (H, W) float32 over a photo."""
        full = np.zeros(shape[:2], np.float32)
        full[self.region.window] = alpha if self.scale == 1 else self._in_photo(alpha)
        return full

    def _in_photo(self, alpha: Mask) -> Mask:
        size = (self.region.width, self.region.height)
        alpha = np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR), np.float32)
        return np.asarray(
            cv2.threshold(alpha, LEAST_OPACITY, 0, cv2.THRESH_TOZERO, alpha)[1], np.float32
        )
