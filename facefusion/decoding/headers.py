"""Refuses photo files before they are decoded, by format, size and number of scans."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

#: Most pixels of a photo; the largest sensors, sold as 64 megapixels, give 9280 x 6944.
MOST_PIXELS: Final = 65_000_000
#: Longest side in pixels; panoramas of phones stay below it.
MOST_SIDE: Final = 20_000
#: Largest ratio of the long side to the short side; panoramas of phones stay below it.
MOST_RATIO: Final = 16
#: Most scans of a JPEG. Encoders write up to about 20; each costs the decoder one pass over the
#: whole photo.
MOST_SCANS: Final = 64

#: First bytes of a file in which its brands are looked for.
BRAND_BYTES: Final = 256
#: Brands of HEVC pictures in ISO base media files (ISO/IEC 23008-12).
_HEIC: Final = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
#: Brands of AVIF pictures in ISO base media files.
_AVIF: Final = frozenset((b"avif", b"avis"))
#: Brands of pictures of any codec in ISO base media files.
_GENERIC: Final = frozenset((b"mif1", b"mif2", b"msf1"))
#: A JPEG marker (ITU-T T.81, B.1.1): 0xFF, then no stuffed zero, fill byte or restart marker.
_MARKER: Final = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_SCAN, _END, _START, _TEMPORARY = 0xDA, 0xD9, 0xD8, 0x01


class Refusal(StrEnum):
    """Reason why a file is not decoded; the value is the error code of the message to the user."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"


class RefusedPhotoError(Exception):
    """A file is refused before or while it is decoded."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


def check_size(width: int, height: int) -> None:
    """Refuses a photo that is too large or too long.

    Raises:
        RefusedPhotoError: it has more than `MOST_PIXELS`, a longer side than `MOST_SIDE`, or a side
            that is more than `MOST_RATIO` times the other.
    """
    if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
        raise RefusedPhotoError(Refusal.TOO_LARGE)
    if max(width, height) > MOST_RATIO * min(width, height):
        raise RefusedPhotoError(Refusal.TOO_LONG)


def check_file(data: bytes) -> None:
    """Refuses files that Pillow accepts, or refuses only after allocating memory for them.

    Raises:
        RefusedPhotoError: the file is a WebP of more than `MOST_PIXELS`, or a JPEG of more than
            `MOST_SCANS`.
    """
    if (webp := _webp_size(data)) is not None:  # Pillow allocates twice its pixels on opening
        check_size(*webp)
    if data.startswith(b"\xff\xd8") and _scans(data) > MOST_SCANS:
        raise RefusedPhotoError(Refusal.UNREADABLE)


def is_heic(data: bytes) -> bool:
    """Returns whether a file has a brand of HEVC pictures and none of AVIF.

    Args:
        data: its first `BRAND_BYTES`, or more.
    """
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), len(data), BRAND_BYTES)
    brands = {data[8:12], *(data[i : i + 4] for i in range(16, end - 3, 4))}
    return data[8:12] in _HEIC or (data[8:12] in _GENERIC and not brands & _AVIF)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Reads the size of a WebP (RFC 9649); None for other files or an unknown first chunk."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(
            data[28:30], "little"
        ) & 0x3FFF
    return None


def _scans(data: bytes) -> int:
    """Counts the scans of a JPEG file's first picture, up to one more than `MOST_SCANS`."""
    scans, position = 0, 2
    while scans <= MOST_SCANS and (match := _MARKER.search(data, position)):
        marker, position = data[match.start() + 1], match.end()
        if marker == _END:
            break
        if marker in (_START, _TEMPORARY):  # markers without a length
            continue
        scans += marker == _SCAN
        position += max(2, int.from_bytes(data[position : position + 2], "big"))
    return scans
