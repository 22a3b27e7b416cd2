"""Files that are hard to decode: small ones that need much memory or time, and broken ones."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
import skimage.data
from PIL import Image

from benchmarks import heic

#: Width and height in pixels just below Pillow's own limit.
BELOW_PILLOWS_LIMIT: Final = (16383, 10900)
#: Side in pixels of a square photo just below the server's 64 megapixels.
LARGE: Final = 7990
#: Bytes that the PNG writer compresses at once.
BLOCK: Final = 1 << 22


def encoded(photo: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    """Writes an image, or an (H, W[, C]) array, in a format of Pillow's."""
    buffer = io.BytesIO()
    image = photo if isinstance(photo, Image.Image) else Image.fromarray(photo)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def face(side: int = 512, kind: str = "JPEG") -> bytes:
    """Returns a photo with one face, side x side pixels.

    The photo is NASA's portrait of Eileen Collins, in the public domain.
    """
    return encoded(np.asarray(Image.fromarray(skimage.data.astronaut()).resize((side, side))), kind)


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, extra: bytes = b"") -> bytes:
    """Writes a black PNG of any size, without holding its pixels.

    Args:
        width, height: pixels.
        depth: bits of a sample.
        colour: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA.
        extra: chunks between the header and the pixels.
    """
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    left = height * (1 + -(-width * samples * depth // 8))
    packer, packed = zlib.compressobj(9), []
    while left:
        packed.append(packer.compress(bytes(min(left, BLOCK))))
        left -= min(left, BLOCK)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(6)) + chunk(b"tRNS", b"\x00\xff") if colour == 3 else b""
    pixels = chunk(b"IDAT", b"".join(packed) + packer.flush())
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + palette
        + extra
        + pixels
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, data: bytes) -> bytes:
    """Returns a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _small(kind: str, **options: Any) -> bytearray:
    return bytearray(encoded(np.zeros((16, 16, 3), np.uint8), kind, **options))


def jpeg(width: int, height: int, *, progressive: bool) -> bytes:
    """Returns a JPEG of a few hundred bytes with a large size in its header.

    Decoders make the missing pixels grey.
    """
    data = _small("JPEG", progressive=progressive)
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_of_scans(side: int, scans: int) -> bytes:
    """Returns a grey progressive JPEG whose scans of 100 bytes pass all blocks without a change."""
    blocks = (-(-side // 8)) ** 2
    runs = "".join(
        "0" + "1" * 14 for _ in range(-(-blocks // 32767))
    )  # EOB14: the next 32,767 blocks are empty
    runs += "1" * (-len(runs) % 8)
    body = bytes(int(runs[i : i + 8], 2) for i in range(0, len(runs), 8)).replace(
        b"\xff", b"\xff\x00"
    )
    scan = _segment(0xDA, b"\x01\x01\x00\x01\x3f\x00") + body
    table = bytes([0x10, 1, *[0] * 15, 0xE0])  # one AC code of one bit
    return (
        b"\xff\xd8"
        + _segment(0xDB, bytes([0, *[1] * 64]))
        + _segment(0xC2, struct.pack(">BHHBBBB", 8, side, side, 1, 1, 0x11, 0))
        + _segment(0xC4, table)
        + scan * scans
        + b"\xff\xd9"
    )


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def webp(width: int, height: int) -> bytes:
    """Returns a lossless WebP of one colour with a large size in its header.

    A pixel of one colour takes no bits, so that nothing is missing.
    """
    data = _small("WEBP", lossless=True)
    at = data.index(b"VP8L") + 9
    bits = int.from_bytes(data[at : at + 4], "little") >> 28 << 28
    data[at : at + 4] = (bits | (height - 1) << 14 | (width - 1)).to_bytes(4, "little")
    return bytes(data)


def gif(width: int, height: int) -> bytes:
    """Returns a GIF of one pixel on a large screen."""
    data = bytearray(encoded(np.zeros((1, 1), np.uint8), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def tiff(width: int, height: int) -> bytes:
    """Returns a TIFF of 16 x 16 pixels with a large size in its header."""
    data = _small("TIFF", compression="tiff_lzw")
    begin = struct.unpack_from("<I", data, 4)[0]
    for i in range(struct.unpack_from("<H", data, begin)[0]):
        at = begin + 2 + 12 * i
        value = {256: width, 257: height, 278: height}.get(struct.unpack_from("<H", data, at)[0])
        if value is not None:
            data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, value)
    return bytes(data)


def tiff_loop() -> bytes:
    """Returns a TIFF whose directory names itself as the next one."""
    data = bytearray(encoded(np.zeros((16, 16), np.uint8), "TIFF"))
    begin = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, begin)[0]
    struct.pack_into("<I", data, begin + 2 + 12 * entries, begin)
    return bytes(data)


def bmp(width: int, height: int, *, runs: int = 0) -> bytes:
    """Returns a BMP with run-length coding.

    Args:
        width, height: size in pixels in the header.
        runs: number of runs of one pixel, of two bytes each, in the file.
    """
    body = b"\x01\x00" * runs + b"\x00\x01"
    offset = 14 + 40 + 1024
    header = b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
    return header + info + bytes(1024) + body


def _inflating(name: bytes, head: bytes) -> bytes:
    """Returns a chunk of text or colours that is 1,000 times as large when it is unpacked."""
    return chunk(name, head + zlib.compress(bytes(50_000_000), 9))


#: Functions that make the files, by name. None shows a face; each is answered with a sentence.
BOMBS: Final[dict[str, Callable[[], bytes]]] = {
    "png 1x65535": lambda: png(1, 65535),
    "png 65535x1": lambda: png(65535, 1),
    "png 100000x100": lambda: png(100_000, 100),
    "png 20000x100": lambda: png(20_000, 100),
    "png 178 MP": lambda: png(*BELOW_PILLOWS_LIMIT, depth=1),
    "png 2 GP": lambda: png(46_000, 46_000, depth=1),
    "png 64 MP grey": lambda: png(LARGE, LARGE),
    "png 64 MP RGBA": lambda: png(LARGE, LARGE, colour=6),
    "png 64 MP RGBA of 16 bits": lambda: png(LARGE, LARGE, depth=16, colour=6),
    "png 64 MP grey of 16 bits": lambda: png(LARGE, LARGE, depth=16),
    "png 64 MP grey and alpha": lambda: png(LARGE, LARGE, colour=4),
    "png 64 MP palette with alpha": lambda: png(LARGE, LARGE, depth=1, colour=3),
    "png of texts": lambda: png(16, 16, extra=_inflating(b"zTXt", b"a\x00\x00") * 8),
    "png of a profile": lambda: png(16, 16, extra=_inflating(b"iCCP", b"a\x00\x00")),
    "jpeg 178 MP": lambda: jpeg(*BELOW_PILLOWS_LIMIT, progressive=False),
    "jpeg 178 MP progressive": lambda: jpeg(*BELOW_PILLOWS_LIMIT, progressive=True),
    "jpeg 64 MP progressive": lambda: jpeg(LARGE, LARGE, progressive=True),
    "jpeg 65500x65500": lambda: jpeg(65500, 65500, progressive=True),
    "jpeg of 20,000 scans": lambda: jpeg_of_scans(LARGE, 20_000),
    "webp 178 MP": lambda: webp(*BELOW_PILLOWS_LIMIT),
    "webp 64 MP": lambda: webp(LARGE, LARGE),
    "gif 178 MP": lambda: gif(*BELOW_PILLOWS_LIMIT),
    "gif 64 MP": lambda: gif(LARGE, LARGE),
    "gif 65535x65535": lambda: gif(65535, 65535),
    "tiff 178 MP": lambda: tiff(*BELOW_PILLOWS_LIMIT),
    "tiff 2 Gpx wide": lambda: tiff(2_000_000_000, 1),
    "tiff of a loop": tiff_loop,
    "heic 178 MP": lambda: heic.single(*BELOW_PILLOWS_LIMIT),
    "heic 61 MP": lambda: heic.grid(13, 18, 9200, 6650),
    "heic of a loop": lambda: heic.grid(1, 2, 1000, 500, tiles=[1, 1]),
    "bmp 178 MP": lambda: bmp(*BELOW_PILLOWS_LIMIT),
    "bmp of 12,000,000 runs": lambda: bmp(4000, 3000, runs=12_000_000),
}
