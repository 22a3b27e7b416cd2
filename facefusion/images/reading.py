"""Converts picture files and arrays of other types to RGB uint8."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from facefusion.decoding import reading
from facefusion.decoding.decoded import over_white
from facefusion.decoding.headers import RefusedPhotoError
from facefusion.errors import (
    EmptyPhotoError,
    FusionError,
    PhotoRole,
    UnreadablePhotoError,
    refusing,
)
from facefusion.types import Photo

#: Largest number of source photos of one person in a call.
MAX_SOURCES: Final = 3
#: Pixels of a strip, which are converted at once: the intermediate arrays take several times the
#: bytes.
STRIP_PIXELS: Final = 1 << 18


def as_rgb(image: Any, role: PhotoRole, *, number: int | None = None) -> Photo:
    """Converts an array to RGB uint8.

    Args:
        image: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) array; uint8 in [0, 255], uint16 or bool,
            or float in [0, 1]. Transparent pixels are blended over white.
        role: role of the photo, for the error message.
        number: position among several source photos, for the error message.

    Returns:
        (H, W, 3) uint8, contiguous. An array of this form is returned without a copy.

    Raises:
        EmptyPhotoError: the array is missing or has no pixels.
        UnreadablePhotoError: the array is not an image.
    """
    if image is None:
        raise EmptyPhotoError(role, number=number)
    array = np.asarray(image)
    if array.size == 0:
        raise EmptyPhotoError(role, number=number)
    if array.ndim == 2:
        array = array[..., None]
    is_float = np.issubdtype(array.dtype, np.floating)
    supported = is_float or array.dtype in (np.uint8, np.uint16, np.bool_)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or not supported:
        raise UnreadablePhotoError(role, number=number)
    if array.dtype == np.uint8 and array.shape[2] == 3:
        return np.ascontiguousarray(array)
    height, width = array.shape[:2]
    rgb = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = array[top : top + rows]
        if is_float and not np.isfinite(strip).all():
            raise UnreadablePhotoError(role, number=number)
        strip = _bytes(strip)
        rgb[top : top + rows] = over_white(strip) if strip.shape[2] == 4 else strip
    return rgb


def _bytes(strip: np.ndarray) -> np.ndarray:
    """Converts a strip of any type that `as_rgb` accepts to uint8."""
    if strip.dtype == np.uint16:
        return (strip >> 8).astype(np.uint8)
    if strip.dtype == np.bool_:
        return strip.astype(np.uint8) * 255
    if strip.dtype == np.uint8:
        return strip
    return np.asarray((np.clip(strip, 0, 1) * 255 + 0.5).astype(np.uint8))


def numbered(source: Any) -> list[tuple[Photo, int | None]]:
    """Returns the photos of a source, each with its position if there are several.

    Raises:
        ValueError: more than `MAX_SOURCES` photos.
        FusionError: a photo is no picture.
    """
    sources = list(source) if isinstance(source, (list, tuple)) else [source]
    if len(sources) > MAX_SOURCES:
        raise ValueError(f"at most {MAX_SOURCES} face photos, not {len(sources)}")
    numbers = [i + 1 for i in range(len(sources))] if len(sources) > 1 else [None]
    return [
        (as_rgb(photo, "source", number=number), number)
        for photo, number in zip(sources or [None], numbers, strict=True)
    ]


def read_photo(path: str | Path, role: PhotoRole, *, number: int | None = None) -> Photo:
    """Reads a picture file in this process, turned as its EXIF orientation says.

    For trusted files; `decoding.pool.DecoderPool` reads untrusted ones.

    Args:
        path: a JPEG, HEIC, PNG, WebP, GIF, TIFF, BMP or AVIF file, of which the first picture is
            read (HEIC: the primary one).
        role: role of the photo: a JPEG "source" of more than 16 megapixels is read at half its
            width and height.
        number: position among several source photos, for the error message.

    Returns:
        (H, W, 3) RGB uint8.

    Raises:
        UnreadablePhotoError: the file is missing, damaged, or of another format.
        TooLargePhotoError, TooLongPhotoError: its sides exceed the limits of `decoding.headers`.
    """
    try:
        return reading.pixels(Path(path).read_bytes(), half=role == "source")
    except OSError:
        refused: type[FusionError] = UnreadablePhotoError
    except RefusedPhotoError as error:
        refused = refusing(error.reason)
    raise refused(role, number=number)
