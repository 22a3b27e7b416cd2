"""Only formats that people have reach a decoder."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest
import skimage.data
from PIL import Image, features

from benchmarks import heic
from benchmarks.hostile import encoded, png
from benchmarks.visitors import Visitor

Told = Callable[..., str]

PHOTO: Final = skimage.data.astronaut()[:320, 60:380]
GREY: Final = PHOTO[..., 1].copy()


def _saved(photo: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, kind)
    return buffer.getvalue()


def _psd() -> bytes:
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 320, 320, 8, 3)
    return head + bytes(12) + struct.pack(">H", 0) + np.moveaxis(PHOTO, -1, 0).tobytes()


def _fli() -> bytes:
    head = struct.pack("<IHHHHHH", 0, 0xAF11, 1, 320, 320, 8, 3).ljust(128, b"\0")
    return head + struct.pack("<IHH8x", 16, 0xF1FA, 0)


#: Formats that Pillow reads and people have not: photos with a face, which would be accepted where
#: they are decoded.
FOREIGN: Final[dict[str, Callable[[], bytes]]] = {
    **{
        kind: lambda kind=kind: encoded(PHOTO, kind)
        for kind in (
            "DDS",
            "DIB",
            "EPS",
            "ICNS",
            "ICO",
            "IM",
            "JPEG2000",
            "PCX",
            "PPM",
            "SGI",
            "TGA",
        )
    },
    "PPM in text": lambda: (
        b"P3 320 320 255\n" + b" ".join(b"%d" % value for value in PHOTO.ravel())
    ),
    "PGM in text": lambda: b"P2 320 320 255\n" + b" ".join(b"%d" % value for value in GREY.ravel()),
    "BLP": lambda: _saved(Image.fromarray(PHOTO).quantize(256), "BLP"),
    "MSP": lambda: _saved(Image.fromarray(PHOTO).convert("1"), "MSP"),
    "XBM": lambda: _saved(Image.fromarray(PHOTO).convert("1"), "XBM"),
    "SPIDER": lambda: _saved(Image.fromarray(GREY.astype(np.float32)), "SPIDER"),
    "PSD": _psd,
    "QOI": lambda: b"qoif" + struct.pack(">IIBB", 320, 320, 3, 0),
    "FLI": _fli,
    "FITS": lambda: b"SIMPLE  =                    T".ljust(80) + b"END".ljust(2800),
    "EPS without an end": lambda: (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\n{} loop\n%%EOF\n"
    ),
    "PDF": lambda: encoded(PHOTO, "PDF"),
    "SVG": lambda: (
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    ),
    "XPM": lambda: b'/* XPM */\nstatic char *a[] = {"2 1 1 1", "a c #000000", "aa"};',
    "WMF": lambda: b"\xd7\xcd\xc6\x9a" + bytes(40),
    "HTML": lambda: b"<html><script>alert(1)</script></html>",
    "text": lambda: b"Dear diary, ...",
    "nothing but a signature": lambda: b"\x89PNG\r\n\x1a\n",
    "half a PNG": lambda: png(320, 320)[:60],
    "zeros": lambda: bytes(1000),
}
KNOWN: Final[dict[str, dict[str, Any]]] = {
    "JPEG": {},
    "MPO": {},
    "PNG": {},
    "WEBP": {},
    "GIF": {},
    "TIFF": {},
    "BMP": {},
    **({"AVIF": {}} if features.check("avif") else {}),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_other_formats_are_no_photos(visitor: Visitor, told: Told, kind: str) -> None:
    expected = told(visitor.call("detect", [visitor.upload(b"Dear diary, ...", name="a.jpg")]))
    answer = visitor.call("detect", [visitor.upload(FOREIGN[kind](), name="a.jpg")])
    assert told(answer) == expected


@pytest.mark.parametrize("kind", [*KNOWN, "HEIC"])
def test_photos_as_people_have_them(visitor: Visitor, kind: str) -> None:
    photo = heic.encoded(PHOTO) if kind == "HEIC" else encoded(PHOTO, kind)
    answer = visitor.call("detect", [visitor.upload(photo, name="a.xyz")])
    assert answer.has_result and len(answer.data[0]["faces"]) == 1
