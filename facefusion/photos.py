"""From files and arrays of any kind to RGB uint8, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageOps

from facefusion.errors import EmptyPhotoError, UnreadablePhotoError
from facefusion.errors import Photo as Which
from facefusion.types import Photo

#: Face photos of one person that a call takes at most.
MAX_SOURCES: Final = 3


def as_rgb(image: Any, which: Which, *, number: int | None = None) -> Photo:
    """Makes an array RGB uint8.

    Args:
        image: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) array; uint8 in [0, 255], uint16 or bool, or float in [0, 1].
            Transparency is laid over white.
        which: the upload this is, for the error.
        number: its position among several face photos.

    Returns:
        (H, W, 3) uint8, contiguous. An array that is already so is returned as it is, not copied.

    Raises:
        EmptyPhotoError: there is no array, or it has no pixels.
        UnreadablePhotoError: it is not an image.
    """
    if image is None:
        raise EmptyPhotoError(which, number=number)
    array = np.asarray(image)
    if array.size == 0:
        raise EmptyPhotoError(which, number=number)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise UnreadablePhotoError(which, number=number)
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    elif array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            raise UnreadablePhotoError(which, number=number)
        array = (np.clip(array, 0, 1) * 255 + 0.5).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise UnreadablePhotoError(which, number=number)
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    elif array.shape[2] == 4:
        alpha = array[..., 3:].astype(np.uint16)
        array = ((array[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(array)


def numbered(source: Any) -> list[tuple[Photo, int | None]]:
    """The photos of a source, with their positions where there are several.

    Raises:
        ValueError: there are more than `MAX_SOURCES`.
        FusionError: one of them is no picture.
    """
    sources = list(source) if isinstance(source, (list, tuple)) else [source]
    if len(sources) > MAX_SOURCES:
        raise ValueError(f"at most {MAX_SOURCES} face photos, not {len(sources)}")
    numbers = [i + 1 for i in range(len(sources))] if len(sources) > 1 else [None]
    return [(as_rgb(s, "source", number=n), n) for s, n in zip(sources or [None], numbers, strict=True)]


def read_photo(path: str | Path, which: Which) -> Photo:
    """Reads a picture file, turned as its EXIF orientation says.

    Raises:
        UnreadablePhotoError: the file is missing, no picture, damaged, or a picture of absurd size.
    """
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)
            if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                return as_rgb(np.asarray(upright.convert("RGBA")), which)
            if upright.mode.startswith("I;16"):
                return as_rgb(np.asarray(upright).astype(np.uint16), which)
            return as_rgb(np.asarray(upright.convert("RGB")), which)
    except (OSError, ValueError, SyntaxError, RuntimeError, Image.DecompressionBombError) as error:  # RuntimeError: AVIF
        raise UnreadablePhotoError(which) from error
