"""The mark that people see, and the metadata that programs read."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from facefusion.images.lettering import CHINESE, ENGLISH, lettering
from facefusion.images.marking import mark_box, marked
from facefusion.images.saving import FORMATS, SOURCE_TYPE, save

SIZES = [(512, 512), (300, 800), (1400, 900), (150, 150)]


def _inked(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(top, left, bottom, right) of the white letters."""
    rows, columns = np.nonzero((after > 200).all(2) & (before < 100).all(2))
    return np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
@pytest.mark.parametrize("size", SIZES)
def test_the_mark_is_large_enough_to_read(size: tuple[int, int], text: str) -> None:
    photo = np.full((*size, 3), 60, np.uint8)
    before = photo.copy()
    result = marked(photo, text)
    top, left, bottom, right = _inked(photo, result)
    lines = text.count("\n") + 1
    assert bottom - top >= lines * 0.05 * min(size)
    assert bottom < size[0] and right < size[1]
    left, _, right, _ = mark_box(size, text)
    assert 0.19 < (right - left) / min(size) < 0.25  # about a fifth
    assert (result != photo).any(2).mean() < 0.05
    np.testing.assert_array_equal(photo, before)


@pytest.mark.parametrize("faces", [[], [np.array([200, 200, 400, 400], np.float32)]])
@pytest.mark.parametrize("size", [*SIZES, (40, 30)])
def test_the_box_of_the_mark_is_all_that_changes(
    size: tuple[int, int], faces: list[np.ndarray]
) -> None:
    photo = np.full((*size, 3), 60, np.uint8)
    rows, columns = np.nonzero((marked(photo, CHINESE, faces=faces) != photo).any(2))
    changed = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert mark_box(size, CHINESE, faces=faces) == changed


def test_a_picture_can_be_marked_in_place() -> None:
    photo = np.full((300, 400, 3), 60, np.uint8)
    copy = marked(photo)
    assert photo.max() == 60 and not np.shares_memory(copy, photo)
    assert marked(photo, in_place=True) is photo
    np.testing.assert_array_equal(photo, copy)


def test_letters_that_reach_below_the_line_do_not_count() -> None:
    assert lettering("AI", 40).shape[0] == pytest.approx(40, abs=1)
    assert lettering("by AI", 40).shape[0] > 42


def test_each_line_is_as_high_as_one_alone() -> None:
    one, two = lettering("AI", 40), lettering("AI\nAI", 40)
    assert two.shape[1] == one.shape[1]
    np.testing.assert_array_equal(two[: len(one)], one)
    np.testing.assert_array_equal(two[-len(one) :], one)
    assert not two[len(one) : -len(one)].any() and len(two) > 2.2 * len(one)
    wide = lettering("AI\nby AI", 40)  # shorter lines stand in the middle
    inked = np.flatnonzero(wide[:40].any(0))
    assert inked[0] == pytest.approx(wide.shape[1] - 1 - inked[-1], abs=1)


@pytest.mark.parametrize("character", ["生", "成"])
def test_chinese_characters_are_as_high_as_capitals(character: str) -> None:
    drawn = lettering(character, 60)
    assert drawn.shape[0] == pytest.approx(64, abs=8) and drawn.shape[1] == pytest.approx(
        64, abs=12
    )
    assert 0.15 < (drawn > 127).mean() < 0.5


def test_the_mark_can_be_read_on_white_and_on_black() -> None:
    """With a contrast of at least 4.5 (WCAG 2.2, 1.4.3) on any ground."""
    for ground in (0, 90, 180, 255):
        result = marked(np.full((400, 400, 3), ground, np.uint8))
        left, top, right, bottom = mark_box((400, 400))
        plate = result[top:bottom, left:right] / 255
        linear = np.where(plate <= 0.04045, plate / 12.92, ((plate + 0.055) / 1.055) ** 2.4)
        assert (linear.max() + 0.05) / (linear.min() + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("face", "corner"),
    [
        ([0, 0, 100, 100], "bottom right"),
        ([200, 200, 400, 400], "bottom left"),
        ([0, 200, 400, 400], "top right"),
    ],
)
def test_the_mark_hides_no_face(face: list[float], corner: str) -> None:
    photo = np.full((400, 400, 3), 60, np.uint8)
    result = marked(photo, CHINESE, faces=[np.array(face, np.float32)])
    top, left, _, _ = _inked(photo, result)
    assert ("bottom" if top > 200 else "top") + (" right" if left > 200 else " left") == corner
    left, top, right, bottom = (int(value) for value in face)
    np.testing.assert_array_equal(result[top:bottom, left:right], photo[top:bottom, left:right])


def test_the_smallest_picture_is_marked_as_far_as_it_goes() -> None:
    photo = np.full((5, 7, 3), 60, np.uint8)
    result = marked(photo)
    assert result.shape == photo.shape and (result != photo).any()


@pytest.mark.parametrize("extension", FORMATS)
def test_every_file_says_where_it_comes_from(extension: str) -> None:
    file = io.BytesIO()
    save(np.full((40, 60, 3), 90, np.uint8), file, extension)
    with Image.open(io.BytesIO(file.getvalue())) as read:
        assert read.size == (60, 40)
        packet = read.info["xmp"]
    root = ElementTree.fromstring(packet.decode("utf-8"))
    description = root.find(".//{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    assert description is not None
    assert (
        description.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
        == SOURCE_TYPE
    )
    assert SOURCE_TYPE.rsplit("/", 1)[1] == "compositeWithTrainedAlgorithmicMedia"


def test_png_is_exact() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    file = io.BytesIO()
    save(photo, file, ".png")
    np.testing.assert_array_equal(np.asarray(Image.open(file)), photo)
