"""Holds a photo and the new faces over it, and renders them into one picture on request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from facefusion.compose.window import FaceWindow
from facefusion.types import Mask, Photo

#: Rows and columns of a photo.
Area = tuple[slice, slice]


@dataclass(frozen=True)
class Layer:
    """A new face at the resolution of its window.

    Attributes:
        window: its place in the photo.
        face: (height, width, 3) RGB uint8 in the window's pixels.
        opacity: (height, width) float32 in [0, 1].
    """

    window: FaceWindow
    face: Photo
    opacity: Mask


@dataclass(frozen=True)
class WarpedArea:
    """Pixels of a photo that were warped.

    Attributes:
        area: a rectangle of the photo.
        pixels: (height, width) bool, the warped pixels in it.
    """

    area: Area
    pixels: np.ndarray

    @classmethod
    def of(cls, mask: Mask) -> Self | None:
        """Crops a mask (H, W) in {0, 1} to its bounding rectangle; None if it is 0 everywhere."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            return None
        area = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        return cls(area, mask[area] > 0)


@dataclass(frozen=True)
class Layers:
    """A photo with new faces over it, in little more memory than the photo's.

    Attributes:
        photo: (H, W, 3) RGB uint8.
        faces: visible faces, the later over the earlier.
        hidden: faces that are not drawn, but whose opacity counts in the mask.
        warped: pixels that were warped, which count in the mask too.
    """

    photo: Photo
    faces: tuple[Layer, ...] = ()
    hidden: tuple[Layer, ...] = ()
    warped: WarpedArea | None = None

    def with_face(self, face: Layer) -> Layers:
        """Adds a face over all others."""
        return replace(self, faces=(*self.faces, face))

    def without_faces(self) -> Layers:
        """Returns the photo without visible faces, with the same mask."""
        return replace(self, faces=(), hidden=(*self.hidden, *self.faces))

    def image(self) -> Photo:
        """Renders the photo with the faces, (H, W, 3) RGB uint8, as a new array."""
        image = self.photo.copy()
        for layer in self.faces:
            layer.window.blend(image, layer.face, layer.opacity)
        return image

    def mask(self) -> Mask:
        """Renders the new share of each pixel, (H, W) float32 in [0, 1], as a new array."""
        mask = np.zeros(self.photo.shape[:2], np.float32)
        if self.warped is not None:
            mask[self.warped.area] = self.warped.pixels
        for layer in (*self.hidden, *self.faces):
            layer.window.raise_to(mask, layer.opacity)
        return mask


@dataclass(frozen=True)
class RenderedPicture:
    """A rendered picture and its mask.

    Attributes:
        photo: (H, W, 3) RGB uint8.
        changed: (H, W) float32 in [0, 1], new share of each pixel.
    """

    photo: Photo
    changed: Mask

    def image(self) -> Photo:
        """Copies the picture."""
        return self.photo.copy()

    def mask(self) -> Mask:
        """Copies the mask."""
        return self.changed.copy()
