"""The tone curve and what it does to skin."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.compose.color import match_skin, skin_tone, steady_light, tone_curve
from facefusion.fusion.coarse import CoarseFusion

TONES = [(60, 40, 30), (141, 85, 36), (198, 134, 66), (224, 172, 105), (241, 194, 125), (255, 219, 172)]


@pytest.mark.parametrize("source", TONES)
@pytest.mark.parametrize("target", TONES)
def test_the_curve_keeps_black_and_white_and_order(source: tuple, target: tuple) -> None:
    table = tone_curve(np.array(source, np.float32), np.array(target, np.float32))
    assert table.shape == (1, 256, 3) and table.dtype == np.uint8
    assert (table[0, 0] == 0).all() and (table[0, 255] == 255).all()
    assert (np.diff(table[0].astype(int), axis=0) >= 0).all()


@pytest.mark.parametrize(("source", "target"), [((90, 110, 130), (140, 120, 100)), ((200, 150, 120), (150, 110, 90))])
def test_the_curve_takes_the_tone_to_the_tone(source: tuple, target: tuple) -> None:
    table = tone_curve(np.array(source, np.float32), np.array(target, np.float32))
    assert [int(table[0, source[i], i]) for i in range(3)] == pytest.approx(target, abs=1)


def test_the_same_tone_changes_nothing() -> None:
    tone = np.array([120, 90, 70], np.float32)
    np.testing.assert_array_equal(tone_curve(tone, tone)[0], np.arange(256)[:, None].repeat(3, 1))


def test_extreme_tones_stay_finite_and_bounded() -> None:
    black, white = np.zeros(3, np.float32), np.full(3, 255, np.float32)
    assert 128 < tone_curve(black, white)[0, 128, 0] < 255
    assert 0 < tone_curve(white, black)[0, 128, 0] < 128


def test_skin_tone_is_weighted() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0], image[0, 1] = (100, 50, 20), (200, 150, 120)
    skin = np.array([[0.75, 0.25], [0, 0]], np.float32)
    np.testing.assert_allclose(skin_tone(image, skin), [125, 75, 45], atol=1e-3)
    assert np.isfinite(skin_tone(image, np.zeros((2, 2), np.float32))).all()


def test_match_skin_takes_the_mean_over_and_returns_its_table(make_photo) -> None:
    source = make_photo(64, 64) // 3 + 60
    target = make_photo(64, 64) // 3 + 110
    skin = np.zeros((64, 64), np.float32)
    skin[16:48, 16:48] = 1
    before = source.copy()
    corrected, table = match_skin(source, target, skin)
    assert np.abs(skin_tone(corrected, skin) - skin_tone(target, skin)).max() < 4
    np.testing.assert_array_equal(corrected, cv2.LUT(source, table))
    np.testing.assert_array_equal(source, before)


def test_steady_light_keeps_light_and_takes_stains_out() -> None:
    face = np.zeros((128, 128), np.float32)
    face[30:100, 30:100] = 1
    ramp = np.linspace(-0.2, 0.2, 128, dtype=np.float32)[None, :, None]
    light = np.broadcast_to(ramp, (128, 128, 3)).copy()
    kept = steady_light(CoarseFusion(face, light), face)
    assert kept.mask is face
    assert np.abs(kept.delta - light)[40:90, 40:90].max() < 0.01

    stained = light.copy()
    stained[60:66, 60:66] += np.array([-0.2, 0.0, 0.2], np.float32)  # colour without a change of lightness
    calm = steady_light(CoarseFusion(face, stained), face)
    assert np.abs(calm.delta - kept.delta).max() < 0.2 * 0.2
    outside = light.copy()
    outside[face == 0] = 0.4
    assert np.abs(steady_light(CoarseFusion(face, outside), face).delta - kept.delta)[face > 0].max() < 0.03
