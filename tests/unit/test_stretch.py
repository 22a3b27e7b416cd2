"""Where a source shows too little of what the target does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facefusion.geometry.mirror import MIRROR, mirrored
from facefusion.geometry.stretch import too_oblique

#: Points beside the outline of the cheek on the left and on the right of the image, and the middle
#: of the nose.
LEFT, RIGHT, NOSE = [234, 93, 227], [454, 323, 447], [1, 4, 5]


@pytest.mark.parametrize(
    "change", [{}, {"yaw": 30}, {"pitch": -20, "roll": 40}, {"mouth_open": True}]
)
def test_a_face_shows_all_of_itself_at_any_size_and_place(
    make_mesh: Any, change: dict[str, Any]
) -> None:
    found = too_oblique(make_mesh((64, 64), 76, **change), make_mesh((500, 20), 700, **change))
    assert found.shape == (468,) and found.dtype == np.float32 and not found.any()


@pytest.mark.parametrize(("yaw", "near", "far"), [(70, LEFT, RIGHT), (-70, RIGHT, LEFT)])
def test_a_frontal_source_shows_too_little_of_a_turned_target_s_near_cheek(
    make_mesh: Any, yaw: int, near: list[int], far: list[int]
) -> None:
    found = too_oblique(make_mesh(), make_mesh(yaw=yaw))
    assert found.min() >= 0 and found.max() <= 1
    assert found[near].min() > 0.5
    assert found[far].max() == found[NOSE].max() == 0


@pytest.mark.parametrize(("yaw", "hidden", "seen"), [(45, RIGHT, LEFT), (-45, LEFT, RIGHT)])
def test_a_turned_source_shows_nothing_of_its_far_cheek(
    make_mesh: Any, yaw: int, hidden: list[int], seen: list[int]
) -> None:
    found = too_oblique(make_mesh(yaw=yaw), make_mesh())
    assert found[hidden].min() == 1 and found[seen].max() == 0


def test_the_mirror_image_shows_too_little_on_the_other_side(make_mesh: Any) -> None:
    source, target = make_mesh(yaw=40), make_mesh(yaw=-5)
    found = too_oblique(mirrored(source, 128), mirrored(target, 128))
    np.testing.assert_allclose(found, too_oblique(source, target)[MIRROR], atol=1e-5)


def test_it_comes_in_with_the_angle(make_mesh: Any) -> None:
    most = [too_oblique(make_mesh(), make_mesh(yaw=yaw)).mean() for yaw in (0, 30, 45, 60, 75)]
    assert most[0] == 0 and sorted(most) == most and most[4] > 2 * most[3] > 0
