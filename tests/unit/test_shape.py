"""The target's face shape moves towards the source's, expression held, and the photo bends with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facefusion.geometry import topology
from facefusion.geometry.align import FUSION_FACE_SHARE, mesh_crop_transform
from facefusion.geometry.shape import (
    EXPRESSION_POINTS,
    LARGEST_MOVE,
    LATTICE,
    blend_shape,
    in_pose_of,
    warp_photo,
)


def wider(mesh: np.ndarray, share: float) -> np.ndarray:
    """The same face with a wider or narrower outline; what makes the expression stays."""
    changed = mesh.copy()
    rest = np.setdiff1d(np.arange(len(mesh)), EXPRESSION_POINTS)
    middle = mesh[:, 0].mean()
    changed[rest, 0] = middle + (mesh[rest, 0] - middle) * (1 + share)
    return changed


def width(mesh: np.ndarray) -> float:
    return float(np.ptp(mesh[list(topology.OVAL), 0]))


def test_a_mesh_in_another_pose_size_and_place_lies_on_itself(make_mesh: Any) -> None:
    turned = make_mesh((300, 200), 200, yaw=25, pitch=-10, roll=30)
    front = make_mesh((60, 50), 80)
    np.testing.assert_allclose(in_pose_of(turned, front), front, atol=0.5)


def test_the_same_shape_moves_nothing(make_mesh: Any) -> None:
    front = make_mesh((100, 100), 120)
    moved = blend_shape(make_mesh((50, 80), 70, yaw=20, roll=-15), front, 1.0)
    np.testing.assert_allclose(moved, front, atol=0.8)


@pytest.mark.parametrize("share", [-0.08, 0.08])
def test_the_outline_follows_the_source_as_far_as_asked_and_the_expression_holds(
    make_mesh: Any, share: float
) -> None:
    target = make_mesh((100, 100), 120)
    source = wider(make_mesh((60, 60), 90), share)
    moves = [
        (width(blend_shape(source, target, amount)) / width(target) - 1) / share
        for amount in (0.0, 0.5, 1.0)
    ]
    assert moves[0] == 0 and 0.2 < moves[1] < moves[2] < 1.1
    moved = blend_shape(source, target, 1.0)
    np.testing.assert_array_equal(moved[list(EXPRESSION_POINTS)], target[list(EXPRESSION_POINTS)])


def test_no_point_moves_further_than_is_believable(make_mesh: Any) -> None:
    target = make_mesh((100, 100), 120)
    moved = blend_shape(wider(target, 0.8), target, 1.0)
    assert np.linalg.norm((moved - target)[:, :2], axis=1).max() <= 1.001 * LARGEST_MOVE * width(
        target
    )


def test_an_open_mouth_is_no_longer_chin(make_mesh: Any) -> None:
    target, gaping = make_mesh((100, 100), 120), make_mesh((100, 100), 120)
    jaw = gaping[:, 1] > gaping[list(topology.INNER_LIPS), 1].mean()
    gaping[jaw, 1] += 6
    moved = blend_shape(gaping, target, 1.0)
    assert abs(moved[152, 1] - target[152, 1]) < 2.5


def test_the_photo_bends_where_the_face_is_and_nowhere_else(
    make_mesh: Any, make_photo: Any
) -> None:
    photo = make_photo(300, 320)
    mesh = make_mesh((150, 140), 120, roll=10)
    moved = blend_shape(wider(mesh, 0.1), mesh, 1.0)
    matrix = mesh_crop_transform(mesh, FUSION_FACE_SHARE, LATTICE)
    before = photo.copy()
    result, touched = warp_photo(photo, mesh, moved, matrix)
    np.testing.assert_array_equal(photo, before)
    np.testing.assert_array_equal(result[touched == 0], photo[touched == 0])
    assert 0.05 < touched.mean() < 0.5 and touched[:20].max() == touched[-20:].max() == 0
    # What was at a cheek is where the cheek has gone.
    for point in (454, 234):
        x, y = mesh[point, :2].round().astype(int)
        u, v = moved[point, :2].round().astype(int)
        assert abs(u - x) >= 2
        assert (
            np.abs(result[v, u].astype(int) - photo[y, x]).mean()
            < np.abs(photo[v, u].astype(int) - photo[y, x]).mean()
        )


def test_a_face_at_the_photos_edge_bends_too(make_mesh: Any, make_photo: Any) -> None:
    photo = make_photo(100, 90)
    mesh = make_mesh((20, 30), 100)
    moved = blend_shape(wider(mesh, 0.1), mesh, 1.0)
    result, touched = warp_photo(
        photo, mesh, moved, mesh_crop_transform(mesh, FUSION_FACE_SHARE, LATTICE)
    )
    assert result.shape == photo.shape and touched.any()
    unmoved, none = warp_photo(
        photo, mesh, mesh, mesh_crop_transform(mesh, FUSION_FACE_SHARE, LATTICE)
    )
    np.testing.assert_array_equal(unmoved, photo)
    assert not none.any()


def test_a_photo_larger_than_opencv_samples_bends_as_any_other(
    make_mesh: Any, make_photo: Any
) -> None:
    mesh = make_mesh((150, 110), 120)
    moved = blend_shape(wider(make_mesh((60, 60), 90), 0.08), mesh, 1.0)
    to_crop = mesh_crop_transform(mesh, FUSION_FACE_SHARE, LATTICE)
    small = make_photo(220, 300)
    photo = np.zeros((220, 33000, 3), np.uint8)
    photo[:, :300] = small
    for large, same in zip(
        warp_photo(photo, mesh, moved, to_crop),
        warp_photo(small, mesh, moved, to_crop),
        strict=True,
    ):
        np.testing.assert_array_equal(large[:, :300], same)
        assert not large[:, 300:].any() and large.any()
