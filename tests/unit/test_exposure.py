"""The light of photos that are too dark, and the tone that networks and photo see."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.compose.exposure import LEAST_GAIN, Exposure
from facefusion.compose.phototone import PhotoTone

SKIN = np.array([190, 140, 115])


@pytest.fixture
def skin() -> np.ndarray:
    skin = np.zeros((128, 128), np.float32)
    skin[30:100, 30:100] = 1
    return skin


def _face(*lamp: float) -> np.ndarray:
    """Shaded skin in front of a blue wall under a lamp."""
    shade = np.random.default_rng(2).uniform(0.7, 1.2, (128, 128, 1))
    surface = np.where((np.arange(128) < 100)[:, None, None], SKIN, (70, 120, 190))
    return np.clip(surface * shade * np.array(lamp), 0, 255).astype(np.uint8)


def test_ordinary_light_is_left_alone(skin) -> None:
    assert Exposure.of(_face(1, 1, 1), skin) is None
    assert Exposure.of(_face(1, 1, 1), np.zeros_like(skin)) is None
    tone = PhotoTone.of(_face(1, 1, 1), skin)
    assert tone == PhotoTone()
    face = _face(1, 1, 1)
    assert tone.raised(face) is face and tone.lowered(face) is face and tone.coloured(face) is face


def test_a_dark_photo_is_raised_and_lowered_again(skin) -> None:
    night = _face(0.2, 0.2, 0.2)
    exposure = Exposure.of(night, skin)
    assert exposure is not None
    raised = exposure.raised(night)
    assert Exposure.of(raised, skin) is None or Exposure.of(raised, skin).gains.min() > 0.97
    np.testing.assert_allclose(exposure.lowered(raised).astype(int), night, atol=1)


def test_only_the_channels_that_a_lamp_lacks_are_raised(skin) -> None:
    exposure = Exposure.of(_face(1.0, 0.2, 0.2), skin)
    assert exposure is not None
    assert exposure.gains[0] == 1 and (exposure.gains[1:] < 0.8).all()
    white = exposure.lowered(np.full((4, 4, 3), 255, np.uint8))
    assert white[0, 0, 0] == 255 and white[0, 0, 1:].max() < 200


def test_noise_is_not_raised_without_end(skin) -> None:
    exposure = Exposure.of(np.full((128, 128, 3), 1, np.uint8), skin)
    assert exposure is not None
    np.testing.assert_allclose(exposure.gains, LEAST_GAIN)


def test_a_dark_grey_photo_stays_grey(skin) -> None:
    grey = np.repeat(_face(0.2, 0.2, 0.2)[..., :1], 3, axis=2)
    tone = PhotoTone.of(grey, skin)
    assert tone.exposure is not None and tone.curve is not None
    face = _face(1, 1, 1)
    for image in (tone.raised(grey), tone.lowered(tone.coloured(face)), tone.curve(face)):
        assert np.ptp(image.astype(int), axis=2).max() == 0


def test_a_dark_toned_photo_is_toned_in_both_lights(skin) -> None:
    level = _face(0.25, 0.25, 0.25)[..., :1] / 255.0
    toned = np.rint(255 * level ** np.array([0.9, 1.0, 1.15])).astype(np.uint8)
    tone = PhotoTone.of(toned, skin)
    assert tone.exposure is not None and tone.raised_curve is not None
    raised = tone.raised(toned)
    np.testing.assert_allclose(tone.coloured(raised).astype(int), raised, atol=9)
    assert PhotoTone.of(toned, skin, exposure=False, monochrome=False) == PhotoTone()
