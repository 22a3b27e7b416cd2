"""Photos that cannot be used: the right reason, for the right photo."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from facefusion import FusionPipeline
from facefusion.errors import EmptyPhotoError, FaceTooSmallError, NoFaceError, UnreadablePhotoError

FACELESS = {
    "noise": np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8),
    "grey": np.full((300, 400, 3), 128, np.uint8),
    "black": np.zeros((300, 400, 3), np.uint8),
    "white": np.full((64, 64, 3), 255, np.uint8),
    "coffee": skimage.data.coffee(),
    "text": skimage.data.page(),
    "cat": skimage.data.chelsea(),
    "one pixel": np.full((1, 1, 3), 90, np.uint8),
    "wide line": np.full((2, 3000, 3), 90, np.uint8),
    "high line": np.full((3000, 2, 3), 90, np.uint8),
}


@pytest.mark.parametrize("photo", FACELESS.values(), ids=FACELESS)
def test_no_face(pipeline: FusionPipeline, astronaut: np.ndarray, photo: np.ndarray) -> None:
    with pytest.raises(NoFaceError) as caught:
        pipeline(photo, astronaut)
    assert (caught.value.photo, caught.value.number) == ("source", None)
    with pytest.raises(NoFaceError) as caught:
        pipeline(astronaut, photo)
    assert (caught.value.photo, caught.value.number) == ("target", None)


def test_no_face_in_the_second_of_two(pipeline: FusionPipeline, astronaut: np.ndarray) -> None:
    with pytest.raises(NoFaceError) as caught:
        pipeline([astronaut, FACELESS["coffee"]], astronaut)
    assert (caught.value.photo, caught.value.number) == ("source", 2)
    assert str(caught.value).startswith("The face photo 2 shows no face")


def test_too_small_a_face(pipeline: FusionPipeline, astronaut: np.ndarray) -> None:
    tiny = cv2.resize(astronaut, (128, 128), interpolation=cv2.INTER_AREA)  # 11 px between the eyes
    with pytest.raises(FaceTooSmallError) as caught:
        pipeline(tiny, astronaut)
    assert caught.value.photo == "source"
    with pytest.raises(FaceTooSmallError) as caught:
        pipeline(astronaut, tiny)
    assert caught.value.photo == "target"


def test_what_is_no_photo(pipeline: FusionPipeline, astronaut: np.ndarray) -> None:
    with pytest.raises(EmptyPhotoError, match="target photo"):
        pipeline(astronaut, None)
    with pytest.raises(UnreadablePhotoError, match="face photo"):
        pipeline(np.full((50, 50, 3), np.nan), astronaut)


def test_the_pipeline_still_works_after_errors(
    pipeline: FusionPipeline, astronaut: np.ndarray, guest: np.ndarray
) -> None:
    before = pipeline(guest, astronaut).image
    with pytest.raises(NoFaceError):
        pipeline(FACELESS["noise"], astronaut)
    np.testing.assert_array_equal(pipeline(guest, astronaut).image, before)
