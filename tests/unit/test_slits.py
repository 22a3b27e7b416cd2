"""Where the source's mouth or eye is open and the target's is shut, the warp jumps from edge to
edge.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.geometry import warp as warping
from facefusion.geometry.slits import SLITS, edge_meshes, jump_strength, opening, slit_window
from facefusion.geometry.topology import INNER_LIPS
from facefusion.geometry.warp import MeshWarp

SIZE = 256
MOUTH = SLITS[0]


@pytest.fixture
def shut(make_mesh) -> np.ndarray:
    return make_mesh((128, 128), 160)


@pytest.fixture
def ajar(make_mesh) -> np.ndarray:
    return make_mesh((128, 128), 160, mouth_open=True)


def _mouth(mesh: np.ndarray) -> np.ndarray:
    """A face whose mouth is red inside the lips."""
    image = np.full((SIZE, SIZE, 3), 120, np.uint8)
    cv2.fillPoly(image, [np.rint(mesh[list(INNER_LIPS), :2]).astype(np.int32)], (255, 0, 0))
    return image


def test_a_jump_is_needed_where_the_source_is_wider_open_only(
    shut: np.ndarray, ajar: np.ndarray
) -> None:
    assert opening(ajar, MOUTH) > opening(shut, MOUTH) + 0.1
    assert jump_strength(ajar, shut, MOUTH) == 1
    assert (
        jump_strength(shut, ajar, MOUTH)
        == jump_strength(shut, shut, MOUTH)
        == jump_strength(ajar, ajar, MOUTH)
        == 0
    )


@pytest.mark.parametrize("triangles", [True, False])
def test_an_open_mouth_is_shut_and_a_plain_spline_would_show_it(
    shut: np.ndarray, ajar: np.ndarray, monkeypatch: pytest.MonkeyPatch, triangles: bool
) -> None:
    image = _mouth(ajar)

    def red(triangles: bool) -> float:
        warped = MeshWarp(shut, SIZE, triangles=triangles)(image, ajar).astype(float)
        return float((warped[..., 0] - warped[..., 1]).clip(0).sum() / 255)

    closed = red(triangles)
    monkeypatch.setattr(warping, "SLITS", ())
    squeezed = red(False)
    inside = float((image[..., 0] > 200).sum())
    assert squeezed > 0.1 * inside
    assert closed < 0.5 * squeezed


def test_each_side_keeps_its_own_edge(shut: np.ndarray, ajar: np.ndarray) -> None:
    upper, lower = edge_meshes(ajar, shut, MOUTH)
    np.testing.assert_array_equal(upper[list(MOUTH.upper)], ajar[list(MOUTH.upper), :2])
    np.testing.assert_array_equal(lower[list(MOUTH.lower)], ajar[list(MOUTH.lower), :2])
    gaps = np.linalg.norm((upper - lower)[list(MOUTH.upper + MOUTH.lower)], axis=1)
    assert gaps.max() > 5  # they disagree by what lies between the lips
    away = [
        i for i in range(468) if i not in {*MOUTH.upper, *MOUTH.lower, *MOUTH.above, *MOUTH.below}
    ]
    np.testing.assert_array_equal(upper[away], lower[away])


@pytest.mark.parametrize("triangles", [True, False])
def test_the_jump_ends_near_the_slit(
    shut: np.ndarray, ajar: np.ndarray, monkeypatch: pytest.MonkeyPatch, triangles: bool
) -> None:
    window, near, below = slit_window(shut, MOUTH, SIZE)
    assert (
        near.shape
        == below.shape
        == (window[0].stop - window[0].start, window[1].stop - window[1].start)
    )
    assert (
        near.max() == 1
        and max(near[0].max(), near[-1].max(), near[:, 0].max(), near[:, -1].max()) < 0.01
    )
    assert below[0].max() == 0 and below[-1].min() == 1
    with_jump = MeshWarp(shut, SIZE, triangles=triangles).flow(ajar)
    monkeypatch.setattr(warping, "SLITS", ())
    apart = np.abs(with_jump - MeshWarp(shut, SIZE, triangles=triangles).flow(ajar)).max(-1)
    outside = np.ones((SIZE, SIZE), bool)
    outside[window] = False
    assert apart.max() > 2 and apart[outside].max() < (0.05 if triangles else 1e-9)


def test_a_slit_at_the_border_of_the_crop_is_cut_off(shut: np.ndarray, ajar: np.ndarray) -> None:
    off = np.array([0, 110, 0], np.float32)  # half of the mouth lies below the crop
    flow = MeshWarp(shut + off, SIZE).flow(ajar)
    assert flow.shape == (SIZE, SIZE, 2) and np.isfinite(flow).all()
    window, near, _ = slit_window(shut + 10 * off, MOUTH, SIZE)
    assert near.size == 0 and window[0].start == window[0].stop
