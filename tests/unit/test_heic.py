"""HEIC files: which pictures of them are read, how they are turned, and what never reaches libheif."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from benchmarks import heic
from facefusion.decoding import headers, reading
from facefusion.decoding.decoded import over_white
from facefusion.decoding.pool import DecoderPool
from facefusion.errors import UnreadablePhotoError
from facefusion.images.reading import read_photo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool() as pool:
        yield pool


@pytest.mark.parametrize(
    ("brands", "found"),
    [
        ([b"heic", b"mif1"], True), ([b"heix"], True), ([b"hevc"], True), ([b"mif1", b"heic"], True), ([b"msf1"], True),
        ([b"avif", b"mif1", b"heic"], False), ([b"mif1", b"avif"], False), ([b"avis"], False), ([b"mp42"], False),
    ],
)  # fmt: skip
def test_heic_is_known_by_its_brands(brands: list[bytes], found: bool) -> None:
    assert headers.is_heic(heic.ftyp(*brands) + bytes(200)) == found


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_heic_is_turned_by_its_boxes_and_not_again_by_its_exif(
    pool: DecoderPool, tmp_path: Path, orientation: int
) -> None:
    photo = np.zeros((40, 70, 3), np.uint8)
    photo[:20, :35], photo[20:, 35:] = 240, 120
    (tmp_path / "a.heic").write_bytes(heic.turned(photo, orientation))
    image = Image.fromarray(photo)
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    for found in (
        read_photo(tmp_path / "a.heic", "target"),
        pool.read(tmp_path / "a.heic", "target"),
    ):
        np.testing.assert_allclose(found.astype(int), expected, atol=3)
    assert pool.size(tmp_path / "a.heic", "target") == expected.shape[1::-1]


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "L", "10 bits", "L of 10 bits", "tiles"])
def test_heic_of_every_kind(pool: DecoderPool, tmp_path: Path, make_photo: Any, kind: str) -> None:
    photo = cv2.GaussianBlur(make_photo(150, 200), (0, 0), 3)
    expected, options, pixels = photo, {}, photo
    if kind.startswith("L"):
        pixels, expected = photo[..., 0], np.repeat(photo[..., :1], 3, axis=2)
    if kind == "RGBA":
        alpha = np.full((150, 200, 1), 100, np.uint8)
        pixels = np.dstack([photo, alpha])
        expected = over_white(pixels)
    if kind.endswith("bits"):
        pixels = pixels.astype(np.uint16) * 257
    if kind == "tiles":
        options = {"tile_size": 64}
    data = heic.encoded(pixels, **options)
    assert (b"grid" in data) == (kind == "tiles")
    (tmp_path / "a.heic").write_bytes(data)
    found = pool.read(tmp_path / "a.heic", "source")
    assert found.shape == (150, 200, 3) == (*pool.size(tmp_path / "a.heic", "source")[::-1], 3)
    assert np.abs(found.astype(int) - expected).mean() < 3
    np.testing.assert_array_equal(found, read_photo(tmp_path / "a.heic", "source"))


def test_of_several_pictures_of_an_heic_the_primary_one_counts(
    pool: DecoderPool, tmp_path: Path
) -> None:
    colours = ((200, 30, 30), (20, 200, 20), (30, 30, 200))
    file = pillow_heif.HeifFile()
    for i, colour in enumerate(colours):
        file.add_from_pillow(Image.new("RGB", (80 + 10 * i, 60), colour))
    file.save(tmp_path / "a.heic", primary_index=1, quality=95)
    photo = pool.read(tmp_path / "a.heic", "target")
    assert photo.shape == (60, 90, 3) and np.abs(photo.astype(int) - [20, 200, 20]).max() <= 12


def test_what_an_heic_holds_beside_its_picture_is_not_decoded(
    pool: DecoderPool, tmp_path: Path
) -> None:
    """A thumbnail, and an auxiliary that is no transparency, in codings that are not read."""
    square, (settings, stream) = heic.ispe(512, 512), heic.tile()
    aux = heic.full(b"auxC", b"urn:com:apple:photo:2020:aux:hdrgainmap\0")
    items = [
        heic.Item(b"hvc1", [square, settings], stream),
        heic.Item(b"jpeg", [heic.ispe(60_000, 60_000)], b"none", {b"thmb": [1]}),
        heic.Item(b"iovl", [heic.ispe(60_000, 60_000), aux], b"none", {b"auxl": [1]}),
    ]
    (tmp_path / "a.heic").write_bytes(heic.file(items) + b"and what a phone appends")
    photo = pool.read(tmp_path / "a.heic", "target")
    assert photo.shape == (512, 512, 3) and np.abs(photo.astype(int) - 90).max() <= 3


def test_an_heic_of_61_megapixels_is_decoded_within_the_limits(
    pool: DecoderPool, tmp_path: Path
) -> None:
    (tmp_path / "a.heic").write_bytes(heic.grid(13, 18, 9200, 6650))
    photo = pool.read(tmp_path / "a.heic", "target")
    assert (
        photo.shape == (6650, 9200, 3) and np.abs(photo[::500, ::500].astype(int) - 90).max() <= 3
    )


@pytest.mark.parametrize("kind", ["one picture", "tiles"])
def test_damage_of_an_heic_never_escapes_as_another_error(kind: str) -> None:
    whole = heic.single(512, 512) if kind == "one picture" else heic.grid(2, 3, 1500, 1000)
    rng, outcomes = np.random.default_rng(1), set()
    for _ in range(300):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(24, len(whole), 3)] = rng.integers(0, 256, 3)
        try:
            reading.size(damaged.tobytes())
            outcomes.add("read")
        except headers.RefusedPhotoError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_without_its_reader_an_heic_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.heic").write_bytes(heic.single(512, 512))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadablePhotoError):
        read_photo(tmp_path / "a.heic", "target")


def test_the_process_that_asks_does_not_load_the_reader_of_heic(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(heic.single(512, 512))
    code = (
        "import sys\nfrom facefusion.decoding.pool import DecoderPool\n"
        "with DecoderPool(workers=1) as pool:\n    print(pool.read(sys.argv[1], 'target').shape)\n"
        "print([name for name in sys.modules if 'heif' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.heic")],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["(512, 512, 3)", "[]"]
