"""Places maps over the aligned crop on the pixels of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from facefusion.geometry.align import chain, rescale_transform
from facefusion.types import Affine, FloatArray

#: Side in pixels up to which a map is enlarged bicubically before placing; the rest is bilinear.
SMOOTH_SIZE: Final = 512


@dataclass(frozen=True)
class Frame:
    """A rectangle of pixels that shows the aligned crop of a face, upright or as in a photo.

    Attributes:
        matrix: (2, 3) pixels of the crop at side 1 to pixels of the frame.
        width, height: of the frame in pixels.
        side: side in pixels where the frame is the crop itself, else 0.
    """

    matrix: Affine
    width: int
    height: int
    side: int = 0

    @classmethod
    def crop(cls, side: int) -> Self:
        """Returns the frame of the crop itself at `side` pixels."""
        return cls(rescale_transform(np.eye(2, 3), side), side, side, side)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    def part(self, left: int, top: int, width: int, height: int) -> Frame:
        """Returns the frame of a rectangle of its pixels."""
        if (left, top, width, height) == (0, 0, *self.size):
            return self
        shift = np.array([[1.0, 0, -left], [0, 1, -top]])
        return Frame(chain(shift, self.matrix), width, height)

    def from_crop(self, side: int) -> Affine:
        """Returns the (2, 3) matrix from pixels of the crop at `side` to pixels of the frame."""
        return chain(self.matrix, rescale_transform(np.eye(2, 3), 1 / side))

    def placed(self, field: FloatArray, outside: float | None = None) -> FloatArray:
        """Interpolates a map over the crop at the frame's pixels.

        Args:
            field: (S, S) or (S, S, C) float32, C at most 4.
            outside: value beyond the crop; by default its border is replicated.

        Returns:
            (height, width) or (height, width, C) float32.
        """
        side = field.shape[0]
        if self.side:
            if self.side == side:
                return field
            shrinks = self.side < side
            kernel = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            return np.asarray(cv2.resize(field, self.size, interpolation=kernel), np.float32)
        scale = float(np.hypot(self.matrix[0, 0], self.matrix[1, 0])) / side
        factor = min(round(scale), SMOOTH_SIZE // side)
        if factor > 1:
            larger = (side * factor, side * factor)
            field = np.asarray(cv2.resize(field, larger, interpolation=cv2.INTER_CUBIC), np.float32)
        border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
        return np.asarray(
            cv2.warpAffine(
                field, self.from_crop(field.shape[0]), self.size, flags=cv2.INTER_LINEAR,
                borderMode=border, borderValue=outside or 0,
            ),
            np.float32,
        )  # fmt: skip
