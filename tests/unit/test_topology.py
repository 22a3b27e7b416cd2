"""The numbering of the mesh, as the rest of the code relies on it."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.geometry import topology


def test_every_group_names_different_points_of_the_mesh() -> None:
    groups = [
        value
        for name, value in vars(topology).items()
        if name.isupper() and isinstance(value, tuple) and name != "FIVE_POINT_GROUPS"
    ]
    assert len(groups) == 11
    points = [point for group in groups for point in group]
    assert len(points) == len(set(points))
    assert min(points) >= 0 and max(points) < topology.MESH_POINTS
    assert sorted(points) == sorted(topology.WARP_POINTS)


def test_five_points_are_in_the_order_of_arcface(make_mesh) -> None:
    left_eye, right_eye, nose, left_mouth, right_mouth = topology.five_points(
        make_mesh((100, 100), 100)
    )
    np.testing.assert_allclose(left_eye, [83, 88], atol=0.5)
    np.testing.assert_allclose(right_eye, [117, 88], atol=0.5)
    np.testing.assert_allclose(left_mouth, [87, 124], atol=0.5)
    np.testing.assert_allclose(right_mouth, [113, 124], atol=0.5)
    assert nose[0] == pytest.approx(100, abs=1e-3) and 88 < nose[1] < 124


def test_eye_distance_grows_with_the_face_and_not_with_roll(make_mesh) -> None:
    assert topology.eye_distance(make_mesh(height=100)) == pytest.approx(34, abs=0.1)
    assert topology.eye_distance(make_mesh(height=200, roll=40)) == pytest.approx(68, abs=0.2)
