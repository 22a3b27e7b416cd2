"""Which mesh point mirrors which."""

from __future__ import annotations

from typing import Any

import numpy as np

from facefusion.geometry import topology
from facefusion.geometry.mirror import MIRROR, mirrored
from facefusion.geometry.topology import five_points


def test_mirroring_twice_changes_nothing() -> None:
    np.testing.assert_array_equal(MIRROR[MIRROR], np.arange(topology.MESH_POINTS))
    points = np.random.default_rng(0).uniform(0, 99, (468, 3))
    np.testing.assert_allclose(mirrored(mirrored(points, 100), 100), points)


def test_parts_of_the_face_mirror_their_counterparts() -> None:
    for left, right in (
        (topology.LEFT_EYE, topology.RIGHT_EYE),
        (topology.LEFT_BROW, topology.RIGHT_BROW),
    ):
        assert sorted(MIRROR[list(left)]) == sorted(right)
    for whole in (topology.OVAL, topology.OUTER_LIPS, topology.INNER_LIPS):
        assert sorted(MIRROR[list(whole)]) == sorted(whole)
    for middle in (1, 4, 10, 152, 168, 13, 14, 17):
        assert MIRROR[middle] == middle


def test_a_symmetric_face_is_its_own_mirror_image(make_mesh: Any) -> None:
    mesh = make_mesh((49.5, 49.5), 70.0)
    np.testing.assert_allclose(five_points(mirrored(mesh, 100)), five_points(mesh), atol=0.1)
    turned = make_mesh((49.5, 49.5), 70.0, yaw=20.0)
    np.testing.assert_allclose(
        five_points(mirrored(turned, 100)),
        five_points(make_mesh((49.5, 49.5), 70.0, yaw=-20.0)),
        atol=0.1,
    )
