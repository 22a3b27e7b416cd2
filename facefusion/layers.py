"""A photo and the faces that lie over it, made into one picture only while somebody looks at it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from facefusion.compose.window import FaceWindow
from facefusion.types import FloatArray, Photo

#: Rows and columns of a photo.
Area = tuple[slice, slice]


@dataclass(frozen=True)
class Layer:
    """A new face, as large as it was composed.

    Attributes:
        window: where it lies.
        face: (height, width, 3) RGB uint8 in the window's pixels.
        opacity: (height, width) float32 in [0, 1].
    """

    window: FaceWindow
    face: Photo
    opacity: FloatArray


@dataclass(frozen=True)
class Bend:
    """Where a photo was bent.

    Attributes:
        area: a rectangle of the photo.
        moved: (height, width) bool, where in it.
    """

    area: Area
    moved: np.ndarray

    @classmethod
    def where(cls, mask: FloatArray) -> Self | None:
        """The smallest rectangle with all of a mask (H, W) in {0, 1}; None where that is 0
        everywhere.
        """
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            return None
        area = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        return cls(area, mask[area] > 0)


@dataclass(frozen=True)
class Layers:
    """A photo with new faces over it. It takes little more memory than the photo.

    Attributes:
        photo: (H, W, 3) RGB uint8.
        faces: the later lie over the earlier.
        counted: faces that are not seen, whose opacity counts as new all the same.
        bend: where the photo was bent, which counts as new too.
    """

    photo: Photo
    faces: tuple[Layer, ...] = ()
    counted: tuple[Layer, ...] = ()
    bend: Bend | None = None

    def with_face(self, face: Layer) -> Layers:
        """One more face over all others."""
        return replace(self, faces=(*self.faces, face))

    def without_faces(self) -> Layers:
        """The photo alone, of which as much counts as new."""
        return replace(self, faces=(), counted=(*self.counted, *self.faces))

    def image(self) -> Photo:
        """The photo with the faces, (H, W, 3) RGB uint8: a new array at each call."""
        image = self.photo.copy()
        for layer in self.faces:
            layer.window.blend(image, layer.face, layer.opacity)
        return image

    def mask(self) -> FloatArray:
        """How much of each pixel is new, (H, W) float32 in [0, 1]: a new array at each call."""
        mask = np.zeros(self.photo.shape[:2], np.float32)
        if self.bend is not None:
            mask[self.bend.area] = self.bend.moved
        for layer in (*self.counted, *self.faces):
            layer.window.raise_to(mask, layer.opacity)
        return mask

    @property
    def areas(self) -> list[Area]:
        """The rectangles in which anything is new."""
        bent = [] if self.bend is None else [self.bend.area]
        return [*bent, *(layer.window.region.window for layer in (*self.counted, *self.faces))]


@dataclass(frozen=True)
class Finished:
    """A whole picture.

    Attributes:
        photo: (H, W, 3) RGB uint8.
        changed: (H, W) float32 in [0, 1], how much of each pixel is new.
    """

    photo: Photo
    changed: FloatArray

    def image(self) -> Photo:
        """A copy of the picture."""
        return self.photo.copy()

    def mask(self) -> FloatArray:
        """A copy of the mask."""
        return self.changed.copy()
