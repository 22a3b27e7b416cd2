"""HEIC uploads become JPEG files that browsers can show; all other files stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import heic
from facefusion.decoding.budget import PixelBudget
from facefusion.decoding.pool import DecoderPool
from facefusion.images.reading import read_photo
from facefusion.page import previews
from facefusion.page.files import Sweeper
from facefusion.page.photos import Photos
from facefusion.page.uploads import Uploads
from tests.unit.conftest import run_coroutine

VISITOR = "203.0.113.7"


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(workers=1) as pool:
        yield pool


@pytest.fixture
def photos(tmp_path: Path, pool: DecoderPool) -> Photos:
    return Photos(Uploads(tmp_path), pool, PixelBudget())


@pytest.fixture
def upload(tmp_path: Path, photos: Photos) -> Callable[..., Path]:
    """Saves an upload, replaces it where that is due, and returns the path of what is there."""

    def save(content: bytes, name: str = "photo.heic") -> Path:
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / name).write_bytes(content)
        path = run_coroutine(photos.previews.replace(str(folder / name), VISITOR))
        assert [str(each) for each in folder.iterdir()] == [path]
        return Path(path)

    return save


@pytest.mark.parametrize("name", ["photo.heic", "photo.heif", "photo.jpg", "photo"])
def test_an_heic_becomes_an_upright_jpeg_without_metadata(
    upload: Callable[..., Path], name: str
) -> None:
    pixels = np.zeros((40, 70, 3), np.uint8)
    pixels[:20, :35], pixels[20:, 35:] = (240, 40, 40), (40, 40, 240)
    path = upload(heic.turned(pixels, 6), name)
    assert path.name == "photo.jpg"
    with Image.open(path) as image:
        assert (image.format, image.size) == ("JPEG", (40, 70))
        assert not image.getexif() and not {"icc_profile", "exif", "comment"} & image.info.keys()
    difference = np.abs(read_photo(path, "target").astype(int) - np.rot90(pixels, -1))
    assert np.median(difference) <= 3 and difference.mean() < 8


@pytest.mark.parametrize(
    "content",
    [
        heic.single(512, 512)[:-200],
        heic.single(30_000, 30_000),
        heic.grid(1, 2, 1000, 500, tiles=[1, 1]),
        heic.ftyp(b"heic", b"mif1") + bytes(200),
    ],
)
def test_what_cannot_be_decoded_stays_and_counts_as_work(
    upload: Callable[..., Path], photos: Photos, content: bytes
) -> None:
    path = upload(content)
    assert path.name == "photo.heic" and path.read_bytes() == content
    assert photos.usage.of(VISITOR) > 0


def test_other_formats_are_not_opened(
    upload: Callable[..., Path], photos: Photos, make_photo: Any, tmp_path: Path
) -> None:
    Image.fromarray(make_photo(40, 30)).save(tmp_path / "a.avif")
    for content in ((tmp_path / "a.avif").read_bytes(), b"Dear diary, ...", b""):
        assert upload(content, "photo.avif").read_bytes() == content
    assert photos.usage.of(VISITOR) == 0


def test_a_jpeg_larger_than_an_upload_may_be_is_not_stored(
    upload: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "MAX_FILE_BYTES", 1000)
    assert upload(heic.single(512, 512)).name == "photo.heic"


def test_only_so_many_pixels_of_a_visitor_are_converted(
    upload: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, photos: Photos
) -> None:
    photos.previews._allowance.amount = 2 * previews.LEAST_PIXELS
    names = [upload(heic.single(512, 512)).name for _ in range(3)]
    assert names == ["photo.jpg", "photo.jpg", "photo.heic"]


def test_room_for_the_jpeg_is_reserved(
    upload: Callable[..., Path], photos: Photos, tmp_path: Path
) -> None:
    assert upload(heic.single(512, 512)).name == "photo.jpg"
    photos.uploads.sweeper = Sweeper(tmp_path, max_bytes=previews.MAX_FILE_BYTES)
    assert upload(heic.single(512, 512)).name == "photo.heic"


def test_a_file_that_was_deleted_meanwhile(photos: Photos, tmp_path: Path) -> None:
    path = str(tmp_path / "none.heic")
    assert run_coroutine(photos.previews.replace(path, VISITOR)) == path
    assert photos.previews._replaced(path, VISITOR) == path
