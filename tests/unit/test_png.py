"""PNG files that are written strip by strip are exact."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from facefusion.images import png

SHAPES = [(1, 1), (1, 50), (50, 1), (2, 2), (37, 53), (200, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strip", [1, 500, 1 << 20])
def test_every_pixel_comes_back(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], strip: int
) -> None:
    monkeypatch.setattr(png, "STRIP_BYTES", strip)
    image, file = rng.integers(0, 256, (*shape, 3), dtype=np.uint8), io.BytesIO()
    png.write_png(image, file)
    with Image.open(file) as read:
        assert (read.format, read.mode, read.size) == ("PNG", "RGB", shape[::-1])
        np.testing.assert_array_equal(np.asarray(read), image)


def test_a_part_of_a_larger_picture(rng: np.random.Generator) -> None:
    image, file = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)[3:30, 10:50, ::-1], io.BytesIO()
    png.write_png(image, file)
    np.testing.assert_array_equal(np.asarray(Image.open(file)), image)


def test_notes_stand_before_the_pixels() -> None:
    file = io.BytesIO()
    png.write_png(np.zeros((4, 5, 3), np.uint8), file, [(b"tEXt", b"Comment\0made")])
    with Image.open(file) as read:
        assert read.info["Comment"] == "made"  # before the pixels were asked for
        read.load()


def test_flat_pictures_are_small(make_photo) -> None:
    flat, photo = io.BytesIO(), io.BytesIO()
    png.write_png(np.full((300, 400, 3), 90, np.uint8), flat)
    png.write_png(make_photo(300, 400), photo)
    assert flat.tell() < 3000 and photo.tell() < 300 * 400 * 3
