"""The ready photos of the page, and the script that makes them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefusion import FusionPipeline
from facefusion.images.lettering import CHINESE, ENGLISH
from facefusion.images.marking import marked
from facefusion.images.reading import read_photo
from facefusion.images.saving import COMMENT, SOURCE_TYPE
from facefusion.perception.checks import check_face, check_pair, is_consistent
from facefusion.training.samples.ready_photos import (
    COLUMNS,
    FACES,
    HEIGHT,
    PAIRS,
    TARGETS,
    WIDTH,
    framed,
    graded,
    make_photo,
)
from facefusion.types import Face

READY = Path(__file__).resolve().parents[2] / "examples" / "ready"
with (READY / "index.csv").open(newline="", encoding="utf-8") as handle:
    INDEX = list(csv.DictReader(handle))
PHOTOS = [row["file"] for row in INDEX if row["kind"] != "result"]
RESULTS = [row for row in INDEX if row["kind"] == "result"]


def only_face(pipeline: FusionPipeline, file: str) -> Face:
    (face,) = pipeline.find_faces(read_photo(READY / file, "target"))
    return face


def test_the_index_lists_the_files() -> None:
    files = {path.relative_to(READY).as_posix() for path in READY.rglob("*.jpg")}
    assert sorted(row["file"] for row in INDEX) == sorted(files)
    assert all(tuple(row) == COLUMNS and row["english"] and row["chinese"] for row in INDEX)
    names = {
        kind: [row["file"] for row in INDEX if row["kind"] == kind] for kind in ("target", "face")
    }
    assert names["target"] == [f"{recipe.name}.jpg" for recipe in TARGETS]
    assert names["face"] == [f"{recipe.name}.jpg" for recipe in FACES]
    pairs = [(f"{target}.jpg", f"{face}.jpg") for target, face in PAIRS]
    assert [(row["target"], row["face"]) for row in RESULTS] == pairs
    assert sorted(row["target"] for row in RESULTS) == sorted(names["target"])


def test_the_folder_is_light() -> None:
    sizes = [path.stat().st_size for path in READY.rglob("*.jpg")]
    assert max(sizes) < 150_000 and sum(sizes) < 2_000_000


@pytest.mark.parametrize("row", INDEX, ids=lambda row: row["file"])
def test_each_picture_says_that_it_is_generated(row: dict[str, str]) -> None:
    with Image.open(READY / row["file"]) as picture:
        assert picture.size == (WIDTH, HEIGHT)
        assert SOURCE_TYPE.encode() in picture.info["xmp"]
        assert picture.info["comment"] == COMMENT.encode()


@pytest.mark.parametrize("file", PHOTOS)
def test_each_photo_has_one_face_that_can_be_used(pipeline: FusionPipeline, file: str) -> None:
    face = only_face(pipeline, file)
    check_face(face, "source")
    assert is_consistent(face)
    assert face.mesh[:, :2].min() > 0
    assert face.mesh[:, 0].max() < WIDTH and face.mesh[:, 1].max() < HEIGHT


@pytest.mark.parametrize("row", RESULTS, ids=lambda row: row["file"])
def test_each_result_is_of_its_pair(pipeline: FusionPipeline, row: dict[str, str]) -> None:
    source, target = (only_face(pipeline, row[role]) for role in ("face", "target"))
    check_pair(source, target)
    before, after = (read_photo(READY / row[name], "target") for name in ("target", "file"))
    difference = np.abs(before.astype(int) - after).mean(2)
    left, top, right, bottom = target.detection.box.astype(int)
    assert difference[top:bottom, left:right].mean() > 5
    # Only JPEG changes the lower left corner.
    assert difference[-80:, : WIDTH // 8].mean() < 3


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
@pytest.mark.parametrize("row", RESULTS, ids=lambda row: row["file"])
def test_the_mark_has_a_free_corner(
    pipeline: FusionPipeline, row: dict[str, str], text: str
) -> None:
    """The page need not look for the face to mark a result."""
    result = read_photo(READY / row["file"], "target")
    box = only_face(pipeline, row["file"]).detection.box
    np.testing.assert_array_equal(marked(result, text), marked(result, text, faces=[box]))


def test_no_photo_is_an_image_of_the_data_set() -> None:
    recipes = (*TARGETS, *FACES)
    assert all(recipe.photo != recipe.face for recipe in recipes)
    # A result that puts a person's face back into their own photo would be that image again.
    assert not {recipe.photo for recipe in TARGETS} & {recipe.face for recipe in FACES}
    by_name = {recipe.name: recipe for recipe in recipes}
    assert all(by_name[target].face != by_name[face].face for target, face in PAIRS)


def test_only_training_images_are_used(pipeline: FusionPipeline, tmp_path: Path) -> None:
    recipe = TARGETS[0]
    rows = f"file,split\n{recipe.photo},train\n{recipe.face},val\n"
    (tmp_path / "faces.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(ValueError, match=f"not in the training split: {recipe.face}"):
        make_photo(pipeline, tmp_path, recipe)


def test_a_section_is_mirrored_and_keeps_its_shape() -> None:
    photo = np.zeros((1000, 1000, 3), np.uint8)
    photo[:500, :500] = 200  # top left, so top right once mirrored
    section = framed(photo, (0.25, 0.0, 0.5))
    assert section.shape == (HEIGHT, WIDTH, 3)
    assert section[: HEIGHT // 2, WIDTH // 2 + 2 :].min() > 150
    assert section[:, : WIDTH // 2 - 2].max() < 50


def test_grading_changes_brightness_and_warmth() -> None:
    photo = np.full((4, 4, 3), 100, np.uint8)
    np.testing.assert_array_equal(graded(photo, 1.0, 0.0), photo)
    assert graded(photo, 0.9, 0.0).min() > 100
    red, _, blue = graded(photo, 1.0, 0.05)[0, 0]
    assert red > 100 > blue
