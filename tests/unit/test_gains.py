"""How far a band of the new face follows the target's: the photo's sharpness is followed, another
person's skin less.
"""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.compose.bands import Band
from facefusion.compose.gains import LEAST_GAIN, LEAST_GAIN_SHARP, energy_gains

#: Energies of the new face on skin and on eyes, brows and lips.
SKIN, FEATURES = 5.0, 12.0


def band(skin: float, features: float = FEATURES, noise: float = 0.0, scale: float = 1.0) -> Band:
    """A band with structure of such energies on skin and on features, and noise over it."""
    energies = (float(np.hypot(each, noise)) for each in (skin, features))
    energy, edges = energies
    return Band(scale, energy, energy, energy, edges, np.eye(3, dtype=np.float32), noise)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_smooth_skin_in_a_sharp_photo_is_followed_only_so_far(share: float) -> None:
    skin, features = energy_gains(band(share * SKIN), band(SKIN))
    assert skin == pytest.approx(LEAST_GAIN_SHARP, abs=0.01) and features == pytest.approx(
        1, abs=0.01
    )


@pytest.mark.parametrize("share", [0.85, 1.0, 1.2])
def test_skin_that_is_nearly_as_rough_is_matched(share: float) -> None:
    skin, features = energy_gains(band(share * SKIN), band(SKIN))
    assert skin == pytest.approx(share, abs=0.01) and features == pytest.approx(
        max(share, 1), abs=0.01
    )


@pytest.mark.parametrize("share", [0.02, 0.1, 0.25])
def test_a_photo_out_of_focus_is_followed_all_the_way(share: float) -> None:
    skin, features = energy_gains(band(share * SKIN, share * FEATURES), band(SKIN))
    assert max(share, LEAST_GAIN) - 0.01 < skin < share + 0.05
    assert max(share, LEAST_GAIN) - 0.01 < features < share + 0.05


def test_features_are_never_blurred_more_than_skin() -> None:
    skin, features = energy_gains(band(SKIN, 0.1 * FEATURES), band(SKIN))
    assert skin == pytest.approx(1, abs=0.01) and features == pytest.approx(skin)


@pytest.mark.parametrize("skin", [SKIN, 0.2 * SKIN])
def test_the_sources_noise_goes_from_skin_and_from_features(skin: float) -> None:
    noisy = band(SKIN, noise=25.0)
    gains = energy_gains(band(skin), noisy)
    share = SKIN / noisy.energy  # of the energy, what is no noise
    assert LEAST_GAIN_SHARP * share - 0.01 < gains[0] <= share + 0.01
    assert gains[1] == pytest.approx(gains[0])


def test_the_targets_noise_is_no_sharpness() -> None:
    for noise in (0.0, 5.0, 25.0):
        skin, features = energy_gains(band(SKIN, noise=noise), band(SKIN))
        assert skin == pytest.approx(1, abs=0.03) and features == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("scale", "largest"), [(0.75, 1.7), (1.5, 1.25), (3.0, 1.08), (12.0, 1.08)]
)
def test_a_smooth_face_gets_few_of_an_old_target_s_wrinkles(scale: float, largest: float) -> None:
    gains = energy_gains(band(4 * SKIN, 4 * FEATURES, scale=scale), band(SKIN, scale=scale))
    assert gains == pytest.approx((largest, largest))
