"""The hidden half of a turned face comes from its mirrored visible half."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facefusion.geometry.symmetry import hidden_turn, mirror_opacity
from facefusion.geometry.warp import MeshWarp

SIZE = 128


def face(make_mesh: Any, yaw: float) -> np.ndarray:
    return make_mesh((63.5, 63.5), 76.0, yaw=yaw)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (0, 0, 0),
        (30, 0, 30),
        (-30, 0, -30),
        (30, 30, 0),
        (0, 35, 0),
        (0, -35, 0),
        (30, -10, 40),
        (10, -30, 20),
        (30, 40, 0),
    ],
)
def test_what_the_source_hides_and_the_target_shows(
    make_mesh: Any, source: float, target: float, expected: float
) -> None:
    assert hidden_turn(face(make_mesh, source), face(make_mesh, target)) == pytest.approx(
        expected, abs=1.5
    )


@pytest.mark.parametrize("turn", [30.0, -30.0])
@pytest.mark.parametrize("triangles", [True, False])
def test_the_hidden_half_is_taken_from_the_mirror_and_the_other_is_not(
    make_mesh: Any, turn: float, triangles: bool
) -> None:
    mesh = face(make_mesh, 0)
    opacity = mirror_opacity(MeshWarp(mesh, SIZE, triangles=triangles), mesh, turn, SIZE)
    assert opacity.shape == (SIZE, SIZE) and opacity.min() >= 0 and opacity.max() <= 1
    hidden, seen = (slice(85, 92), slice(35, 42))[:: 1 if turn > 0 else -1]
    assert opacity[50:80, hidden].min() > 0.9
    assert opacity[50:80, seen].max() == 0
    assert opacity[50:80, 62:65].max() < 0.05  # the nose is the source's own


def test_a_small_turn_takes_nothing_and_a_larger_one_comes_in_slowly(make_mesh: Any) -> None:
    mesh = face(make_mesh, 0)
    warp = MeshWarp(mesh, SIZE)
    most = [mirror_opacity(warp, mesh, turn, SIZE).max() for turn in (0.0, 10.0, 16.0, 22.0, 40.0)]
    assert most[:2] == [0, 0] and 0 < most[2] < most[3] < most[4] <= 1
