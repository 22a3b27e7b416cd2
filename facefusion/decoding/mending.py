"""Makes photo files readable whose headers are damaged, or whose last bytes are missing."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

#: First bytes of EXIF in a JPEG.
EXIF: Final = b"Exif\0\0"
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_SCAN, _COMMENT = 0xDA, 0xFE
#: Segments of a JPEG that the pixels need although they are for applications: JFIF, and Adobe's,
#: which names the colour transform.
_NEEDED: Final = (0xE0, 0xEE)
_PNG: Final = b"\x89PNG\r\n\x1a\n"
#: Chunks of a PNG and of a WebP that the pixels need.
_PNG_CHUNKS: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_WEBP_CHUNKS: Final = (b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L")
#: Flags of a WebP for its profile, EXIF and XMP (RFC 9649, 2.7.1).
_WEBP_FLAGS: Final = 0x20 | 0x08 | 0x04
_ORIENTATION: Final = 0x0112
_SHORT: Final = 3


def mended(data: bytes) -> bytes | None:
    """Returns a file without headers that the pixels do not need, and a JPEG with an end.

    A JPEG of which the end is missing has grey pixels there, as in a browser.

    Returns:
        None for files of which nothing can be left out.
    """
    if data.startswith(_SOI):
        return _SOI + b"".join(_jpeg_parts(data)) + _EOI
    if data.startswith(_PNG):
        return _PNG + b"".join(_png_chunks(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        chunks = b"WEBP" + b"".join(_webp_chunks(data))
        return b"RIFF" + struct.pack("<I", len(chunks)) + chunks
    return None


def orientation_in(exif: bytes) -> int | None:
    """Reads the orientation from EXIF of which other entries may be damaged; None without it.

    Args:
        exif: TIFF data, with or without `EXIF` before it.
    """
    exif = exif.removeprefix(EXIF)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return None
    (at,) = struct.unpack_from(f"{order}I", exif, 4)
    if at + 2 > len(exif):
        return None
    (count,) = struct.unpack_from(f"{order}H", exif, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
        if tag == _ORIENTATION and kind == _SHORT:
            return int(value) if 1 <= value <= 8 else 1
    return None


def exif_in(data: bytes) -> bytes:
    """Finds EXIF at the beginning of a JPEG whose headers are damaged; empty without it."""
    at = data.find(EXIF, 0, 1 << 18)
    return data[at : at + (1 << 16)] if data.startswith(_SOI) and at >= 0 else b""


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    """Yields the segments that the pixels need, and the scans as far as they go."""
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0, 0xFF, 0x01, 0xD8) or 0xD0 <= marker <= 0xD7:
            at += 1
            continue
        if marker == _EOI[1]:
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data):
            return
        if marker == _SCAN:
            end = _scan_end(data, end)
        if marker in _NEEDED or not (0xE0 <= marker <= 0xEF or marker == _COMMENT):
            yield data[at:end]
        at = end


def _scan_end(data: bytes, at: int) -> int:
    """Returns where the compressed pixels of a scan end: at the next marker, or with the file."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] not in (0, 0xFF) and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 1
    return len(data)


def _png_chunks(data: bytes) -> Iterator[bytes]:
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if kind in _PNG_CHUNKS:
            yield data[at:end]
        at = end


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    at = 12
    while at + 8 <= len(data):
        kind = data[at : at + 4]
        end = at + 8 + struct.unpack_from("<I", data, at + 4)[0]
        content = data[at + 8 : end]
        if kind == b"VP8X" and content:
            content = bytes((content[0] & ~_WEBP_FLAGS,)) + content[1:]
        if kind in _WEBP_CHUNKS:
            yield data[at : at + 8] + content + b"\0" * (len(content) % 2)
        at = end + (end - at) % 2
