"""The networks' residual at the border of a cut is that of the face inside, not what they leave outside of
it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facefusion.compose.residual import smooth_residual
from facefusion.fusion.coarse import FusionMaps
from facefusion.perception.coverings import Coverings
from facefusion.pipeline.steps import Steps

INSIDE, OUTSIDE = 0.1, -0.8


def answer(size: int) -> FusionMaps:
    """A mask that ends softly at the middle row, and a residual that is dark where it ends."""
    row = np.arange(size, dtype=np.float32)[:, None, None] / size
    mask = np.clip((row[..., 0] - 0.5) / 0.06 + 0.5, 0, 1).repeat(size, 1)
    delta = np.where(mask[..., None] > 0.25, INSIDE, OUTSIDE).repeat(3, 2)
    return FusionMaps(np.asarray(mask, np.float32), np.asarray(delta, np.float32))


@pytest.mark.parametrize("size", [128, 384])
def test_the_soft_edge_takes_the_residual_of_the_inside(size: int) -> None:
    given = answer(size)
    found = smooth_residual(given, np.ones((192, 192), np.float32))
    np.testing.assert_array_equal(found.mask, given.mask)
    assert found.delta.shape == given.delta.shape and found.delta.dtype == np.float32
    edge = (given.mask > 0.02) & (given.mask < 0.25)
    assert edge.any() and given.delta[edge].max() < -0.7
    assert np.abs(found.delta[edge] - INSIDE).max() < 0.2  # of a difference of 0.9
    inside = given.mask >= 0.97
    np.testing.assert_array_equal(found.delta[inside], given.delta[inside])
    np.testing.assert_allclose(found.delta[given.mask > 0.5], INSIDE, atol=0.01)


@pytest.mark.parametrize("size", [128, 384])
def test_away_from_cuts_nothing_is_changed(size: int) -> None:
    given, border = answer(size), np.zeros((192, 192), np.float32)
    np.testing.assert_array_equal(smooth_residual(given, border).delta, given.delta)
    border[:, 120:] = 1
    found = smooth_residual(given, border)
    np.testing.assert_array_equal(found.delta[:, : size // 2], given.delta[:, : size // 2])
    assert np.abs(found.delta - given.delta)[:, 3 * size // 4 :].max() > 0.5


def test_the_given_answer_stays_as_it_is() -> None:
    given = answer(128)
    before = given.mask.copy(), given.delta.copy()
    smooth_residual(given, np.ones((192, 192), np.float32))
    np.testing.assert_array_equal(given.mask, before[0])
    np.testing.assert_array_equal(given.delta, before[1])


def test_a_pair_steadies_the_residual_beside_the_sources_hair(
    make_pair: Any, make_mesh: Any, make_photo: Any
) -> None:
    face, fringe = (
        (make_photo(300, 300), make_mesh((150, 150), 180)),
        np.zeros((96, 96), np.float32),
    )
    fringe[:32] = 1
    hung = Coverings(None, fringe)
    delta = np.full((128, 128, 3), INSIDE, np.float32)
    delta[:46] = OUTSIDE
    pair = make_pair(face, face, source_coverings=hung)
    given = FusionMaps(pair.final_mask(pair.network_inputs(128)[2]), delta)
    found = pair.smooth_residual(given)
    near = (given.mask > 0.05) & (given.mask < 0.25) & (np.arange(128) < 46)[:, None]
    near[:, :50] = near[:, 78:] = False
    assert (
        near.any()
        and np.abs(found.delta - INSIDE)[near].mean() < 0.5 * np.abs(delta - INSIDE)[near].mean()
    )
    np.testing.assert_array_equal(found.delta[80:], delta[80:])
    without = make_pair(face, face, source_coverings=hung, steps=Steps().without("hairline"))
    assert without.smooth_residual(given) is given


def test_a_pair_steadies_the_residual_along_the_foreheads_edge(
    make_pair: Any, make_mesh: Any, make_photo: Any
) -> None:
    """What the networks leave outside of the mask reaches far into its soft edge."""
    face = make_photo(300, 300), make_mesh((150, 150), 180)
    pair = make_pair(face, face)
    mask = pair.network_inputs(128)[2]
    delta = np.where(mask[..., None] > 0.8, INSIDE, OUTSIDE).repeat(3, 2).astype(np.float32)
    given = FusionMaps(mask, delta)
    found = pair.smooth_residual(given)
    middle = np.zeros(mask.shape, bool)
    middle[:45, 56:72] = True  # the top of the forehead
    edge = middle & (mask > 0.1) & (mask < 0.75)
    assert edge.sum() > 20 and delta[edge].max() < -0.7
    assert np.abs(found.delta[edge] - INSIDE).max() < 0.1
    below = round(float(pair.target.mesh[[65, 295], 1].mean())) + 6
    np.testing.assert_array_equal(found.delta[below:], delta[below:])
    assert (delta[below:] < -0.7).any()  # the jaw's edge stays the networks'
