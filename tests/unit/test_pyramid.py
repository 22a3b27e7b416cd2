"""A pyramid whose finest level is measured at some pixels and made in strips is still the
pyramid.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.compose.grain import Brightness
from facefusion.compose.plan import Plan
from facefusion.compose.pyramid import (
    Gains,
    Pyramid,
    Upsampling,
    laplacian,
    rebuilt,
    smoothing_for,
    steps_for,
    subsampled,
)

SHAPES = [(64, 48), (101, 98), (98, 101), (203, 65)]
STEPS = 3
EVEN = Brightness(np.ones(256, np.float32))


def _photo(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    coarse = cv2.resize(
        rng.integers(60, 190, (7, 7, 3), dtype=np.uint8), shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    return np.clip(coarse + rng.normal(0, 12, (*shape, 3)), 0, 255).astype(np.uint8)


def _plan(gains: list[Gains], features: np.ndarray, smoothing: list[float]) -> Plan:
    shares = [np.ascontiguousarray(features[:: 1 << k, :: 1 << k]) for k in range(len(gains))]
    return Plan(gains, smoothing, [], shares, EVEN, (0, 0))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_photo_is_rebuilt_bit_by_bit(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    photo = _photo(rng, shape)
    plan = _plan([(1.0, 1.0)] * STEPS, np.zeros(shape, np.float32), [0.0] * STEPS)
    np.testing.assert_array_equal(plan.applied(Pyramid.of(photo, STEPS)), photo)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("smoothing", [[0.0, 0.0, 0.0], [1.2, 0.7, 0.0]])
def test_strips_give_what_the_whole_gives(
    rng: np.random.Generator, shape: tuple[int, int], smoothing: list[float]
) -> None:
    photo, gains = _photo(rng, shape), [(0.2, 0.6), (0.5, 1.1), (1.2, 1.2)]
    features = np.zeros(shape, np.float32)
    features[shape[0] // 4 : shape[0] // 2, 5:40] = 1
    plan = _plan(gains, features, smoothing)
    whole = rebuilt(laplacian(photo.astype(np.float32), STEPS), gains, plan.features, smoothing)
    assert np.abs(plan.applied(Pyramid.of(photo, STEPS)) - np.clip(whole, 0, 255)).max() < 1.2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [0.0, 0.8])
def test_filters_on_the_coarser_grid_are_the_enlargement(
    rng: np.random.Generator, shape: tuple[int, int], sigma: float
) -> None:
    half = rng.random(((shape[0] + 1) // 2, (shape[1] + 1) // 2), np.float32)
    large, filters = cv2.pyrUp(half, dstsize=shape[::-1]), Upsampling.of(sigma)
    if sigma:
        large = cv2.GaussianBlur(large, (9, 9), sigma)
    inside = np.s_[5:-5, 5:-5]
    assert np.abs(filters.measured(half) - subsampled(large))[inside].max() < 2e-3
    small = cv2.sepFilter2D(
        half, cv2.CV_32F, filters.small, filters.small, borderType=cv2.BORDER_REFLECT_101
    )
    assert np.abs(small - cv2.pyrDown(large))[inside].max() < 2e-3


def test_the_finest_level_is_the_laplacians(rng: np.random.Generator) -> None:
    photo = _photo(rng, (98, 64))
    whole = laplacian(photo.astype(np.float32), 1)[0]
    inside = np.s_[4:-4, 4:-4]
    assert (
        np.abs(Pyramid.of(photo, STEPS).finest - whole[::2, 1::2])[inside].max() < 0.6
    )  # level 1 is rounded


def test_larger_faces_have_more_levels() -> None:
    assert [steps_for((2000, 2000), unit) for unit in (0.25, 1, 2, 4)] == [1, 3, 4, 5]
    assert steps_for((16, 18), 4) == 4


def test_only_attenuated_levels_are_smoothed() -> None:
    assert smoothing_for((1.0, 0.2)) == 0 and smoothing_for((0.2, 1.0)) == 0
    assert 0 < smoothing_for((0.5, 0.4)) < smoothing_for((0.1, 0.2))
