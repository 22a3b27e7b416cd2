"""Small files that would take much memory or time to decode, and files of formats that are not
decoded.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import heic

#: Formats of which Pillow can write an example, and the beginnings of others that it can read.
WRITTEN = (
    "EPS",
    "QOI",
    "ICNS",
    "ICO",
    "JPEG2000",
    "PPM",
    "TGA",
    "PCX",
    "DDS",
    "SGI",
    "IM",
    "XBM",
    "PDF",
    "MSP",
    "BLP",
)
HEADS = {
    "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 60, 50, 8, 3) + bytes(60 * 50 * 3),
    "fli": struct.pack("<IHHHHHHI", 144, 0xAF11, 1, 60, 50, 8, 3, 5) + bytes(128),
    "wmf": b"\xd7\xcd\xc6\x9a" + bytes(80),
    "ppm-ascii": b"P3 60 50 255 " + b"12 " * 9000,
}


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(width: int, height: int, *, interlaced: bool = False, before: bytes = b"") -> bytes:
    """A black one, 1 bit a pixel, with other chunks before its pixels."""
    rows = zlib.compress(bytes(((width + 7) // 8 + 1) * height), 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + before
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def png_with_text(kind: bytes, megabytes: int) -> bytes:
    """A small PNG with a chunk of compressed text or profile that unpacks to so much."""
    packed = zlib.compress(bytes(megabytes << 20), 9)
    return png(60, 50, before=chunk(kind, b"a\0\0" + packed))


def webp(width: int, height: int) -> bytes:
    """The header of a lossless WebP, and hardly anything else."""
    bits = struct.pack("<I", (width - 1) | (height - 1) << 14)
    content = b"\x2f" + bits + bytes(5)
    return (
        b"RIFF"
        + struct.pack("<I", 12 + len(content))
        + b"WEBPVP8L"
        + struct.pack("<I", len(content))
        + content
    )


def gif(width: int, height: int) -> bytes:
    """One pixel on a large screen."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00;"


def jpeg(width: int, height: int, *, scans: int = 0) -> bytes:
    """One whose header says another size; progressive, with its last scan so many times, where
    scans are asked for.
    """
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise if scans else 0 * noise).save(file, "JPEG", progressive=bool(scans))
    whole = file.getvalue()
    at = whole.index(b"\xff\xc2" if scans else b"\xff\xc0") + 5
    whole = whole[:at] + struct.pack(">HH", height, width) + whole[at + 4 :]
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * max(1, scans) + whole[-2:]


def tiff(width: int, height: int, compression: int, tile: int = 0) -> bytes:
    """One with next to no data, in one strip or in tiles of a size."""
    where = [(273, 4, 1, 8), (278, 4, 1, height), (279, 4, 1, 16)]
    if tile:
        where = [(322, 4, 1, tile), (323, 4, 1, tile), (324, 4, 1, 8), (325, 4, 1, 16)]
    size = [(256, 4, 1, width), (257, 4, 1, height)]
    kind = [(258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1), (277, 3, 1, 1)]
    every = sorted([*size, *kind, *where])
    folder = (
        struct.pack("<H", len(every))
        + b"".join(struct.pack("<HHII", *tag) for tag in every)
        + bytes(4)
    )
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + folder


def bmp(width: int, height: int) -> bytes:
    """Run-length coded, of one run."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 4, 0, 0, 2, 0)
    return b"BM" + struct.pack("<IHHI", 70, 0, 0, 62) + head + bytes(8) + b"\xff\1\0\1"


def _heics() -> dict[str, tuple[bytes, str]]:
    """HEIC files; each is refused by its boxes, or by libheif where these agree with each other."""
    square, (settings, stream) = heic.ispe(512, 512), heic.tile()
    picture = heic.Item(b"hvc1", [square, settings], stream)
    transparent = [settings, heic.full(b"auxC", heic.ALPHA)]

    def alpha(kind: bytes, size: bytes) -> bytes:
        return heic.file([picture, heic.Item(kind, [size, *transparent], stream, {b"auxl": [1]})])

    def derived(kind: bytes, content: bytes = b"") -> bytes:
        return heic.file([heic.Item(kind, [square], content, {b"dimg": [2]}), picture])

    whole, small = heic.single(512, 512), heic.grid(2, 3, 1500, 1000)
    return {
        "brands.heic": (heic.ftyp(b"heic", b"mif1", b"heic") + bytes(200), "unreadable"),
        "movie.heif": (heic.ftyp(b"msf1", b"hevc") + bytes(200), "unreadable"),
        "cut.heic": (whole[:-200], "unreadable"),
        "half.heic": (small[: len(small) // 2], "unreadable"),
        "huge.heic": (heic.single(30_000, 30_000), "too_large"),
        "wide.heic": (heic.single(20_001, 3000), "too_large"),
        "strip.heic": (heic.single(3000, 100), "too_long"),
        "flat.heic": (heic.single(512, 0), "unreadable"),
        "said-larger.heic": (heic.single(8000, 8000), "unreadable"),
        "said-smaller.heic": (heic.single(64, 64), "unreadable"),
        "grid.heic": (heic.grid(10, 98, 50_000, 5000), "too_large"),
        "few-tiles.heic": (heic.grid(2, 3, 8000, 7000), "unreadable"),
        "many-tiles.heic": (heic.grid(30, 30, 512, 512), "unreadable"),
        "said-grid.heic": (heic.grid(2, 3, 1500, 1000, said=(100, 100)), "unreadable"),
        "loop.heic": (heic.grid(1, 2, 1000, 500, tiles=[1, 1]), "unreadable"),
        "grids.heic": (heic.grid(1, 2, 1000, 500, kind=b"grid"), "unreadable"),
        "missing-tile.heic": (heic.grid(1, 2, 1000, 500, tiles=[2, 9]), "unreadable"),
        "overlay.heic": (derived(b"iovl", bytes(100)), "unreadable"),
        "identity.heic": (derived(b"iden"), "unreadable"),
        "av1.heic": (heic.file([heic.Item(b"av01", [square], stream)]), "unreadable"),
        "two-sizes.heic": (
            heic.file([heic.Item(b"hvc1", [square, heic.ispe(64, 64), settings], stream)]),
            "unreadable",
        ),
        "alpha.heic": (alpha(b"hvc1", heic.ispe(30_000, 30_000)), "too_large"),
        "alpha-coding.heic": (alpha(b"jpeg", square), "unreadable"),
        "primary.heic": (heic.file([picture], primary=7), "unreadable"),
        "boxes.heic": (heic.file([picture], meta_boxes=heic.box(b"free") * 5000), "unreadable"),
        "two-metas.heic": (whole + whole[24:], "unreadable"),
    }


#: Name, content, and the code of the error that it is refused with.
BOMBS: dict[str, tuple[bytes, str]] = {
    "line.png": (png(1, 65535), "too_large"),
    "long.png": (png(100_000, 100), "too_large"),
    "square.png": (png(9000, 9000), "too_large"),
    "interlaced.png": (png(15_000, 15_000, interlaced=True), "too_large"),
    "strip.png": (png(1000, 50), "too_long"),
    "lossless.webp": (webp(16383, 10900), "too_large"),
    "cut.webp": (webp(7000, 7000), "unreadable"),
    "screen.gif": (gif(65535, 65535), "too_large"),
    "grey.jpg": (jpeg(65500, 65500), "too_large"),
    "scans.jpg": (jpeg(2000, 2000, scans=5000), "unreadable"),
    "strip.tiff": (tiff(60_000, 60_000, 5), "too_large"),
    "tile.tiff": (tiff(64, 64, 5, tile=1 << 28), "unreadable"),
    "jpeg2000.tiff": (tiff(4000, 4000, 33003), "unreadable"),
    "raw.tiff": (tiff(8000, 8000, 1), "unreadable"),
    "run.bmp": (bmp(30_000, 30_000), "too_large"),
    **_heics(),
    "cut.avif": (heic.ftyp(b"avif", b"mif1") + bytes(200), "unreadable"),
    **{f"head.{name}": (content, "unreadable") for name, content in HEADS.items()},
}


def write_all(directory: Path) -> dict[str, str]:
    """Writes every bomb, and an example of each format that is not decoded; names and codes of the
    errors.
    """
    for name, (content, _) in BOMBS.items():
        (directory / name).write_bytes(content)
    codes = {name: code for name, (_, code) in BOMBS.items()}
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    )
    for kind in WRITTEN:
        name = f"small.{kind.lower()}"
        mode = {"XBM": "1", "MSP": "1", "BLP": "P"}.get(kind, "RGB")
        picture.convert(mode).save(directory / name, kind)
        codes[name] = "unreadable"
    return codes
