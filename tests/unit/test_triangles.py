"""The mesh's triangles: a closed patch that faces the camera, drawn with the nearest on top."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from facefusion.geometry.topology import NOSE, OVAL
from facefusion.geometry.triangles import TRIANGLES, MeshRaster, signed_area

SIZE = 128
#: (3, 2) columns of an affine map: x and y times these, and a shift.
AFFINE = np.array([[1.3, -0.4], [0.2, 0.9], [-17.0, 31.0]], np.float32)


def affine(points: np.ndarray) -> np.ndarray:
    """(N, 2) points under `AFFINE`."""
    return np.asarray(points[:, :2] @ AFFINE[:2] + AFFINE[2])


def pixels(raster: MeshRaster, size: int = SIZE) -> np.ndarray:
    """(N, 2) x and y of the covered pixels in pixels of the crop of `SIZE`."""
    rows, columns = np.nonzero(raster.covered)
    return np.asarray((np.stack([columns, rows], axis=1) + 0.5) * SIZE / size - 0.5)


def apart(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(N,) distances."""
    return np.asarray(np.linalg.norm(found - expected, axis=1))


def test_the_triangles_are_one_surface_with_one_rim() -> None:
    assert TRIANGLES.shape == (890, 3) and set(TRIANGLES.ravel().tolist()) == set(range(468))
    edges = [
        (int(a), int(b))
        for triangle in TRIANGLES
        for a, b in zip(triangle, np.roll(triangle, -1), strict=True)
    ]
    assert len(set(edges)) == len(edges)  # all are drawn the same way round
    following = dict(edge for edge in edges if edge[::-1] not in set(edges))
    rim = [10]
    while following[rim[-1]] != 10:
        rim.append(following[rim[-1]])
    assert (
        len(rim) == len(following) <= 44
    )  # of the outline's points eight have a neighbour on the rim
    assert [point for point in rim if point in OVAL] == list(OVAL)


def test_the_sign_of_an_area_says_which_way_a_triangle_looks() -> None:
    corners = np.array([[[0, 0], [4, 0], [0, 2]], [[0, 0], [0, 2], [4, 0]]])
    assert signed_area(corners).tolist() == [8, -8]


def test_a_frontal_face_looks_at_the_camera_and_the_far_cheek_of_a_turned_one_does_not(
    make_mesh: Any,
) -> None:
    assert (signed_area(make_mesh()[TRIANGLES]) > 0).all()
    turned, other = (signed_area(make_mesh(yaw=yaw)[TRIANGLES]) < 0 for yaw in (50, -50))
    x = make_mesh()[TRIANGLES][..., 0].mean(1) - 64
    assert 0.02 < turned.mean() < 0.4 and turned.mean() == pytest.approx(other.mean(), abs=0.02)
    assert x[turned].mean() * x[other].mean() < 0


@pytest.mark.parametrize("side", [96, 128, 256])
@pytest.mark.parametrize("roll", [0, 25])
def test_an_affine_map_is_carried_exactly(make_mesh: Any, side: int, roll: int) -> None:
    mesh = make_mesh(roll=roll)
    raster = MeshRaster(mesh, SIZE, side)
    carried = raster.carried(affine(mesh))
    assert raster.covered.shape == (side, side) and raster.covered.dtype == bool
    assert carried.shape == (raster.covered.sum(), 2) and carried.dtype == np.float32
    error = apart(carried, affine(pixels(raster, side)))
    assert (error < 1e-3).mean() > 0.85
    assert np.quantile(error, 0.98) < 1.5 * SIZE / side  # triangles that are thinner than a pixel


def test_any_number_of_values_is_carried(make_mesh: Any) -> None:
    mesh = make_mesh()
    raster = MeshRaster(mesh, SIZE, SIZE)
    both = raster.carried(np.concatenate([mesh, np.ones((468, 1))], axis=1))
    assert both.shape[1] == 4
    np.testing.assert_array_equal(both[:, :2], raster.carried(mesh[:, :2]))
    np.testing.assert_allclose(both[:, 3], 1, atol=1e-6)


def test_the_face_is_covered_and_nothing_else(make_mesh: Any) -> None:
    mesh = make_mesh(roll=20)
    expected = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(expected, [np.rint(mesh[list(OVAL), :2]).astype(np.int32)], 1)
    covered = MeshRaster(mesh, SIZE, SIZE).covered
    assert covered[cv2.erode(expected, np.ones((7, 7), np.uint8)) > 0].all()
    assert not covered[cv2.dilate(expected, np.ones((3, 3), np.uint8)) == 0].any()


def test_what_looks_away_is_not_drawn(make_mesh: Any) -> None:
    mesh = make_mesh()
    mesh[:, 0] = SIZE - 1 - mesh[:, 0]
    raster = MeshRaster(mesh, SIZE, SIZE)
    assert not raster.covered.any() and raster.carried(mesh).shape == (0, 3)


@pytest.mark.parametrize(("depth", "shown"), [(-40, 1), (40, 0)])
def test_the_nearest_triangle_hides_those_behind_it(make_mesh: Any, depth: int, shown: int) -> None:
    mesh, nose = make_mesh((64, 64), 100), np.zeros((468, 1))
    flat = MeshRaster(mesh, SIZE, SIZE)
    nose[list(NOSE)] = 1
    mesh[list(NOSE), 0] += 25  # the nose lies over a cheek, or under it
    mesh[list(NOSE), 2] += depth
    raster, picture = MeshRaster(mesh, SIZE, SIZE), np.zeros((SIZE, SIZE))
    picture[raster.covered] = raster.carried(nose)[:, 0]
    x, y = np.rint(mesh[[4, 1, 19]][:, :2]).astype(int).T
    np.testing.assert_array_equal(flat.covered, raster.covered)
    assert np.abs(picture[y, x] - shown).max() < 0.25
