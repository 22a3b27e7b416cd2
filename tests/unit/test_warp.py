"""The mesh warp: affine changes exactly, points to points, and the two pixel conventions."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.geometry.topology import INNER_LIPS, LEFT_EYE, NOSE, OUTER_LIPS, RIGHT_EYE
from facefusion.geometry.warp import MeshWarp

SIZE = 128
#: The lattice is upsampled with repeated borders, so the outermost cells are not exact; no face reaches them.
INNER = slice(12, -12)


def _grid(size: int) -> np.ndarray:
    """Pixels of the crop at `size` in pixels of the crop at SIZE."""
    steps = (np.arange(size) + 0.5) * SIZE / size - 0.5
    return np.stack(np.meshgrid(steps, steps), axis=-1)


@pytest.mark.parametrize("size", [128, 256, 384])
def test_a_mesh_onto_itself_is_the_identity(make_mesh, size: int) -> None:
    mesh = make_mesh()
    flow = MeshWarp(mesh, SIZE).flow(mesh, size)
    assert flow.shape == (size, size, 2)
    inner = slice(12 * size // SIZE, -12 * size // SIZE)
    np.testing.assert_allclose(flow[inner, inner], _grid(size)[inner, inner], atol=0.02)


def test_the_identity_leaves_the_image(make_mesh, make_photo) -> None:
    mesh, image = make_mesh(), make_photo(SIZE, SIZE)
    warped = MeshWarp(mesh, SIZE)(image, mesh)
    assert np.abs(warped[INNER, INNER].astype(int) - image[INNER, INNER]).max() <= 1


def test_a_shift_is_a_shift(make_mesh) -> None:
    mesh = make_mesh()
    flow = MeshWarp(mesh, SIZE).flow(mesh + [5, -3, 0])
    np.testing.assert_allclose(flow[INNER, INNER], (_grid(SIZE) + [5, -3])[INNER, INNER], atol=0.02)


def test_scale_and_roll_are_exact(make_mesh) -> None:
    flow = MeshWarp(make_mesh(), SIZE).flow(make_mesh((200, 150), 190, roll=30))
    scale, cos, sin = 190 / 76, np.cos(np.radians(30)), np.sin(np.radians(30))
    expected = (_grid(SIZE) - 64) @ np.array([[cos, sin], [-sin, cos]]) * scale + [200, 150]
    np.testing.assert_allclose(flow[INNER, INNER], expected[INNER, INNER], atol=0.05)


@pytest.mark.parametrize("change", [{"yaw": 25}, {"pitch": -20}, {"mouth_open": True}, {"yaw": -15, "roll": 20}])
def test_points_come_from_where_they_are_in_the_source(make_mesh, change: dict) -> None:
    destination, source = make_mesh(), make_mesh((150, 140), 152, **change)  # at twice the size
    flow = MeshWarp(destination, SIZE).flow(source)
    named = list({*LEFT_EYE, *RIGHT_EYE, *NOSE, *OUTER_LIPS} - ({*INNER_LIPS} if "mouth_open" in change else set()))
    found = cv2.remap(flow, destination[named][None, :, :2].copy(), None, cv2.INTER_LINEAR)[0]
    error = np.hypot(*(found - source[named, :2]).T)
    assert error.mean() < 0.75
    assert error.max() < 4  # the lattice is coarser than the nose is thin


def test_an_image_is_carried_with_its_points(make_mesh) -> None:
    destination, source = make_mesh(), make_mesh((60, 70), 80, yaw=20)
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    pupil = source[list(LEFT_EYE), :2].mean(0)
    cv2.circle(image, tuple(np.rint(pupil).astype(int).tolist()), 3, (255, 255, 255), -1)
    warped = MeshWarp(destination, SIZE)(image, source)[..., 0].astype(float)
    y, x = np.mgrid[:SIZE, :SIZE]
    centre = [(warped * axis).sum() / warped.sum() for axis in (x, y)]
    np.testing.assert_allclose(centre, destination[list(LEFT_EYE), :2].mean(0), atol=1)


def test_closed_lips_do_not_fold_an_open_mouth(make_mesh) -> None:
    flow = MeshWarp(make_mesh(), SIZE).flow(make_mesh(mouth_open=True))
    face = flow[24:104, 34:94]
    assert np.isfinite(flow).all()
    assert (np.diff(face[..., 0], axis=1) > 0).mean() > 0.99
