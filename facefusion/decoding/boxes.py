"""Checks the boxes of HEIC files (ISO/IEC 14496-12 and 23008-12) before they are decoded.

Only what phones and cameras write is let through to the decoder: a primary picture of HEVC, or a
grid of HEVC tiles, each with its size. Overlays, references to other pictures and pictures in other
codings are refused, so that no decoder for them is reached.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from facefusion.decoding.headers import Refusal, RefusedPhotoError, check_size

#: Most boxes of one box, and most items of a file. libheif refuses more than 1,000 items; 64
#: megapixels in tiles of 512 x 512 pixels are 252.
MOST_BOXES: Final = 1000
#: Ends of the names of an auxiliary picture (ISO/IEC 23008-12, 6.6.2.1) that holds transparency.
_ALPHA: Final = (b"auxid:1", b"auxiliary:alpha")
_PICTURE, _GRID = b"hvc1", b"grid"


class _DamagedError(ValueError):
    """The boxes contradict each other, or hold what no camera writes."""


class _Reader:
    """Reads big-endian numbers one after the other."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def bytes(self, count: int) -> bytes:
        """Reads this many bytes."""
        end = self.at + count
        if end > len(self.data):
            raise _DamagedError
        taken, self.at = bytes(self.data[self.at : end]), end
        return taken

    def number(self, size: int) -> int:
        """Reads a number of this many bytes; one of no bytes is 0."""
        return int.from_bytes(self.bytes(size), "big")

    def count(self, size: int) -> int:
        """Reads the length of a list.

        Raises:
            _DamagedError: it has more than `MOST_BOXES`.
        """
        found = self.number(size)
        if found > MOST_BOXES:
            raise _DamagedError
        return found

    def version(self) -> int:
        """Reads the version of a full box, and its flags, which are not needed."""
        return self.number(4) >> 24


@dataclass(frozen=True)
class _Items:
    """The items of a file.

    Attributes:
        kinds: their four-character types.
        properties: of each item, the types and contents of its properties.
        tiles: of each derived item, the items that it is made of.
        auxiliaries: of each item, those that add a channel to it.
    """

    kinds: dict[int, bytes]
    properties: dict[int, list[tuple[bytes, memoryview]]]
    tiles: dict[int, list[int]]
    auxiliaries: dict[int, list[int]]

    def size(self, item: int) -> tuple[int, int]:
        """Returns the width and height of an item, which must say exactly one size."""
        sizes = [content for kind, content in self.properties[item] if kind == b"ispe"]
        if len(sizes) != 1:
            raise _DamagedError
        reader = _Reader(sizes[0])
        reader.version()
        size = reader.number(4), reader.number(4)
        if 0 in size:
            raise _DamagedError
        return size

    def alpha(self, item: int) -> list[int]:
        """Returns the auxiliary items that hold the transparency of an item."""
        return [
            other
            for other in self.auxiliaries[item]
            for kind, content in self.properties[other]
            if kind == b"auxC" and bytes(content[4:]).split(b"\0")[0].endswith(_ALPHA)
        ]


def check_heic(data: bytes) -> None:
    """Refuses an HEIC file by the boxes of its primary picture.

    Raises:
        RefusedPhotoError: the picture, or what is decoded with it, is too large or too long, is no
            HEVC picture or grid of such, or the boxes are damaged.
    """
    try:
        _check(memoryview(data))
    except _DamagedError:
        raise RefusedPhotoError(Refusal.UNREADABLE) from None


def _check(data: memoryview) -> None:
    metas = [content for kind, content in _boxes(data, trailing=True) if kind == b"meta"]
    if len(metas) != 1:
        raise _DamagedError
    boxes = dict(_boxes(metas[0][4:]))
    if not {b"pitm", b"iinf", b"iprp", b"iloc"} <= boxes.keys():
        raise _DamagedError
    tiles, auxiliaries = _references(boxes.get(b"iref"))
    items = _Items(_kinds(boxes[b"iinf"]), _properties(boxes[b"iprp"]), tiles, auxiliaries)
    reader = _Reader(boxes[b"pitm"])
    primary = reader.number(4 if reader.version() else 2)
    for item in (primary, *items.alpha(primary)):
        check_size(*items.size(item))
        if items.kinds.get(item) == _GRID:
            _check_grid(items, item, _content(item, boxes, data))
        else:
            _check_kind(items, item)


def _check_kind(items: _Items, item: int) -> None:
    if items.kinds.get(item) != _PICTURE:
        raise _DamagedError


def _check_grid(items: _Items, grid: int, content: memoryview) -> None:
    """Checks that a grid (ISO/IEC 23008-12, 6.6.2.3) has the tiles that its size needs, no more."""
    reader = _Reader(content)
    wide = reader.number(2) & 1
    rows, columns = 1 + reader.number(1), 1 + reader.number(1)
    size = reader.number(4 if wide else 2), reader.number(4 if wide else 2)
    tiles = items.tiles[grid]
    if size != items.size(grid) or len(tiles) != rows * columns:
        raise _DamagedError
    tile_size = items.size(tiles[0])
    for whole, count, part in zip(size, (columns, rows), tile_size, strict=True):
        if not (count - 1) * part < whole <= count * part:
            raise _DamagedError
    for tile in tiles:
        for item in (tile, *items.alpha(tile)):
            _check_kind(items, item)
            if items.size(item) != tile_size:
                raise _DamagedError


def _boxes(data: memoryview, *, trailing: bool = False) -> Iterator[tuple[bytes, memoryview]]:
    """Yields the types and contents of boxes.

    Args:
        data: the boxes.
        trailing: whether something else may follow them, as some phones append it.
    """
    at = 0
    for _ in range(MOST_BOXES):
        if at == len(data):
            return
        head, end = 8, at + int.from_bytes(data[at : at + 4], "big")
        if end == at + 1:
            head, end = 16, at + int.from_bytes(data[at + 8 : at + 16], "big")
        elif end == at:
            end = len(data)
        if not at + head <= end <= len(data):
            if trailing:
                return
            raise _DamagedError
        yield bytes(data[at + 4 : at + 8]), data[at + head : end]
        at = end
    raise _DamagedError


def _kinds(iinf: memoryview) -> dict[int, bytes]:
    """Reads the types of the items; those of the versions before 2 have none."""
    reader = _Reader(iinf)
    reader.count(4 if reader.version() else 2)
    kinds = {}
    for kind, content in _boxes(iinf[reader.at :]):
        reader = _Reader(content)
        version = reader.version()
        if kind != b"infe" or version < 2:
            raise _DamagedError
        item = reader.number(4 if version > 2 else 2)
        reader.number(2)  # protection
        kinds[item] = reader.bytes(4)
    return kinds


def _properties(iprp: memoryview) -> dict[int, list[tuple[bytes, memoryview]]]:
    shared: list[tuple[bytes, memoryview]] = []
    found: dict[int, list[tuple[bytes, memoryview]]] = defaultdict(list)
    for kind, content in _boxes(iprp):
        if kind == b"ipco":
            shared = list(_boxes(content))
        if kind != b"ipma":
            continue
        reader = _Reader(content)
        head = reader.number(4)
        size, wide = (4 if head >> 24 else 2), head & 1
        for _ in range(reader.count(4)):
            item = reader.number(size)
            for _ in range(reader.number(1)):
                index = reader.number(2) & 0x7FFF if wide else reader.number(1) & 0x7F
                if index > len(shared):
                    raise _DamagedError
                if index:
                    found[item].append(shared[index - 1])
    return found


def _references(iref: memoryview | None) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Reads which items a derived one is made of, and which auxiliaries an item has."""
    tiles: dict[int, list[int]] = defaultdict(list)
    auxiliaries: dict[int, list[int]] = defaultdict(list)
    if iref is None:
        return tiles, auxiliaries
    reader = _Reader(iref)
    size = 4 if reader.version() else 2
    for kind, content in _boxes(iref[4:]):
        reader = _Reader(content)
        item = reader.number(size)
        others = [reader.number(size) for _ in range(reader.count(2))]
        if kind == b"dimg":
            tiles[item] += others
        elif kind == b"auxl":
            for other in others:
                auxiliaries[other].append(item)
    return tiles, auxiliaries


def _content(item: int, boxes: dict[bytes, memoryview], data: memoryview) -> memoryview:
    """Finds the content of an item, which must lie in one piece in the file or in `idat`."""
    reader = _Reader(boxes[b"iloc"])
    version = reader.version()
    offset_size, length_size = divmod(reader.number(1), 16)
    base_size, index_size = divmod(reader.number(1), 16)
    for _ in range(reader.count(4 if version > 1 else 2)):
        found = reader.number(4 if version > 1 else 2)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)  # data reference
        base = reader.number(base_size)
        extents = []
        for _ in range(reader.count(2)):
            reader.number(index_size if version else 0)
            extents.append((base + reader.number(offset_size), reader.number(length_size)))
        if found == item and method < 2 and len(extents) == 1:
            (begin, length), where = extents[0], boxes.get(b"idat", data[:0]) if method else data
            return where[begin : begin + length]
    raise _DamagedError
