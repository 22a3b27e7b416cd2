"""Reads what belongs to a photo beside its pixels: profile, resolution, dates, author, quality.

Only what is named here is taken: places, serial numbers, thumbnails and everything unknown is not.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from html import unescape
from typing import Any, Final, Self

from PIL import Image

#: EXIF tags (CIPA DC-008) of the author, of the copyright, and of the date of taking.
AUTHOR, RIGHTS, TAKEN = 0x013B, 0x8298, 0x9003
#: EXIF tags that are kept: date of change, author, copyright.
MAIN_TAGS: Final = (0x0132, AUTHOR, RIGHTS)
#: Those of its sub-directory: dates of taking and digitising, their time zones and fractions.
PHOTO_TAGS: Final = (TAKEN, 0x9004, 0x9010, 0x9011, 0x9012, 0x9290, 0x9291, 0x9292)
PHOTO_DIRECTORY: Final = 0x8769
#: Longest text that is kept, in characters.
MOST_TEXT: Final = 1000
#: Most bytes of a profile that is read: those of cameras and screens have up to 20 kB, of presses 3 MB.
MOST_PROFILE: Final = 1 << 22
#: Where other metadata hold the same: tag, element in XMP, and keyword in a PNG.
_ELSEWHERE: Final = (
    (AUTHOR, "dc:creator", "Author"),
    (RIGHTS, "dc:rights", "Copyright"),
    (TAKEN, "photoshop:DateCreated", "Creation Time"),
)
_DAY: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?)?")


@dataclass(frozen=True)
class Belongings:
    """What belongs to a photo beside its pixels.

    Attributes:
        kind: Pillow's name of the file's format, such as "JPEG".
        profile: ICC profile of the pixels that results have, or empty.
        dpi: horizontal and vertical pixels per inch, or None.
        texts: EXIF tags of `MAIN_TAGS` and `PHOTO_TAGS`, their bytes as Latin-1.
        tables: quantisation tables of a JPEG, 64 numbers each, row by row.
        stored: whether the stored pixels are other ones than sRGB: they have a profile or
            transparency, and results take them where nothing has changed.
        notes: ends of the keys of sentences about what the person should know.
    """

    kind: str = ""
    profile: bytes = b""
    dpi: tuple[float, float] | None = None
    texts: Mapping[int, str] = field(default_factory=dict)
    tables: tuple[tuple[int, ...], ...] = ()
    stored: bool = False
    notes: tuple[str, ...] = ()

    def with_notes(self, *notes: str) -> Belongings:
        """Returns the same with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def pack(self) -> bytes:
        """Encodes it as JSON."""
        plain = asdict(self) | {"profile": base64.b64encode(self.profile).decode()}
        return json.dumps(plain).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Decodes what `pack` encoded."""
        plain = json.loads(data)
        return cls(
            plain["kind"],
            base64.b64decode(plain["profile"]),
            plain["dpi"] and (plain["dpi"][0], plain["dpi"][1]),
            {int(tag): text for tag, text in plain["texts"].items()},
            tuple(map(tuple, plain["tables"])),
            plain["stored"],
            tuple(plain["notes"]),
        )


def read(image: Image.Image) -> Belongings:
    """Reads the belongings of an opened file; what is damaged is left out."""
    notes = {"first_frame": _moves(image), "eight_bits": _is_deep(image)}
    profile = image.info.get("icc_profile") or b""
    return Belongings(
        kind=str(image.format),
        profile=profile if isinstance(profile, bytes) and len(profile) <= MOST_PROFILE else b"",
        dpi=_dpi(image),
        texts=_texts(image),
        tables=_tables(image),
        notes=tuple(note for note, applies in notes.items() if applies),
    )


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in image.info["dpi"])
    except Exception:  # missing, or of any type
        return None
    return (x, y) if all(math.isfinite(v) and 1 < v <= 65535 for v in (x, y)) else None


def _tables(image: Image.Image) -> tuple[tuple[int, ...], ...]:
    tables = getattr(image, "quantization", None) or {}
    return tuple(tuple(tables[name]) for name in sorted(tables))


def _is_deep(image: Image.Image) -> bool:
    """Returns whether an opened file has 16 bits a colour, which Pillow reduces to 8 for RGB."""
    return ";16" in f"{image.mode} {getattr(image, 'tile', '')}"


def _moves(image: Image.Image) -> bool:
    """Returns whether a file has more pictures than the first, but for a phone's MPO and HEIC."""
    if image.format in ("MPO", "HEIF"):
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # a damaged second picture
        return True


def _texts(image: Image.Image) -> dict[int, str]:
    found: dict[int, str] = {}
    try:
        exif = image.getexif()
        directories = (exif, MAIN_TAGS), (exif.get_ifd(PHOTO_DIRECTORY), PHOTO_TAGS)
        for directory, tags in directories:
            for tag in tags:
                _add(found, tag, directory.get(tag))
    except Exception:  # Pillow raises nearly all kinds on damaged EXIF
        found = {}
    xmp = _xmp(image)
    for tag, element, keyword in _ELSEWHERE:
        text = _element(xmp, element) or image.info.get(keyword)
        if tag == TAKEN and isinstance(text, str):
            text = _exif_date(text)
        if tag not in found and isinstance(text, str):
            _add(found, tag, text.encode("utf-8", "ignore").decode("latin-1"))
    return found


def _add(found: dict[int, str], tag: int, text: Any) -> None:
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if isinstance(text, str) and (text := text.split("\0")[0].strip()[:MOST_TEXT]):
        found[tag] = text


def _xmp(image: Image.Image) -> str:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return packet.decode("utf-8", "ignore") if isinstance(packet, bytes) else str(packet)


def _element(xmp: str, name: str) -> str | None:
    """Finds the text of a property in XMP: an attribute, an element, or the first of a list."""
    attribute = re.search(rf'\b{name}="([^"<]*)"', xmp)
    if attribute:
        return unescape(attribute[1])
    element = re.search(rf"<{name}(?:\s[^>]*)?>(.{{0,4000}}?)</{name}>", xmp, re.DOTALL)
    items = re.findall(r">([^<>]*)<", f">{element[1]}<") if element else []
    return next((unescape(item.strip()) for item in items if item.strip()), None)


def _exif_date(text: str) -> str | None:
    """Converts a date of ISO 8601 to EXIF's form."""
    match = _DAY.match(text)
    if match is None:
        return None
    year, month, day, *clock = match.groups(default="00")
    return f"{year}:{month}:{day} {':'.join(clock)}"
