"""HEIC files: encoded from pixels, and put together from boxes, also in ways that no camera does."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"


def encoded(pixels: np.ndarray, **options: Any) -> bytes:
    """Encodes (H, W), (H, W, 3) or (H, W, 4) uint8 or uint16; uint16 becomes 10 bits a sample."""
    mode = {2: "L", 3: "RGB", 4: "RGBA"}[pixels.shape[2] if pixels.ndim == 3 else 2]
    mode += ";16" if pixels.dtype == np.uint16 else ""
    file = io.BytesIO()
    size = pixels.shape[1::-1]
    pillow_heif.encode(mode, size, pixels.tobytes(), file, **{"quality": 95, **options})
    return file.getvalue()


def turned(pixels: np.ndarray, orientation: int) -> bytes:
    """A file whose pixels are turned by its boxes, `irot` and `imir`, as its EXIF says too."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(pixels, exif=exif.tobytes(), quality=-1, chroma=444)


def box(kind: bytes, *content: bytes) -> bytes:
    whole = b"".join(content)
    return struct.pack(">I", 8 + len(whole)) + kind + whole


def full(kind: bytes, *content: bytes, version: int = 0) -> bytes:
    """A box with a version."""
    return box(kind, bytes([version, 0, 0, 0]), *content)


def ispe(width: int, height: int) -> bytes:
    return full(b"ispe", struct.pack(">II", width, height))


def ftyp(brand: bytes, *compatible: bytes) -> bytes:
    return box(b"ftyp", brand, bytes(4), *compatible)


@cache
def tile(side: int = 512) -> tuple[bytes, bytes]:
    """The `hvcC` box and the stream of one grey square."""
    whole = encoded(np.full((side, side, 3), 90, np.uint8))
    at = whole.index(b"hvcC") - 4
    settings = whole[at : at + int.from_bytes(whole[at : at + 4], "big")]
    return settings, whole[whole.index(b"mdat") + 4 :]


@dataclass
class Item:
    """An item: its type, its properties, its content, and where it refers to."""

    kind: bytes
    properties: list[bytes]
    content: bytes = b""
    references: dict[bytes, list[int]] = field(default_factory=dict)


def grid_content(rows: int, columns: int, width: int, height: int) -> bytes:
    return struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)


def file(items: list[Item], *, primary: int = 1, meta_boxes: bytes = b"") -> bytes:
    """A file of items, numbered from 1; equal contents are stored once."""
    properties = list(dict.fromkeys(each for item in items for each in item.properties))
    head = ftyp(b"heic", b"mif1", b"heic")

    def meta(begin: int) -> tuple[bytes, bytes]:
        contents, places = b"", {}
        for item in items:
            if item.content not in places:
                places[item.content] = begin + len(contents)
                contents += item.content
        infos = [
            full(b"infe", struct.pack(">HH", i, 0), item.kind, b"\0", version=2)
            for i, item in enumerate(items, 1)
        ]
        owned = b"".join(
            struct.pack(">HB", i, len(item.properties))
            + bytes(1 + properties.index(each) for each in item.properties)
            for i, item in enumerate(items, 1)
        )
        located = b"".join(
            struct.pack(">HHHII", i, 0, 1, places[item.content], len(item.content))
            for i, item in enumerate(items, 1)
        )
        references = [
            box(kind, struct.pack(f">HH{len(to)}H", i, len(to), *to))
            for i, item in enumerate(items, 1)
            for kind, to in item.references.items()
        ]
        count = struct.pack(">H", len(items))
        ipma = full(b"ipma", struct.pack(">I", len(items)), owned)
        return contents, full(
            b"meta",
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            full(b"pitm", struct.pack(">H", primary)),
            full(b"iinf", count, *infos),
            box(b"iprp", box(b"ipco", *properties), ipma),
            full(b"iref", *references) if references else b"",
            full(b"iloc", b"\x44\0", count, located),
            meta_boxes,
        )

    _, without = meta(0)
    contents, boxes = meta(len(head) + len(without) + 8)
    return head + boxes + box(b"mdat", contents)


def grid(
    rows: int,
    columns: int,
    width: int,
    height: int,
    *,
    side: int = 512,
    said: tuple[int, int] | None = None,
    tiles: list[int] | None = None,
    kind: bytes = b"hvc1",
    more: tuple[Item, ...] = (),
) -> bytes:
    """A grid of one grey tile, again and again.

    Args:
        rows, columns, width, height: as the grid says.
        side: of a tile in pixels.
        said: width and height in the grid's `ispe`, where it says something else.
        tiles: the items that it is made of, by default the tiles, which begin with 2.
        kind: the type of the tiles.
        more: items behind the tiles.
    """
    settings, stream = tile(side)
    count = rows * columns
    whole = Item(
        b"grid",
        [ispe(*(said or (width, height)))],
        grid_content(rows, columns, width, height),
        {b"dimg": tiles or list(range(2, 2 + count))},
    )
    return file([whole, *[Item(kind, [ispe(side, side), settings], stream)] * count, *more])


def single(width: int, height: int, *, side: int = 512, **other: Any) -> bytes:
    """One tile whose `ispe` says another size."""
    settings, stream = tile(side)
    return file([Item(b"hvc1", [ispe(width, height), settings], stream)], **other)
