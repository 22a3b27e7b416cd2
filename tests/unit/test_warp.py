"""The mesh warp, with triangles and by the spline alone: affine changes exactly, points to points,
two pixel conventions.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.geometry.topology import INNER_LIPS, LEFT_EYE, NOSE, OUTER_LIPS, OVAL, RIGHT_EYE
from facefusion.geometry.warp import MeshWarp

SIZE = 128
#: The lattice is upsampled with repeated borders, so the outermost cells are not exact; no face
#: reaches them.
INNER = slice(12, -12)
BOTH = pytest.mark.parametrize("triangles", [True, False])


def _straight(found: np.ndarray, expected: np.ndarray, atol: float, *, triangles: bool) -> None:
    """A flow is what it should be: everywhere, or but for pixels at which a triangle is thinner
    than a pixel.
    """
    error = np.abs(found - expected).max(-1)
    assert (error > atol).mean() < (0.004 if triangles else 1e-9)
    assert np.median(error) < 1e-3 and error.max() < (8 if triangles else atol)


def _grid(size: int) -> np.ndarray:
    """Pixels of the crop at `size` in pixels of the crop at SIZE."""
    steps = (np.arange(size) + 0.5) * SIZE / size - 0.5
    return np.stack(np.meshgrid(steps, steps), axis=-1)


@BOTH
@pytest.mark.parametrize("size", [128, 256, 384])
def test_a_mesh_onto_itself_is_the_identity(make_mesh, size: int, triangles: bool) -> None:
    mesh = make_mesh()
    flow = MeshWarp(mesh, SIZE, triangles=triangles).flow(mesh, size)
    assert flow.shape == (size, size, 2)
    inner = slice(12 * size // SIZE, -12 * size // SIZE)
    _straight(flow[inner, inner], _grid(size)[inner, inner], 0.02, triangles=triangles)


@BOTH
def test_the_identity_leaves_the_image(make_mesh, make_photo, triangles: bool) -> None:
    mesh, image = make_mesh(), make_photo(SIZE, SIZE)
    warped = MeshWarp(mesh, SIZE, triangles=triangles)(image, mesh)
    apart = np.abs(warped[INNER, INNER].astype(int) - image[INNER, INNER])
    assert np.quantile(apart, 0.998 if triangles else 1) <= 1


@BOTH
def test_a_shift_is_a_shift(make_mesh, triangles: bool) -> None:
    mesh = make_mesh()
    flow = MeshWarp(mesh, SIZE, triangles=triangles).flow(mesh + [5, -3, 0])
    _straight(flow[INNER, INNER], (_grid(SIZE) + [5, -3])[INNER, INNER], 0.02, triangles=triangles)


@BOTH
def test_scale_and_roll_are_exact(make_mesh, triangles: bool) -> None:
    flow = MeshWarp(make_mesh(), SIZE, triangles=triangles).flow(
        make_mesh((200, 150), 190, roll=30)
    )
    scale, cos, sin = 190 / 76, np.cos(np.radians(30)), np.sin(np.radians(30))
    expected = (_grid(SIZE) - 64) @ np.array([[cos, sin], [-sin, cos]]) * scale + [200, 150]
    _straight(flow[INNER, INNER], expected[INNER, INNER], 0.05, triangles=triangles)


@BOTH
@pytest.mark.parametrize(
    "change", [{"yaw": 25}, {"pitch": -20}, {"mouth_open": True}, {"yaw": -15, "roll": 20}]
)
def test_points_come_from_where_they_are_in_the_source(
    make_mesh, change: dict, triangles: bool
) -> None:
    destination, source = make_mesh(), make_mesh((150, 140), 152, **change)  # at twice the size
    flow = MeshWarp(destination, SIZE, triangles=triangles).flow(source)
    named = list(
        {*LEFT_EYE, *RIGHT_EYE, *NOSE, *OUTER_LIPS}
        - ({*INNER_LIPS} if "mouth_open" in change else set())
    )
    found = cv2.remap(flow, destination[named][None, :, :2].copy(), None, cv2.INTER_LINEAR)[0]
    error = np.hypot(*(found - source[named, :2]).T)
    assert error.mean() < 0.75
    assert error.max() < 4  # the lattice is coarser than the nose is thin


@BOTH
def test_an_image_is_carried_with_its_points(make_mesh, triangles: bool) -> None:
    destination, source = make_mesh(), make_mesh((60, 70), 80, yaw=20)
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    pupil = source[list(LEFT_EYE), :2].mean(0)
    cv2.circle(image, tuple(np.rint(pupil).astype(int).tolist()), 3, (255, 255, 255), -1)
    warped = MeshWarp(destination, SIZE, triangles=triangles)(image, source)[..., 0].astype(float)
    y, x = np.mgrid[:SIZE, :SIZE]
    centre = [(warped * axis).sum() / warped.sum() for axis in (x, y)]
    np.testing.assert_allclose(centre, destination[list(LEFT_EYE), :2].mean(0), atol=1)


def test_closed_lips_do_not_fold_an_open_mouth(make_mesh) -> None:
    flow = MeshWarp(make_mesh(), SIZE).flow(make_mesh(mouth_open=True))
    face = flow[24:104, 34:94]
    assert np.isfinite(flow).all()
    assert (np.diff(face[..., 0], axis=1) > 0).mean() > 0.99


@pytest.mark.parametrize("degrees", [35, -35])
def test_the_far_side_of_a_turned_nose_disappears_behind_its_ridge(make_mesh, degrees: int) -> None:
    source = make_mesh((64, 64), 90)
    source[list(NOSE[:10]), 2] -= 14
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    destination = source.copy()
    destination[:, 0] = 64 + cos * (source[:, 0] - 64) - sin * source[:, 2]
    destination[:, 2] = sin * (source[:, 0] - 64) + cos * source[:, 2]
    tip, sense = np.rint(destination[4]).astype(int), np.sign(degrees)
    row = slice(tip[0] - 8, tip[0] + 8)
    drawn, spline = (
        MeshWarp(destination, SIZE, triangles=each).flow(source)[tip[1], row, 0]
        for each in (True, False)
    )
    steps = np.diff(drawn)
    assert steps.min() > -0.1 and steps.max() > 8  # from the ridge to the cheek at once
    assert np.diff(spline).min() < -0.5  # a spline folds there
    assert sense * (drawn[::sense][0] - 64) < 1


def test_outside_of_the_mesh_and_around_the_eyes_the_spline_warps(make_mesh) -> None:
    destination, source = make_mesh(), make_mesh((66, 60), 80, yaw=12)
    drawn, spline = (
        MeshWarp(destination, SIZE, triangles=triangles).flow(source) for triangles in (True, False)
    )
    apart = np.linalg.norm(drawn - spline, axis=-1)
    x, y = np.rint(destination[list(LEFT_EYE), :2].mean(0)).astype(int)
    oval = destination[list(OVAL), :2]
    outside = cv2.fillPoly(np.ones((SIZE, SIZE), np.uint8), [np.rint(oval).astype(np.int32)], 0)
    outside = cv2.erode(outside, np.ones((5, 5), np.uint8)) > 0
    assert apart[outside].max() < 1e-4 and apart[y, x] < 1e-3 and apart.max() > 0.3


def test_the_seam_between_triangles_and_spline_is_soft(make_mesh) -> None:
    destination, source = make_mesh(), make_mesh((64, 64), 76, yaw=35)
    flow = MeshWarp(destination, SIZE, triangles=True).flow(source, 256)
    x = round(2 * destination[list(OVAL), 0].max())
    steps = np.abs(np.diff(flow[128, x - 12 : x + 12], axis=0)).max(-1)
    assert steps.max() < 1.5


def test_flows_are_computed_at_one_side_and_interpolated_from_it(make_mesh) -> None:
    destination, source = make_mesh(), make_mesh((70, 60), 90, yaw=10, roll=5)
    warp = MeshWarp(destination, SIZE, triangles=True, flow_size=192)
    assert warp.flow_size == 192
    full, small = warp.flow(source, 192), warp.flow(source, 96)
    np.testing.assert_allclose(small, full.reshape(96, 2, 96, 2, 2).mean((1, 3)), atol=1e-4)
    plain = MeshWarp(destination, SIZE)
    assert warp.nbytes > plain.nbytes + 192**2 * 5 and plain.nbytes > 0


@BOTH
def test_what_the_points_carry_is_spread_over_the_crop(make_mesh, triangles: bool) -> None:
    mesh = make_mesh()
    values = np.stack([mesh[:, 0] / 2 + 3, np.full(468, 0.25)], axis=1)
    spread = MeshWarp(mesh, SIZE, triangles=triangles).spread(values, 192)
    steps = (np.arange(192) + 0.5) * SIZE / 192 - 0.5
    assert spread.shape == (192, 192, 2)
    np.testing.assert_allclose(spread[96, 20:-20, 0], steps[20:-20] / 2 + 3, atol=0.02)
    np.testing.assert_allclose(spread[20:-20, 20:-20, 1], 0.25, atol=1e-3)
