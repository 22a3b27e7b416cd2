"""A movement is found by the gradients that it takes, in its direction and of its length."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.compose.bands import Zones
from facefusion.compose.motion import Motion, gradients_of, motion_of
from facefusion.compose.pyramid import Pyramid

SHAPE, STEPS = (260, 240), 4


def _person(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = [
        cv2.GaussianBlur(rng.standard_normal(SHAPE).astype(np.float32), (0, 0), sigma)
        for sigma in (1, 2, 4, 8)
    ]
    luma = 130 + sum(12 * part / part.std() for part in parts)
    return np.clip(luma[..., None] * [1.0, 0.9, 0.8], 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def zones() -> Zones:
    everywhere = np.ones(SHAPE, np.float32)
    return Zones.of(everywhere, np.zeros(SHAPE, np.float32), everywhere, STEPS)


def _found(target: np.ndarray, face: np.ndarray, zones: Zones) -> Motion | None:
    return motion_of(gradients_of(Pyramid.of(target, STEPS), zones), Pyramid.of(face, STEPS), zones)


@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
@pytest.mark.parametrize("length", [12, 21, 30])
def test_direction_and_length_are_found(zones: Zones, degrees: float, length: float) -> None:
    along = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)
    target = Motion(along, length).applied(_person(1))
    found = _found(target, _person(2), zones)
    assert found is not None
    assert abs(float(found.along @ along)) > np.cos(np.radians(10))
    assert 0.6 * length < found.length < 1.7 * length


@pytest.mark.parametrize("change", [lambda p: p, lambda p: cv2.GaussianBlur(p, (0, 0), 3)])
def test_where_nothing_moved_none_is_found(zones: Zones, change) -> None:
    assert _found(change(_person(1)), _person(2), zones) is None


def test_a_window_without_the_level_tells_nothing() -> None:
    everywhere = np.ones((24, 24), np.float32)
    zones = Zones.of(everywhere, 0 * everywhere, everywhere, 1)
    np.testing.assert_array_equal(
        gradients_of(Pyramid.of(_person(1)[:24, :24], 1), zones), np.eye(2)
    )


def test_the_kernel_is_a_line() -> None:
    kernel = Motion(np.array([0.6, 0.8], np.float32), 10).kernel()
    assert kernel.sum() == pytest.approx(1)
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6)
    rows, columns = np.indices(kernel.shape) - len(kernel) // 2
    spread = np.array([[(kernel * a * b).sum() for b in (columns, rows)] for a in (columns, rows)])
    values, vectors = np.linalg.eigh(spread)
    assert values[1] == pytest.approx(100 / 12, rel=0.1) and values[0] < 0.3
    assert abs(vectors[:, 1] @ [0.6, 0.8]) > 0.999
    edge = np.zeros((40, 40, 3), np.uint8)
    edge[:, 20:] = 200
    np.testing.assert_array_equal(Motion(np.array([0, 1], np.float32), 9).applied(edge), edge)
