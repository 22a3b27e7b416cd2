"""The source's full beard on a face that has none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facefusion.compose.beard import carry_beard, without_colour
from facefusion.compose.color import Relight
from facefusion.fusion.coarse import FusionMaps
from facefusion.perception.coverings import Coverings
from facefusion.pipeline.alignment import AlignedPair

BARE = np.zeros((96, 96), np.float32)
#: A beard below the nose, in the 192 px crop.
CHIN = np.s_[120:160, 66:126]
#: Colours of skin, of a beard, and of the skin of the other face.
SKIN, HAIR, OTHER = 170, 40, 140


def test_under_a_beard_the_warped_source_is_shown_as_it_is() -> None:
    size = 128
    given = FusionMaps(np.full((size, size), 0.5, np.float32), np.ones((size, size, 3), np.float32))
    beard, face = np.zeros((192, 192), np.float32), np.ones((256, 256), np.float32)
    beard[96:] = 1
    face[:, :128] = 0
    found = carry_beard(given, beard, face)
    under, beside = np.s_[70:, 70:], (np.s_[:58, :], np.s_[:, :58])
    assert found.mask[under].min() == 1 and found.delta[under].max() == 0
    for place in beside:
        np.testing.assert_array_equal(found.mask[place], given.mask[place])
        np.testing.assert_array_equal(found.delta[place], given.delta[place])


def test_a_coloured_light_on_skin_does_not_colour_a_beard() -> None:
    gains = np.empty((32, 32, 3), np.float32)
    gains[:] = (0.6, 1.5, 0.9)
    beard = np.zeros((192, 192), np.float32)
    beard[96:] = 1
    found = without_colour(Relight(np.zeros((1, 256, 3), np.uint8), gains), beard).gains
    np.testing.assert_allclose(found[17:], 1.0, atol=1e-6)
    np.testing.assert_array_equal(found[:15], gains[:15])


@pytest.fixture
def pair(make_pair: Any, make_mesh: Any) -> Any:
    """Puts a face with a dark chin onto a smooth one."""
    mesh = make_mesh((150, 150), 180)
    source, target = np.full((300, 300, 3), SKIN, np.uint8), np.full((300, 300, 3), OTHER, np.uint8)
    beard = np.zeros((192, 192), np.float32)
    beard[CHIN] = 1

    def make(
        *, source_bearded: bool, target_bearded: bool = False, hair: int = HAIR
    ) -> AlignedPair:
        source[171:] = hair
        bearded, smooth = Coverings(None, BARE, beard=beard), Coverings(None, BARE)
        return make_pair(
            (source, mesh),
            (target, mesh),
            source_coverings=bearded if source_bearded else smooth,
            target_coverings=bearded if target_bearded else smooth,
        )

    return make


def test_a_beard_is_carried_only_where_the_target_has_none(pair: Any) -> None:
    smooth, both, none = (
        pair(source_bearded=source, target_bearded=target)
        for source, target in ((True, False), (True, True), (False, False))
    )
    answer = FusionMaps(np.zeros((256, 256), np.float32), np.ones((256, 256, 3), np.float32))
    lips = np.rint(2 * smooth.target.mesh[[13, 14], :2].mean(0)).astype(int)  # of 256
    below = np.s_[lips[1] + 24 : lips[1] + 32, lips[0] - 16 : lips[0] + 16]
    found = smooth.smooth_residual(answer)
    assert found.mask[below].min() > 0.9 and found.delta[below].max() < 0.1
    assert found.mask[:130].max() == 0 and found.mask[lips[1], lips[0]] < 0.1
    for pair_without in (both, none):
        np.testing.assert_array_equal(pair_without.smooth_residual(answer).mask, answer.mask)
    assert smooth.blocked[CHIN].max() == 0


def test_a_fair_beard_is_left_to_the_networks(pair: Any) -> None:
    answer = FusionMaps(np.zeros((256, 256), np.float32), np.ones((256, 256, 3), np.float32))
    fair = pair(source_bearded=True, hair=SKIN + 40)
    np.testing.assert_array_equal(fair.smooth_residual(answer).mask, answer.mask)
    assert fair.blocked[CHIN].max() == 0


def test_the_darkness_of_a_beard_is_no_light(pair: Any) -> None:
    def chin(found: AlignedPair) -> float:
        side = found.warped.shape[0]
        return float(found.warped[int(0.7 * side) : int(0.78 * side), side // 2].mean())

    carried, lifted = (
        pair(source_bearded=bearded, target_bearded=False) for bearded in (True, False)
    )
    assert chin(carried) < 0.6 * chin(lifted)
