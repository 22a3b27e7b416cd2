"""Reduces photos for the detector, turns them, and cuts large ones into tiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.align import invert
from facefusion.types import Affine, FloatArray, Photo

#: Grey around photos, which holds no face.
GREY: Final = (127, 127, 127)
#: Most pixels along a side of a tile, which hold a reduced photo of 12 megapixels, and what
#: neighbouring tiles have in common: the faces that are too small at half the size are at most half
#: as large.
TILE: Final = 1152
OVERLAP: Final = 96
#: Margin around a photo as a share of its longer side, for faces cut by the frame and tight crops.
PADDING: Final = 0.35
#: Most levels between the darkest and the brightest sample of a blank photo, of which a file of
#: 60 KB may hold 64 megapixels.
BLANK: Final = 4
#: Pixels between those that are looked at first: nearly all photos show more there.
SPARSE: Final = 64


def is_blank(photo: Photo) -> bool:
    """Returns whether a photo (H, W, 3) uint8 has too little contrast to show anything."""
    some = photo[::SPARSE, ::SPARSE]
    return all(int(each.max()) - int(each.min()) <= BLANK for each in (some, photo))


def halved(photo: Photo) -> Photo:
    """Reduces a photo to half its width and height."""
    size = (max(1, photo.shape[1] // 2), max(1, photo.shape[0] // 2))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def reduced(photo: Photo, longest: int, interpolation: int = cv2.INTER_AREA) -> Photo:
    """Reduces a photo to a longer side of at most `longest` pixels.

    Args:
        photo: (H, W, 3) uint8.
        longest: the longer side, in pixels.
        interpolation: of OpenCV. Area averages suit all sizes; linear interpolation is five times
            as quick, and sees every pixel down to half the size.
    """
    height, width = photo.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return photo
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(photo, size, interpolation=interpolation), np.uint8)


def ratio(shape: tuple[int, ...], small: Photo) -> FloatArray:
    """Returns a photo's pixels per pixel of its reduction: (2,) across and down."""
    return np.array([shape[1] / small.shape[1], shape[0] / small.shape[0]], np.float32)


def as_input(small: Photo) -> np.ndarray:
    """Converts to BGR, and pads very narrow photos to an aspect ratio of 16.

    insightface keeps the aspect ratio: at 192, a side of a few pixels would become 0 pixels.
    """
    missing = np.maximum(max(small.shape[:2]) // 16 - np.array(small.shape[:2]), 0)
    padded = np.pad(small, ((0, missing[0]), (0, missing[1]), (0, 0))) if missing.any() else small
    return np.asarray(cv2.cvtColor(padded, cv2.COLOR_RGB2BGR))


def with_margin(photo: Photo, longest: int) -> tuple[Photo, Photo, int]:
    """Puts a grey margin of `PADDING` around a photo.

    Returns:
        The photo reduced, so that it has a longer side of about `longest` pixels with its margin;
        the same with its margin; and the margin in pixels.
    """
    side = max(photo.shape[:2])
    small = reduced(photo, round(longest * side / (side + 2 * round(side * PADDING))))
    margin = round(max(small.shape[:2]) * PADDING)
    margins = (margin, margin, margin, margin)
    framed = cv2.copyMakeBorder(small, *margins, cv2.BORDER_CONSTANT, value=GREY)
    return small, np.asarray(framed, np.uint8), margin


def turned(small: Photo, degrees: int) -> tuple[Photo, Affine]:
    """Turns a photo counterclockwise, all of it on grey, at its own longer side.

    Returns:
        The turned photo, and the (2, 3) transform from it to `small`, in pixels.
    """
    height, width = small.shape[:2]
    matrix = np.asarray(
        cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0), np.float64
    )
    cos, sin = np.abs(matrix[0, :2])
    new_width = max(1, round(width * cos + height * sin))
    new_height = max(1, round(width * sin + height * cos))
    matrix[:, 2] += (new_width - width) / 2, (new_height - height) / 2
    if degrees % 90 == 0:
        image = np.ascontiguousarray(np.rot90(small, degrees // 90))
    else:
        image = np.asarray(
            cv2.warpAffine(small, matrix, (new_width, new_height), borderValue=GREY), np.uint8
        )
    return image, invert(matrix)


def tiles(small: Photo) -> Iterator[tuple[Photo, np.ndarray]]:
    """Cuts a photo into overlapping tiles, padded to sides that are multiples of 32.

    Yields:
        Each tile, (H, W, 3), and the (2,) position of its first pixel, across and down.
    """
    for top, bottom in _spans(small.shape[0]):
        for left, right in _spans(small.shape[1]):
            tile = small[top:bottom, left:right]
            height, width = (-length % 32 for length in tile.shape[:2])
            padded = cv2.copyMakeBorder(tile, 0, height, 0, width, cv2.BORDER_CONSTANT, value=GREY)
            yield np.asarray(padded, np.uint8), np.array([left, top], np.float32)


def _spans(length: int) -> Iterator[tuple[int, int]]:
    """Yields where the tiles along a side begin and end: of one length, spread evenly."""
    count = max(1, -(-(length - OVERLAP) // (TILE - OVERLAP)))
    size = -(-(length + (count - 1) * OVERLAP) // count)
    for start in np.linspace(0, length - size, count):
        yield round(start), round(start) + size
