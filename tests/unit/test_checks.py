"""When another photo is asked for, and which."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.errors import FaceTiltedError, FaceTooSmallError, FaceTurnedError, FusionError
from facefusion.perception.checks import (
    MAX_PITCH_DIFFERENCE,
    MAX_YAW,
    MAX_YAW_DIFFERENCE,
    MIN_EYE_DISTANCE,
    check_face,
    check_pair,
    is_usable,
)
from facefusion.types import Detection, Face

DETECTION = Detection(np.zeros(4, np.float32), 0.9, np.zeros((5, 2), np.float32))


def _face(make_mesh, *, eyes: float = 60, yaw: float = 0, pitch: float = 0) -> Face:
    return Face(DETECTION, make_mesh(height=eyes / 0.34), yaw, pitch, 0)


def test_a_good_face_passes(make_mesh) -> None:
    check_face(_face(make_mesh), "source")
    check_face(_face(make_mesh, eyes=MIN_EYE_DISTANCE + 0.5, yaw=MAX_YAW - 0.5), "target")


def test_small(make_mesh) -> None:
    with pytest.raises(FaceTooSmallError) as caught:
        check_face(_face(make_mesh, eyes=MIN_EYE_DISTANCE - 0.5), "source", number=2)
    assert (caught.value.photo, caught.value.number) == ("source", 2)


@pytest.mark.parametrize("yaw", [MAX_YAW + 1, -MAX_YAW - 1])
def test_turned(make_mesh, yaw: float) -> None:
    with pytest.raises(FaceTurnedError) as caught:
        check_face(_face(make_mesh, yaw=yaw), "target")
    assert caught.value.photo == "target"


@pytest.mark.parametrize(
    ("angle", "source", "target", "error", "named"),
    [
        ("yaw", 40, -20, FaceTurnedError, "source"),
        ("yaw", -10, 42, FaceTurnedError, "target"),
        ("yaw", -30, 30, FaceTurnedError, "source"),
        ("pitch", 14, -43, FaceTiltedError, "target"),
        ("pitch", -30, 12, FaceTiltedError, "source"),
        ("pitch", 40, -1, FaceTiltedError, "source"),
    ],
)
def test_a_pair_that_looks_apart_names_the_one_that_is_turned_or_tilted_more(
    make_mesh, angle: str, source: float, target: float, error: type[FusionError], named: str
) -> None:
    with pytest.raises(error) as caught:
        check_pair(_face(make_mesh, **{angle: source}), _face(make_mesh, **{angle: target}))
    assert caught.value.photo == named


def test_a_pair_that_looks_the_same_way_passes(make_mesh) -> None:
    check_pair(_face(make_mesh, yaw=45), _face(make_mesh, yaw=45 - MAX_YAW_DIFFERENCE + 1))
    check_pair(_face(make_mesh, pitch=-30), _face(make_mesh, pitch=-30 + MAX_PITCH_DIFFERENCE - 1))


@pytest.mark.parametrize(
    ("eyes", "yaw"), [(60, 0), (MIN_EYE_DISTANCE - 0.5, 0), (60, MAX_YAW + 1), (60, -MAX_YAW + 1)]
)
def test_a_usable_face_is_one_that_passes(make_mesh, eyes: float, yaw: float) -> None:
    face = _face(make_mesh, eyes=eyes, yaw=yaw)
    try:
        check_face(face, "target")
        passes = True
    except FusionError:
        passes = False
    assert is_usable(face) == passes == (eyes == 60 and abs(yaw) <= MAX_YAW)
