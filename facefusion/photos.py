"""From files and arrays of any kind to RGB uint8, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from facefusion.decoding import reading
from facefusion.decoding.headers import RefusedPhotoError
from facefusion.decoding.reading import over_white
from facefusion.errors import (
    EmptyPhotoError,
    FusionError,
    PhotoRole,
    UnreadablePhotoError,
    refusing,
)
from facefusion.types import Photo

#: Face photos of one person that a call takes at most.
MAX_SOURCES: Final = 3
#: Pixels that are converted at once.
STRIP_PIXELS: Final = 1 << 18


def as_rgb(image: Any, which: PhotoRole, *, number: int | None = None) -> Photo:
    """Makes an array RGB uint8.

    Args:
        image: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) array; uint8 in [0, 255], uint16 or bool,
            or float in [0, 1]. Transparency is laid over white.
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
    floats = np.issubdtype(array.dtype, np.floating)
    known = floats or array.dtype in (np.uint8, np.uint16, np.bool_)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or not known:
        raise UnreadablePhotoError(which, number=number)
    if array.dtype == np.uint8 and array.shape[2] == 3:
        return np.ascontiguousarray(array)
    height, width = array.shape[:2]
    whole = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):  # in between it takes several times the bytes
        strip = array[top : top + rows]
        if floats and not np.isfinite(strip).all():
            raise UnreadablePhotoError(which, number=number)
        strip = _bytes(strip)
        whole[top : top + rows] = over_white(strip) if strip.shape[2] == 4 else strip
    return whole


def _bytes(strip: np.ndarray) -> np.ndarray:
    """A strip with the types of `as_rgb` as uint8."""
    if strip.dtype == np.uint16:
        return (strip >> 8).astype(np.uint8)
    if strip.dtype == np.bool_:
        return strip.astype(np.uint8) * 255
    if strip.dtype == np.uint8:
        return strip
    return np.asarray((np.clip(strip, 0, 1) * 255 + 0.5).astype(np.uint8))


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
    return [
        (as_rgb(s, "source", number=n), n) for s, n in zip(sources or [None], numbers, strict=True)
    ]


def read_photo(path: str | Path, which: PhotoRole, *, number: int | None = None) -> Photo:
    """Reads a picture file in this process, turned as its EXIF orientation says.

    For files whose origin is known; `decoding.pool.DecoderPool` reads those of strangers.

    Args:
        path: a JPEG, PNG, WebP, GIF, TIFF, BMP or AVIF file; of several pictures in it, the first
            counts.
        which: the role of the photo: a JPEG "source" of more than 16 megapixels comes at half its
            width and height.
        number: its position among several face photos, for the error.

    Returns:
        (H, W, 3) RGB uint8.

    Raises:
        UnreadablePhotoError: the file is missing, no picture of these, or damaged.
        TooLargePhotoError, TooLongPhotoError: its sides are beyond the limits of
            `decoding.headers`.
        HeicPhotoError: it is HEIC.
    """
    try:
        return reading.pixels(Path(path).read_bytes(), half=which == "source")
    except OSError:
        refused: type[FusionError] = UnreadablePhotoError
    except RefusedPhotoError as error:
        refused = refusing(error.reason)
    raise refused(which, number=number)
