"""Where a face may change."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.geometry.mask import (
    FOREHEAD,
    face_mask,
    feature_mask,
    mouth_openness,
    outline,
    outline_mask,
    skin_mask,
    uncovered,
    whole_skin_mask,
)
from facefusion.geometry.topology import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
)


def _ellipse_distance(size: int, mesh: np.ndarray) -> np.ndarray:
    """0 at the centre of the oval, 1 on it."""
    oval = mesh[list(OVAL), :2]
    (cx, cy), (rx, ry) = oval.mean(0), np.ptp(oval, axis=0) / 2
    y, x = np.mgrid[:size, :size]
    return np.hypot((x - cx) / rx, (y - cy) / ry)


@pytest.mark.parametrize("size", [128, 256])
def test_the_mask_is_one_inside_and_exactly_zero_outside(make_mesh, size: int) -> None:
    mesh = make_mesh((size / 2, size / 2), size * 0.6)
    mask, distance = face_mask(mesh, size), _ellipse_distance(size, mesh)
    assert mask.shape == (size, size) and mask.dtype == np.float32
    assert mask.min() == 0 and mask.max() <= 1
    assert mask[distance < 0.8].min() > 0.99
    rows = np.arange(size)[:, None] * np.ones(size)
    forehead = rows < size / 2
    assert mask[(distance > 1.2) & ~forehead].max() == 0 and mask[distance > 1.4].max() == 0


def test_the_outline_goes_on_to_the_hairline_and_nowhere_else(make_mesh) -> None:
    for roll in (0, 40):
        mesh = make_mesh(roll=roll)
        oval, found = mesh[list(OVAL), :2], outline(mesh)
        up = mesh[10, :2] - mesh[152, :2]
        moved = (found - oval) @ up / float(up @ up)  # in shares of the face's height
        height = (oval - oval.mean(0)) @ up / float(up @ up)
        assert moved[np.argmax(height)] == pytest.approx(FOREHEAD, abs=0.01)
        assert np.abs(moved[height < 0]).max() < 1e-4
        assert np.abs((found - oval) @ [-up[1], up[0]]).max() < 1e-2 * float(up @ up)


def test_the_edge_is_soft(make_mesh) -> None:
    edge = face_mask(make_mesh(), 128)[64]
    assert np.abs(np.diff(edge)).max() < 0.35
    assert ((edge > 0.05) & (edge < 0.95)).sum() >= 6


def test_an_open_mouth_is_kept(make_mesh) -> None:
    mesh = make_mesh(mouth_open=True)
    x, y = np.rint(mesh[list(INNER_LIPS), :2].mean(0)).astype(int)
    assert face_mask(mesh, 128)[y, x] < 0.05
    assert face_mask(mesh, 128, keep_mouth=False)[y, x] > 0.99
    assert face_mask(mesh, 128)[y - 10, x] > 0.95  # the lip's surroundings still change


def test_a_closed_mouth_is_replaced(make_mesh) -> None:
    mesh = make_mesh()
    x, y = np.rint(mesh[list(INNER_LIPS), :2].mean(0)).astype(int)
    assert face_mask(mesh, 128)[y, x] > 0.99


def test_mouth_openness_is_a_ratio(make_mesh) -> None:
    assert mouth_openness(make_mesh(height=50, mouth_open=True)) == pytest.approx(0.35, abs=0.01)
    assert mouth_openness(make_mesh(height=500, mouth_open=True)) == pytest.approx(0.35, abs=0.01)
    assert mouth_openness(make_mesh()) == pytest.approx(0.02, abs=0.01)


def test_a_face_over_the_crop_s_edge_is_cut(make_mesh) -> None:
    mask = face_mask(make_mesh((0, 64)), 128)
    assert mask[64, 0] > 0.99 and mask[:, 60:].max() == 0


def test_skin_has_no_eyes_brows_or_mouth(make_mesh) -> None:
    mesh = make_mesh()
    skin, distance = skin_mask(mesh, 128), _ellipse_distance(128, mesh)
    assert skin.dtype == np.float32 and skin.min() == 0 and skin.max() == 1
    for part in (LEFT_EYE, RIGHT_BROW, INNER_LIPS):
        x, y = np.rint(mesh[list(part), :2].mean(0)).astype(int)
        assert skin[y, x] == 0
    cheek_x, cheek_y = np.rint(mesh[50, :2]).astype(int)
    assert skin[cheek_y, cheek_x] == 1
    assert skin[distance > 0.85].max() == 0


def test_the_whole_skin_reaches_the_outline_and_leaves_the_features_out(make_mesh) -> None:
    mesh = make_mesh((128, 128), 153.6)
    whole, likely, distance = (
        whole_skin_mask(mesh, 256),
        skin_mask(mesh, 256),
        _ellipse_distance(256, mesh),
    )
    assert whole.dtype == np.float32 and whole.min() == 0 and whole.max() == 1
    assert (whole >= likely - 0.02).all() and whole.sum() > 1.3 * likely.sum()
    assert whole[distance > 1].max() == 0
    x, y = np.rint(mesh[454, :2] - [8, 0]).astype(int)  # beside the ear
    assert whole[y, x] == 1 and likely[y, x] == 0
    assert (whole * feature_mask(mesh, 256)).sum() < 0.02 * whole.sum()


def test_the_features_are_eyes_brows_and_lips(make_mesh) -> None:
    mesh = make_mesh((128, 128), 153.6)
    features, distance = feature_mask(mesh, 256), _ellipse_distance(256, mesh)
    assert features.dtype == np.float32 and features.min() == 0 and features.max() == 1
    for part in (LEFT_EYE, RIGHT_EYE, LEFT_BROW, RIGHT_BROW, OUTER_LIPS):
        x, y = np.rint(mesh[list(part), :2].mean(0)).astype(int)
        assert features[y, x] == 1
    for point in (4, 50, 280, 151, 199):
        x, y = np.rint(mesh[point, :2]).astype(int)
        assert features[y, x] == 0
    assert 0.03 < features[distance < 1].mean() < 0.15 and features[distance > 0.9].max() == 0


def test_the_outline_holds_the_forehead(make_mesh) -> None:
    mesh = make_mesh((128, 128), 153.6)
    whole, distance = outline_mask(mesh, 256), _ellipse_distance(256, mesh)
    assert whole.dtype == np.float32 and whole[distance < 0.97].min() == 1
    x, y = np.rint(mesh[10, :2]).astype(int)
    assert whole[y - 8, x] == 1 and whole[y - round(153.6 * FOREHEAD) - 3, x] == 0
    assert whole[140:][distance[140:] > 1.03].max() == 0


def test_what_is_covered_is_taken_out_at_any_side() -> None:
    covered = np.zeros((64, 64), np.float32)
    covered[:32], covered[40:48] = 1, 0.25
    for side in (32, 64, 192):
        left = uncovered(np.full((side, side), 0.8, np.float32), covered)
        assert left.shape == (side, side) and left.dtype == np.float32
        assert left[: side // 2 - 3].max() == 0 and left[-side // 8 :].min() == pytest.approx(0.8)
        assert left[side * 44 // 64, 0] == pytest.approx(0.6, abs=1e-5)
    assert uncovered(np.ones((8, 8), np.float32), np.full((8, 8), 1.5, np.float32)).max() == 0
