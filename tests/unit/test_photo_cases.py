"""The measures of `benchmarks.cases`, and its table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import case_measures, cases
from benchmarks.photos import cases_table
from facefusion import FusionPipeline

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    with Image.open(EXAMPLES / "portrait-1.jpg") as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture
def made(photo: np.ndarray, pipeline: FusionPipeline, tmp_path: Path) -> Any:
    """Writes a result, and returns it beside the photo."""

    def write(result: np.ndarray) -> case_measures.Made:
        source, target, path = EXAMPLES / "portrait-3.jpg", tmp_path / "a.png", tmp_path / "b.png"
        Image.fromarray(photo).save(target)
        Image.fromarray(result).save(path)
        return case_measures.Made(source, target, path, pipeline)

    return write


def test_an_unchanged_photo_is_measured_as_such(made: Any, photo: np.ndarray) -> None:
    same = made(photo)
    assert case_measures.replaced(same).startswith("0 of 1 faces replaced")
    assert case_measures.untouched((0, 0, 50, 50))(same) == "mean change there 0.0 levels"
    assert case_measures.lips(same) == "mean change of the lips 0.0 levels"
    assert case_measures.forehead(same).endswith("0% much darker than it was, 0% much lighter")
    assert case_measures.beard(same) == "texture at the chin 1.00 of the photo's"
    assert case_measures.grain(same) == "fine detail of the face 1.00 of the photo's"
    assert case_measures.light(same).startswith("cheeks: dE 0.0;")


def test_what_goes_wrong_is_seen(made: Any, photo: np.ndarray) -> None:
    box = (100, 100, 140, 140)
    grey = np.repeat(photo.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
    assert case_measures.channels(made(grey)) == "0 levels between the channels"
    grey[200, 200] = (90, 40, 40)
    assert case_measures.channels(made(grey)) == "50 levels between the channels"
    flat = np.full_like(photo, 20)
    assert case_measures.grain(made(flat)) == "fine detail of the face 0.00 of the photo's"
    assert case_measures.beard(made(flat)) == "texture at the chin 0.00 of the photo's"
    assert case_measures.forehead(made(flat)).startswith("forehead: 100% much darker")
    touched = photo.copy()
    touched[100:140, 100:140] = photo[100:140, 100:140] ^ 8
    assert (
        case_measures.untouched((0, 0, 9, 9), box)(made(touched)) == "mean change there 8.0 levels"
    )


def test_a_face_the_wrong_way_up_is_nobody(made: Any, photo: np.ndarray) -> None:
    def alike(result: np.ndarray) -> float:
        return float(case_measures.replaced(made(result)).split()[-2])

    with Image.open(EXAMPLES / "portrait-3.jpg") as image:
        other = np.asarray(image.convert("RGB").resize(photo.shape[1::-1]))
    assert alike(other) > 0.4 > alike(np.ascontiguousarray(other[::-1, ::-1]))


def test_every_photo_of_a_folder_needs_a_case(tmp_path: Path) -> None:
    for case in cases.CASES:
        for name in (case.source, case.target):
            (tmp_path / name).touch()
    assert cases.unused(tmp_path) == set()
    (tmp_path / "another.jpg").touch()
    assert cases.unused(tmp_path) == {"another.jpg"}


def test_a_failed_command_is_a_cell() -> None:
    assert cases.failure(2, ["note", "facefusion: No."]) == "exit 2, No."
    assert cases.failure(1, ["Traceback (...)", "E: x"]) == "exit 1, traceback: E: x"


def test_rows_of_the_table() -> None:
    rows = cases_table({"a -> b": {"right": "r", "after": "x"}}).splitlines()
    assert rows[-1] == "| a -> b | r |  | x |"
