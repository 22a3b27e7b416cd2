"""Finishes results as photos like their target: in its colours, with its transparency and mark."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from facefusion.decoding import reading
from facefusion.decoding.belongings import Belongings
from facefusion.decoding.decoded import NOTHING, Patch
from facefusion.decoding.headers import RefusedPhotoError
from facefusion.errors import FusionError, PhotoRole, refusing
from facefusion.images.lettering import ENGLISH
from facefusion.images.marking import marked
from facefusion.images.saving import save
from facefusion.types import Photo


@dataclass(frozen=True)
class Original:
    """A photo's file, and what belongs to it; results of a target photo keep it.

    Attributes:
        belongings: what it has beside its pixels.
        restored: decodes the file again in its own colours, with a part of a result, to (H, W, 3
            or 4) uint8.
    """

    belongings: Belongings = field(default_factory=Belongings)
    restored: Callable[[Patch], Photo] | None = None

    def notes_for(self, role: str, extension: str) -> list[str]:
        """Returns the ends of the keys of sentences about the file and a result.

        Args:
            role: of the photo; only a target's colours, bits and transparency go over to the result.
            extension: of the result's file, or empty if several are offered.
        """
        left_out = set() if role == "target" else {"srgb", "transparent", "eight_bits"}
        if extension in (".png", ".webp"):
            left_out.add("transparent")
        return [note for note in self.belongings.notes if note not in left_out]

    def finish(
        self,
        image: Photo,
        target: Photo,
        text: str = ENGLISH,
        *,
        faces: Iterable[np.ndarray] = (),
    ) -> Finished:
        """Marks a result, which outside of the new faces keeps the values of the target's file.

        Args:
            image: (H, W, 3) sRGB uint8, the result, which is written to.
            target: (H, W, 3) sRGB uint8, the photo that it was made of.
            text, faces: see `marked`.
        """
        about, picture = self.belongings, image
        if about.stored and self.restored is not None:
            try:
                picture = self.restored(patch_of(image, target))
            except (FusionError, RefusedPhotoError, OSError):  # deleted meanwhile, or no memory
                about = replace(about, profile=b"").with_notes("srgb")
        return Finished(marked(picture, text, faces=faces, in_place=True), about)


@dataclass(frozen=True)
class Finished:
    """A picture to be written.

    Attributes:
        image: (H, W, 3) uint8, or (H, W, 4) with alpha, in the colours of the profile.
        belongings: what is written beside the pixels.
    """

    image: Photo
    belongings: Belongings

    def save(self, path: Path, extension: str) -> None:
        """Writes the picture; see `saving.save`."""
        save(self.image, path, extension, self.belongings)


def patch_of(image: Photo, target: Photo) -> Patch:
    """Cuts the rectangle that differs from the target out of a result."""
    differs = image != target
    # `any` over the last axis, of length 3, takes 20 times longer.
    rows = np.flatnonzero(differs.reshape(len(image), -1).any(1))
    if not len(rows):
        return NOTHING
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(differs[top:bottom].any(0).any(1))
    return Patch(int(columns[0]), top, image[top:bottom, int(columns[0]) : int(columns[-1]) + 1])


def open_photo(
    data: bytes, role: PhotoRole, *, number: int | None = None
) -> tuple[Photo, Original]:
    """Reads a trusted photo in this process, as `reading.read_photo` does, with what belongs to it.

    Args:
        data: the file, which is kept for the result.
        role, number: see `reading.read_photo`.

    Raises:
        FusionError: the file is damaged, or no supported photo.
    """
    try:
        photo = reading.decode(data, half=role == "source")
        pixels = reading.pixels_of(photo)
    except RefusedPhotoError as error:
        refused = refusing(error.reason)
    else:
        return pixels, Original(photo.belongings, lambda patch: reading.restored(data, patch))
    raise refused(role, number=number)
