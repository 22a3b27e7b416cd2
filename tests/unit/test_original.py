"""Results keep the colours of their target's file, its transparency, and what belongs to it."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFilter, TiffImagePlugin
from skimage.color import deltaE_ciede2000, rgb2lab

from benchmarks.profiles import ADOBE_RGB, DISPLAY_P3, PROPHOTO, grey_profile, rgb_profile
from facefusion.decoding import reading
from facefusion.decoding.belongings import AUTHOR, RIGHTS, TAKEN
from facefusion.decoding.pool import DecoderPool
from facefusion.errors import UnreadablePhotoError
from facefusion.images.marking import mark_box
from facefusion.images.original import Original, open_photo, patch_of
from facefusion.images.reading import read_photo
from facefusion.images.saving import FORMATS, QUALITY, SOURCE_TYPE, extension_for, save

FACE = slice(30, 60), slice(40, 80)
NEW = (190, 140, 120)
EXAMPLE = next(iter(sorted((Path(__file__).parents[2] / "examples").glob("*.jpg"))))


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(workers=1) as pool:
        yield pool


@pytest.fixture(scope="module")
def stored() -> np.ndarray:
    """A photo of many colours, as the numbers of a file of any colour space."""
    with Image.open(EXAMPLE) as image:
        small = image.convert("RGB").resize((160, 200))
        return np.asarray(small.filter(ImageFilter.GaussianBlur(2)))


def _shown(path: Path) -> np.ndarray:
    """What a browser shows: through the profile to sRGB, by an independent way."""
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        rgb = image.convert("RGB")
        if profile:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            rgb = ImageCms.profileToProfile(rgb, source, ImageCms.createProfile("sRGB"))
        return np.asarray(rgb)


def _fused(photo: np.ndarray) -> np.ndarray:
    result = photo.copy()
    result[FACE] = NEW
    return result


def _outside(photo: np.ndarray) -> np.ndarray:
    """Pixels without the new face and the mark."""
    kept = np.ones(photo.shape[:2], bool)
    kept[FACE] = False
    left, top, right, bottom = mark_box(photo.shape[:2])
    kept[top:bottom, left:right] = False
    return kept


def _de(one: np.ndarray, other: np.ndarray) -> float:
    return float(deltaE_ciede2000(rgb2lab(one), rgb2lab(other)).mean())


SPACES = {"p3": DISPLAY_P3, "adobe": ADOBE_RGB, "prophoto": PROPHOTO}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("extension", FORMATS)
def test_a_profile_stays_and_nothing_shifts(
    tmp_path: Path, stored: np.ndarray, space: str, extension: str
) -> None:
    profile, path = rgb_profile(*SPACES[space]), tmp_path / "a.png"
    Image.fromarray(stored).save(path, icc_profile=profile)
    photo, original = open_photo(path.read_bytes(), "target")
    assert np.abs(photo.astype(int) - _shown(path)).max() <= 2  # what the networks see
    assert _de(photo, stored) > 1  # the profile says something
    finished = original.finish(_fused(photo), photo)
    out = tmp_path / f"out{extension}"
    finished.save(out, extension)
    with Image.open(out) as image:
        assert image.info["icc_profile"] == profile
    outside = _outside(photo)
    np.testing.assert_array_equal(finished.image[outside], stored[outside])
    Image.fromarray(stored).save(
        out := tmp_path / f"plain{extension}", quality=95, subsampling=0, icc_profile=profile
    )
    loss = _de(_shown(out)[outside], _shown(path)[outside]) if extension != ".png" else 0
    out = tmp_path / f"out{extension}"
    assert _de(_shown(out)[outside], _shown(path)[outside]) <= 1.1 * loss
    assert _de(_shown(out)[FACE], np.full((30, 40, 3), NEW, np.uint8)) < 1
    assert original.belongings.notes == ()


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_process_gives_back_what_this_one_gives(
    pool: DecoderPool, tmp_path: Path, stored: np.ndarray, orientation: int
) -> None:
    path, exif = tmp_path / "a.webp", Image.Exif()
    exif[0x0112] = orientation
    alpha = np.linspace(0, 255, 160).astype(np.uint8)[None].repeat(200, 0)
    Image.fromarray(np.dstack([stored, alpha])).save(
        path, icc_profile=rgb_profile(*DISPLAY_P3), exif=exif, lossless=True, exact=True
    )
    photo, original = open_photo(path.read_bytes(), "target")
    there, belongings = pool.open(path, "target")
    np.testing.assert_array_equal(there, photo)
    assert belongings == original.belongings
    patch = patch_of(_fused(photo), photo)
    here = reading.restored(path.read_bytes(), patch)
    np.testing.assert_array_equal(pool.stored(path, patch)[0], here)
    turned = np.rot90(np.dstack([stored, alpha]), {1: 0, 3: 2, 6: -1}[orientation])
    np.testing.assert_array_equal(pool.stored(path)[0], turned)
    changed = (here != turned).any(2)
    assert changed[FACE].mean() > 0.9 and changed.sum() == changed[FACE].sum()


def test_a_patch_is_the_smallest_rectangle_with_all_changes(stored: np.ndarray) -> None:
    image = stored.copy()
    image[7, 90, 2] ^= 1
    image[120, 33, 0] ^= 1
    image[60, 50] ^= 1
    patch = patch_of(image, stored)
    assert (patch.left, patch.top, patch.pixels.shape) == (33, 7, (114, 58, 3))
    np.testing.assert_array_equal(patch.pixels, image[7:121, 33:91])
    assert patch_of(stored, stored).pixels.size == 0


def test_srgb_by_any_name_is_no_conversion(tmp_path: Path, stored: np.ndarray) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(stored).save(tmp_path / "a.png", icc_profile=profile)
    photo, original = open_photo((tmp_path / "a.png").read_bytes(), "target")
    np.testing.assert_array_equal(photo, stored)
    assert not original.belongings.stored and original.belongings.profile == profile


@pytest.mark.parametrize("content", [b"no profile", None, "grey"])
def test_a_profile_that_says_nothing_is_left_out_and_told(
    tmp_path: Path, stored: np.ndarray, content: Any
) -> None:
    good = rgb_profile(*DISPLAY_P3)
    profile = {None: good[:200], "grey": grey_profile(1.0)}.get(content, content)
    Image.fromarray(stored).save(tmp_path / "a.png", icc_profile=profile)
    photo, original = open_photo((tmp_path / "a.png").read_bytes(), "target")
    np.testing.assert_array_equal(photo, stored)
    assert original.belongings.notes == ("unknown_profile",)
    assert original.belongings.profile == b""


def test_a_grey_profile_is_followed_and_the_result_is_srgb(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(256, dtype=np.uint8)[None].repeat(30, 0)).save(
        path, icc_profile=grey_profile(1.8)
    )
    photo, original = open_photo(path.read_bytes(), "target")
    linear = (np.arange(256) / 255) ** 1.8
    right = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(photo[4] - 255 * right[:, None])[20:].max() <= 3
    assert np.abs(photo[4, :, 0].astype(int) - np.arange(256)).max() > 10
    assert original.belongings.notes == ("srgb",) and original.belongings.profile == b""
    assert not original.belongings.stored


def test_print_colours_become_srgb_and_it_is_said(tmp_path: Path) -> None:
    Image.new("CMYK", (40, 30), (0, 200, 200, 0)).save(tmp_path / "a.jpg")
    photo, original = open_photo((tmp_path / "a.jpg").read_bytes(), "target")
    assert original.belongings.notes == ("srgb",)
    assert photo[9, 9, 0] > 200 and photo[9, 9, 1:].max() < 90


def test_transparency_stays(tmp_path: Path, stored: np.ndarray) -> None:
    alpha = np.full((200, 160), 255, np.uint8)
    alpha[:, :50], alpha[150:], alpha[:20] = 128, 0, 3
    rgba = np.dstack([stored, alpha])
    path = tmp_path / "a.png"
    Image.fromarray(rgba).save(path)
    photo, original = open_photo(path.read_bytes(), "target")
    finished = original.finish(_fused(photo), photo)
    outside = _outside(photo)
    np.testing.assert_array_equal(finished.image[outside], rgba[outside])
    face = finished.image[FACE]
    np.testing.assert_array_equal(face[:, 15:], np.broadcast_to((*NEW, 255), (30, 25, 4)))
    over = reading.pixels(_png(face))
    seen = np.broadcast_to(NEW, over.shape).copy()
    np.testing.assert_array_equal(face[..., 3], rgba[FACE][..., 3])
    seen[:, :10, 2] = 127  # the darkest that a pixel of this transparency can be
    assert np.abs(over.astype(int) - seen).max() <= 1
    left, top, right, bottom = mark_box((200, 160))
    assert (finished.image[top:bottom, left:right, 3] == 255).all()  # the mark can be seen
    for extension, mode in ((".png", "RGBA"), (".webp", "RGBA"), (".jpg", "RGB")):
        finished.save(tmp_path / f"out{extension}", extension)
        with Image.open(tmp_path / f"out{extension}") as image:
            assert image.mode == mode
    white = np.asarray(Image.open(tmp_path / "out.jpg"))[160:165, :40]
    assert white.min() > 245
    assert original.notes_for("target", ".jpg") == ["transparent"]
    assert original.notes_for("target", ".png") == original.notes_for("source", "") == []


def test_opaque_alpha_is_not_told(tmp_path: Path, stored: np.ndarray) -> None:
    Image.fromarray(stored).convert("RGBA").save(tmp_path / "a.png")
    assert open_photo((tmp_path / "a.png").read_bytes(), "target")[1].belongings.notes == ()


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    save(image, file, ".png")
    return file.getvalue()


def _photo_with_everything(path: Path, photo: np.ndarray) -> None:
    exif = Image.Exif()
    exif[AUTHOR], exif[RIGHTS], exif[0x0132] = "Jane Doe", b"\xc2\xa9 Jane", "2023:05:07 01:02:03"
    exif[0x0112], exif[0x010F], exif[0x0110], exif[0xA435] = 1, "Maker", "Model", "LENS-7"
    photo_directory = exif.get_ifd(0x8769)
    photo_directory[TAKEN], photo_directory[0x9011] = "2023:05:06 07:08:09", "+02:00"
    photo_directory[0xA431], photo_directory[0x927C] = "SERIAL-12345", b"secret notes"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", tuple(TiffImagePlugin.IFDRational(n) for n in (52, 31, 12))
    options: dict[str, Any] = {} if path.suffix == ".webp" else {"dpi": (300, 300)}
    Image.fromarray(photo).save(path, exif=exif, **options)


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff"])
def test_dates_author_and_resolution_stay_and_nothing_else(
    tmp_path: Path, stored: np.ndarray, name: str, extension: str
) -> None:
    _photo_with_everything(tmp_path / name, stored)
    photo, original = open_photo((tmp_path / name).read_bytes(), "target")
    out = tmp_path / f"out{extension}"
    original.finish(_fused(photo), photo).save(out, extension)
    data = out.read_bytes()
    for secret in (b"SERIAL", b"LENS", b"secret", b"Maker", b"Model"):
        assert secret not in data
    with Image.open(out) as image:
        exif = image.getexif()
        assert exif[AUTHOR] == "Jane Doe" and exif[0x0132] == "2023:05:07 01:02:03"
        assert exif[RIGHTS].encode("latin-1").decode() == "© Jane"
        if name != "a.tiff":  # Pillow writes no sub-directory there
            assert exif.get_ifd(0x8769)[TAKEN] == "2023:05:06 07:08:09"
            assert exif.get_ifd(0x8769)[0x9011] == "+02:00"
        assert not exif.get_ifd(0x8825) and 0x0112 not in exif
        packet = image.info["xmp"].decode()
        if name != "a.webp" and extension != ".webp":
            assert [round(float(value)) for value in image.info["dpi"]] == [300, 300]
    assert SOURCE_TYPE in packet
    assert re.search("<dc:creator>.*Jane Doe.*</dc:creator>", packet)
    assert re.search("<dc:rights>.*© Jane.*</dc:rights>", packet)


def test_author_and_dates_are_found_in_xmp_and_texts_too(
    tmp_path: Path, stored: np.ndarray
) -> None:
    xmp = (
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:Description photoshop:DateCreated="
        b'"2021-03-04T05:06:07"><dc:creator><rdf:Seq><rdf:li>A &amp; B</rdf:li></rdf:Seq>'
        b"</dc:creator><dc:rights><rdf:Alt><rdf:li xml:lang='x-default'>\xc2\xa9 B</rdf:li>"
        b"</rdf:Alt></dc:rights></rdf:Description></x:xmpmeta>"
    )
    Image.fromarray(stored).save(tmp_path / "a.jpg", xmp=xmp)
    texts = open_photo((tmp_path / "a.jpg").read_bytes(), "target")[1].belongings.texts
    assert texts[AUTHOR] == "A & B" and texts[TAKEN] == "2021:03:04 05:06:07"
    assert texts[RIGHTS].encode("latin-1").decode() == "© B"


@pytest.mark.parametrize("quality", [60, 95, 100])
def test_a_jpeg_is_no_worse_than_its_target(
    tmp_path: Path, stored: np.ndarray, quality: int
) -> None:
    Image.fromarray(stored).save(tmp_path / "a.jpg", quality=quality)
    photo, original = open_photo((tmp_path / "a.jpg").read_bytes(), "target")
    original.finish(_fused(photo), photo).save(tmp_path / "out.jpg", ".jpg")
    Image.fromarray(stored).save(tmp_path / "own.jpg", quality=QUALITY)
    tables = []
    for name in ("a.jpg", "own.jpg", "out.jpg"):
        with Image.open(tmp_path / name) as image:
            tables.append(np.array([vars(image)["quantization"][i] for i in (0, 1)]))
    theirs, own, made = tables
    np.testing.assert_array_equal(made, np.minimum(theirs, own))


@pytest.mark.parametrize(
    ("kind", "extension"),
    [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp"), ("TIFF", ".png"), ("GIF", ".png")],
)
def test_the_format_follows_the_target(
    tmp_path: Path, stored: np.ndarray, kind: str, extension: str
) -> None:
    Image.fromarray(stored).save(tmp_path / "a", kind)
    assert (
        extension_for(open_photo((tmp_path / "a").read_bytes(), "target")[1].belongings)
        == extension
    )


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tiff"])
def test_of_several_pictures_the_first_counts_and_it_is_said(
    pool: DecoderPool, tmp_path: Path, name: str
) -> None:
    first, second = (Image.new("RGB", (40, 30), c) for c in ((200, 30, 30), (20, 200, 20)))
    first.save(tmp_path / name, save_all=True, append_images=[second])
    photo, belongings = pool.open(tmp_path / name, "target")
    assert belongings.notes == ("first_frame",) and photo[9, 9, 0] > 150 > photo[9, 9, 1]
    first.save(tmp_path / name)
    assert pool.open(tmp_path / name, "target")[1].notes == ()


@pytest.mark.parametrize("missing", [0, 2, 900])
def test_a_missing_end_is_said_only_where_it_shows(
    tmp_path: Path, stored: np.ndarray, missing: int
) -> None:
    file = io.BytesIO()
    Image.fromarray(stored).save(file, "JPEG", quality=95)
    (tmp_path / "a.jpg").write_bytes(file.getvalue()[: len(file.getvalue()) - missing])
    notes = open_photo((tmp_path / "a.jpg").read_bytes(), "target")[1].belongings.notes
    assert notes == (("cut_short",) if missing > 2 else ())


def _tiff(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF")
    return file.getvalue()


def test_numbers_of_other_types_are_scaled_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    shares = np.array([[0, 0.5, 1, 0.2]], np.float32).repeat(4, 0)
    for values, right in (
        (shares, [0, 128, 255, 51]),
        (np.array([[0, 256, 32768, 65535]], np.uint16).repeat(4, 0), [0, 1, 128, 255]),
    ):
        path.write_bytes(_tiff(values))
        np.testing.assert_array_equal(read_photo(path, "target")[0, :, 0], right)
    for values in (200 * shares, shares - 1, shares * np.nan, (1000 * shares).astype(np.int32)):
        path.write_bytes(_tiff(values))
        with pytest.raises(UnreadablePhotoError):
            read_photo(path, "target")


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_sixteen_bits_become_eight_and_it_is_said(
    tmp_path: Path, stored: np.ndarray, extension: str
) -> None:
    path = tmp_path / f"a{extension}"
    for deep in (stored.astype(np.uint16) * 257, stored[..., 1].astype(np.uint16) * 257):
        assert cv2.imwrite(str(path), deep)
        photo, original = open_photo(path.read_bytes(), "target")
        channels = deep if deep.ndim == 2 else deep[..., ::-1]
        found = photo[..., 0] if deep.ndim == 2 else photo
        assert np.abs(found.astype(int) - channels // 257).max() <= 1
        assert original.notes_for("target", ".png") == ["eight_bits"]
        assert original.notes_for("source", "") == []
    assert cv2.imwrite(str(path), stored)
    assert open_photo(path.read_bytes(), "target")[1].belongings.notes == ()


def test_a_file_that_is_gone_leaves_a_result_in_srgb(
    tmp_path: Path, stored: np.ndarray, pool: DecoderPool
) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(stored).save(path, icc_profile=rgb_profile(*DISPLAY_P3))
    photo, belongings = pool.open(path, "target")
    original = Original(belongings, lambda patch: pool.stored(path, patch)[0])
    path.unlink()
    finished = original.finish(_fused(photo), photo)
    assert finished.belongings.profile == b"" and finished.belongings.notes == ("srgb",)
    outside = _outside(photo)
    np.testing.assert_array_equal(finished.image[outside], photo[outside])


def test_without_a_file_there_is_only_the_mark(stored: np.ndarray) -> None:
    finished = Original().finish(_fused(stored), stored)
    outside = _outside(stored)
    np.testing.assert_array_equal(finished.image[outside], stored[outside])


def test_strange_resolutions_are_left_out(stored: np.ndarray) -> None:
    for pixels in (0, 1, 2**31 - 1):
        data = bytearray(_png(stored))
        at = data.index(b"IDAT") - 4
        content = b"pHYs" + struct.pack(">IIB", pixels, pixels, 1)
        chunk = struct.pack(">I", 9) + content + struct.pack(">I", zlib.crc32(content))
        found = reading.decode(bytes(data[:at] + chunk + data[at:])).belongings.dpi
        assert found is None
