"""Arrays and files of every kind become RGB uint8, or an error that names the photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefusion.errors import (
    EmptyPhotoError,
    TooLargePhotoError,
    TooLongPhotoError,
    UnreadablePhotoError,
)
from facefusion.images import reading
from facefusion.images.reading import as_rgb, read_photo

RGB = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3) * 10


def test_rgb_is_returned_as_it_is() -> None:
    assert as_rgb(RGB, "source") is RGB


def test_a_view_becomes_contiguous() -> None:
    turned = as_rgb(RGB[:, ::-1], "source")
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned, RGB[:, ::-1])


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 1)])
def test_grey_is_repeated(shape: tuple[int, ...]) -> None:
    grey = RGB[..., 0].reshape(shape)
    np.testing.assert_array_equal(as_rgb(grey, "source"), np.stack([RGB[..., 0]] * 3, axis=-1))


def test_transparency_lies_over_white() -> None:
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 200, 128]]], np.uint8)
    np.testing.assert_array_equal(
        as_rgb(rgba, "source"), [[[10, 20, 30], [255, 255, 255], [127, 177, 227]]]
    )


def test_floats_are_shares_and_clipped() -> None:
    floats = np.array([[[0, 0.5, 1], [-1, 2, 0.2]]])
    for kind in (np.float16, np.float32, np.float64):
        np.testing.assert_array_equal(
            as_rgb(floats.astype(kind), "source"), [[[0, 128, 255], [0, 255, 51]]]
        )


def test_sixteen_bits_keep_the_upper_eight() -> None:
    np.testing.assert_array_equal(
        as_rgb(np.array([[[0, 256, 65535]]], np.uint16), "source"), [[[0, 1, 255]]]
    )


def test_bools_are_black_and_white() -> None:
    np.testing.assert_array_equal(
        as_rgb(np.array([[False, True]]), "source"), [[[0, 0, 0], [255, 255, 255]]]
    )


def test_a_pillow_image_is_an_array_too() -> None:
    np.testing.assert_array_equal(as_rgb(Image.fromarray(RGB), "source"), RGB)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.bool_, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_strips_are_as_the_whole(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, kind: type, channels: int
) -> None:
    values = rng.integers(0, 256, (31, 17, channels))
    array = (
        values / 255 if kind is np.float32 else values * (257 if kind is np.uint16 else 1)
    ).astype(kind)
    made = []
    for pixels in (1, 40, 1 << 18):
        monkeypatch.setattr(reading, "STRIP_PIXELS", pixels)
        made.append(as_rgb(array, "source"))
    assert made[0].shape == (31, 17, 3) and made[0].std() > 0
    np.testing.assert_array_equal(made[0], made[2])
    np.testing.assert_array_equal(made[1], made[2])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_a_number_is_no_picture(bad: float) -> None:
    floats = np.zeros((2, 2, 3))
    floats[1, 1, 1] = bad
    with pytest.raises(UnreadablePhotoError) as caught:
        as_rgb(floats, "target")
    assert caught.value.photo == "target"


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros(12, np.uint8),
        np.zeros((4, 4, 3), np.int64),
        np.zeros((4, 4, 3), complex),
        np.array([["a"]]),
        "a file name",
        7,
    ],
    ids=lambda image: (
        f"{type(image).__name__}-{getattr(image, 'dtype', '')}-{getattr(image, 'shape', '')}"
    ),
)
def test_what_is_no_picture(image: object) -> None:
    with pytest.raises(UnreadablePhotoError):
        as_rgb(image, "source")


@pytest.mark.parametrize(
    "image",
    [None, [], np.zeros((0, 4, 3), np.uint8), np.zeros((4, 0, 3), np.uint8), np.zeros((0, 0))],
)
def test_nothing_is_a_missing_photo(image: object) -> None:
    with pytest.raises(EmptyPhotoError) as caught:
        as_rgb(image, "source", number=3)
    assert (caught.value.photo, caught.value.number) == ("source", 3)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.bmp", "a.tiff"])
def test_a_lossless_file_comes_back(tmp_path: Path, name: str) -> None:
    Image.fromarray(RGB).save(tmp_path / name, lossless=True)
    np.testing.assert_array_equal(read_photo(tmp_path / name, "source"), RGB)


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png", "source"), np.rot90(RGB, turn))


def test_a_palette_is_resolved(tmp_path: Path) -> None:
    Image.fromarray(RGB).quantize(8).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png", "source"), RGB)


def test_a_transparent_palette_lies_over_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putdata([0, 1])
    image.save(tmp_path / "a.png", transparency=1)
    np.testing.assert_array_equal(
        read_photo(tmp_path / "a.png", "source"), [[[255, 0, 0], [255, 255, 255]]]
    )


def test_sixteen_bit_files_keep_their_tones(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 256, 32768, 65535]], np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        read_photo(tmp_path / "a.png", "source")[0, :, 0], [0, 1, 128, 255]
    )


def test_print_colours_become_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    red, green, blue = read_photo(tmp_path / "a.jpg", "source")[4, 4]
    assert red > 240 and green < 15 and blue < 15


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.tiff"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_truncated_file_is_refused_or_read_but_never_crashes(
    tmp_path: Path, name: str, share: float
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    if name == "a.jpg" and share > 0.02:  # as in a browser
        assert read_photo(tmp_path / name, "target").shape == noise.shape
        return
    with pytest.raises(UnreadablePhotoError) as caught:
        read_photo(tmp_path / name, "target")
    assert caught.value.photo == "target"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no picture\n",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBP",
        b"%PDF-1.7",
    ],
)
def test_what_only_looks_like_a_picture(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UnreadablePhotoError):
        read_photo(tmp_path / "a.jpg", "source")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.tiff", "a.bmp", "a.avif"])
def test_damage_in_the_middle_never_escapes_as_another_error(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / name)
    whole = np.frombuffer((tmp_path / name).read_bytes(), np.uint8)
    outcomes = set()
    for _ in range(150):
        damaged = whole.copy()
        damaged[rng.integers(0, min(len(whole), 200), 4)] = rng.integers(0, 256, 4)
        (tmp_path / name).write_bytes(damaged.tobytes())
        try:
            photo = read_photo(tmp_path / name, "source")
            outcomes.add("read")
            assert photo.dtype == np.uint8 and photo.ndim == 3 and photo.shape[2] == 3
        except (
            UnreadablePhotoError,
            TooLargePhotoError,
            TooLongPhotoError,
        ):  # damage may lie in the size
            outcomes.add("refused")
    assert "refused" in outcomes


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePhotoError):
        read_photo(tmp_path / "none.jpg", "source")


def test_a_picture_of_absurd_size_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(TooLargePhotoError):
        read_photo(tmp_path / "a.png", "source")
