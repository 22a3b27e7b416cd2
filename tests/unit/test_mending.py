"""Damaged headers and missing ends: they decide about no photo."""

from __future__ import annotations

import io
import random
import struct
import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from facefusion.decoding import reading
from facefusion.decoding.mending import mended, orientation_in

XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF/></x:xmpmeta>"


def _exif(orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x011A], exif[0x0128], exif[0x013B] = 300.0, 2, "Jane Doe"
    exif.get_ifd(0x8769)[0x9003] = "2023:05:06 07:08:09"
    return exif.tobytes()


def _file(photo: np.ndarray, kind: str, **headers: bytes) -> bytes:
    file = io.BytesIO()
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(photo).save(file, kind, **headers, **options)
    return file.getvalue()


def _exif_with(xresolution: tuple[int, int]) -> bytes:
    """Orientation 6 and a resolution in signed parts, 8 bytes behind the entries."""
    entries = struct.pack("<HHHIHH", 2, 0x0112, 3, 1, 6, 0)
    entries += struct.pack("<HHII", 0x011A, 10, 1, 8 + 2 + 24 + 4)
    return b"Exif\0\0II*\0\x08\0\0\0" + entries + bytes(4) + struct.pack("<ii", *xresolution)


@pytest.mark.parametrize("resolution", [(-1, 0), (0, 0), (1, 0), (-(2**31), -1)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_strange_resolution_leaves_the_photo_and_its_turn(
    make_photo: Any, kind: str, resolution: tuple[int, int]
) -> None:
    data = _file(make_photo(40, 64), kind, exif=_exif_with(resolution))
    assert reading.size(data) == (40, 64)
    assert reading.pixels(data).shape == (64, 40, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_damage_in_headers_refuses_no_photo(make_photo: Any, kind: str) -> None:
    photo, draw = make_photo(40, 64), random.Random(3)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tried = 0
    for _ in range(60):
        headers = {"exif": _exif(1), "icc_profile": profile, "xmp": XMP}
        for name, content in headers.items():
            damaged = bytearray(content)
            for _ in range(draw.randint(0, 6)):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            headers[name] = bytes(damaged)
        try:
            data = _file(photo, kind, **headers)
        except (SyntaxError, struct.error):  # Pillow does not write this damage
            continue
        tried += 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Pillow says of headers reaches nobody
            assert sorted(reading.size(data)) == [40, 64]
            assert sorted(reading.pixels(data).shape) == [3, 40, 64]
    assert tried > 30


@pytest.mark.parametrize("kind", [b"eXIf", b"iCCP", b"tEXt"])
def test_a_wrong_checksum_beside_the_pixels_of_a_png(make_photo: Any, kind: bytes) -> None:
    photo = make_photo(40, 64)
    whole = _file(photo, "PNG")
    chunk = struct.pack(">I", 4) + kind + b"ab\0c" + b"bad!"
    data = whole[:33] + chunk + whole[33:]
    assert reading.size(data) == (64, 40)
    np.testing.assert_array_equal(reading.pixels(data), photo)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [1, 2, 30, 400])
def test_a_jpeg_without_its_last_bytes_is_read(
    make_photo: Any, missing: int, progressive: bool
) -> None:
    file = io.BytesIO()
    Image.fromarray(make_photo(96, 128)).save(file, "JPEG", quality=95, progressive=progressive)
    whole = file.getvalue()
    read, rest = reading.pixels(whole), reading.pixels(whole[:-missing])
    assert rest.shape == read.shape
    if not progressive:  # the upper half came long before
        np.testing.assert_array_equal(rest[:40], read[:40])


def test_a_jpeg_that_ends_in_a_header_of_a_later_scan(make_photo: Any) -> None:
    file = io.BytesIO()
    Image.fromarray(make_photo(96, 128)).save(file, "JPEG", quality=95, progressive=True)
    whole = file.getvalue()
    table = whole.rfind(b"\xff\xc4")
    rest = reading.pixels(whole[: table + 6])
    assert np.abs(rest.astype(int) - reading.pixels(whole)).mean() < 12


def test_a_jpeg_without_a_scan_is_refused(make_photo: Any) -> None:
    whole = _file(make_photo(96, 128), "JPEG")
    for length in (2, 20, 200, whole.find(b"\xff\xda")):
        with pytest.raises(reading.RefusedPhotoError):
            reading.pixels(whole[:length])


def test_orientation_beside_damage() -> None:
    assert orientation_in(_exif(8)) == 8
    assert orientation_in(_exif(8)[6:]) == 8
    assert orientation_in(b"") is None and orientation_in(b"Exif\0\0II*\0\xff\xff\xff\x7f") is None
    assert orientation_in(_exif(200)) == 1


def test_only_headers_are_left_out(make_photo: Any) -> None:
    photo = make_photo(40, 64)
    for kind in ("JPEG", "PNG", "WEBP"):
        plain, full = (_file(photo, kind, **more) for more in ({}, {"exif": _exif(), "xmp": XMP}))
        rest = mended(full)
        assert rest is not None and b"Jane Doe" in full and b"Jane Doe" not in rest
        np.testing.assert_array_equal(reading.pixels(rest), reading.pixels(plain))
    assert mended(b"GIF89a") is None
