"""A large picture as another one and the rectangles in which it differs: whole only while somebody looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facefusion.types import FloatArray, Photo

#: Rows and columns, with a beginning and an end.
Area = tuple[slice, slice]


@dataclass(frozen=True)
class Patch:
    """A rectangle of a picture.

    Attributes:
        area: where it is.
        values: (height, width, ...) what is there; it is never written to.
    """

    area: Area
    values: np.ndarray

    def lies_in(self, area: Area) -> bool:
        """Whether all of it lies in an area."""
        return all(b.start <= a.start and a.stop <= b.stop for a, b in zip(self.area, area, strict=True))

    def lay(self, part: np.ndarray, area: Area) -> None:
        """Writes what lies in `area` into the part (height, width, ...) of a picture that is there."""
        both = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(self.area, area, strict=True)]
        if any(begin >= end for begin, end in both):
            return
        own, other = (
            tuple(slice(begin - place.start, end - place.start) for (begin, end), place in zip(both, each, strict=True))
            for each in (self.area, area)
        )
        part[other] = self.values[own]


@dataclass(frozen=True)
class Patched:
    """A photo of which some rectangles are new.

    Attributes:
        photo: (H, W, 3) RGB uint8, as it was.
        painted: what is new in it; the later lie over the earlier.
        changes: (height, width) float32 in [0, 1], how much of each pixel counts as new.
    """

    photo: Photo
    painted: tuple[Patch, ...] = ()
    changes: tuple[Patch, ...] = ()

    def image(self) -> Photo:
        """The photo with what is new, (H, W, 3) RGB uint8; a new array at each call."""
        whole = self.photo.copy()
        return _laid(whole, _all_of(whole), self.painted)

    def mask(self) -> FloatArray:
        """How much of each pixel is new, (H, W) float32; a new array at each call."""
        whole = np.zeros(self.photo.shape[:2], np.float32)
        return _laid(whole, _all_of(whole), self.changes)

    def image_in(self, area: Area) -> Photo:
        """A part of `image`."""
        return _laid(self.photo[area].copy(), area, self.painted)

    def mask_in(self, area: Area) -> FloatArray:
        """A part of `mask`."""
        rows, columns = area
        part = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
        return _laid(part, area, self.changes)


def laid_over(patches: tuple[Patch, ...], patch: Patch) -> tuple[Patch, ...]:
    """Patches and one that lies over them, without those of which nothing is seen any more."""
    return (*(each for each in patches if not each.lies_in(patch.area)), patch)


def around(mask: FloatArray) -> Patch | None:
    """The smallest rectangle that holds all of a mask (H, W) that is not 0, or None."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    area = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return Patch(area, mask[area])  # a view: of a mask that `np.zeros` made, the rest takes no memory


def whole_patch(values: np.ndarray) -> Patch:
    """A patch that is the whole picture."""
    return Patch(_all_of(values), values)


def _all_of(picture: np.ndarray) -> Area:
    return slice(0, picture.shape[0]), slice(0, picture.shape[1])


def _laid(part: np.ndarray, area: Area, patches: Sequence[Patch]) -> np.ndarray:
    for patch in patches:
        patch.lay(part, area)
    return part
