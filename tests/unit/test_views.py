"""Settling: what the mesh network sees on the warped face is brought to what it saw on the target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facefusion import views
from facefusion.geometry.align import transform_points
from facefusion.geometry.pose import pose_degrees
from facefusion.geometry.topology import five_points
from facefusion.geometry.warp import MeshWarp
from facefusion.types import Detection, Face


class ShiftedEye:
    """A mesh network that sees the warped face `shift` pixels away from where it should be."""

    def __init__(self, shift: tuple[float, float]) -> None:
        self.shift = np.array([*shift, 0], np.float32)

    def measure(self, photo: np.ndarray, near: np.ndarray) -> np.ndarray:
        return near + self.shift


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, -2.0)])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_settle_takes_back_a_share_of_what_is_seen(
    make_mesh: Any, make_photo: Any, shift: tuple[float, float], share: float
) -> None:
    size = views.SETTLE_SIZE
    photo = make_photo(size, size)
    mesh = make_mesh((size / 2, size / 2), 0.6 * size)
    box = np.concatenate([mesh[:, :2].min(0), mesh[:, :2].max(0)])
    face = Face(Detection(box, 0.9, five_points(mesh)), mesh, *pose_degrees(mesh))
    warp = MeshWarp(mesh, size)
    unmoved = np.array([[1.0, 0, 0], [0, 1, 0]])
    eye: Any = ShiftedEye(shift)
    settled = views.settle(warp, photo, mesh, photo, face, unmoved, eye, share, np.zeros((1, 1), np.float32))
    expected = mesh + share * np.array([*shift, 0])
    # Source and target are one photo here: what is seen shifted comes from as far away in the source.
    np.testing.assert_allclose(settled[:, :2], expected[:, :2], atol=0.15)
    np.testing.assert_array_equal(settled[:, 2], transform_points(mesh, unmoved)[:, 2])
