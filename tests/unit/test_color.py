"""The tone curve and what it does to skin."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.compose.color import match_light, match_skin, skin_tone, tone_curve

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


def _lit(photo: np.ndarray, gains: np.ndarray) -> np.ndarray:
    return np.clip(photo * gains + 0.5, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("tint", [(1.0, 1.0, 1.0), (1.1, 1.0, 0.8)])
def test_match_light_brings_the_side_that_is_lit_and_the_colour_of_the_lamp(tint: tuple[float, ...]) -> None:
    size = 128
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.normal(0, 40, (size, size, 1)).astype(np.float32), (0, 0), 1.5)[..., None]
    face = np.clip(np.array([150.0, 115.0, 95.0]) + texture, 1, 254)
    ramp = np.linspace(0.6, 1.4, size)[None, :, None]
    skin = np.zeros((size, size), np.float32)
    skin[20:108, 30:98] = 1
    source, target = _lit(face, np.ones((1, 1, 3))), _lit(face, ramp * np.array(tint))
    relit = match_light(source, target, skin)(source).astype(float)
    inside = np.s_[30:98, 38:90]

    def apart(image: np.ndarray) -> float:
        return float(np.abs(cv2.blur(image - target.astype(float), (15, 15)))[inside].mean())

    assert apart(relit) < 0.35 * apart(match_skin(source, target, skin)[0].astype(float))
    # What is finer than light is the source's own: its texture is neither lost nor doubled.
    fine = relit - cv2.GaussianBlur(relit, (0, 0), 3)
    own = source - cv2.GaussianBlur(source.astype(float), (0, 0), 3)
    assert 0.7 < fine[inside].std() / own[inside].std() < 1.3


def test_match_light_of_one_light_changes_nothing(make_photo) -> None:
    photo = make_photo(128, 128)
    skin = np.zeros((128, 128), np.float32)
    skin[30:100, 30:100] = 1
    relight = match_light(photo, photo, skin)
    np.testing.assert_allclose(relight.gains, 1, atol=1e-4)
    np.testing.assert_array_equal(relight(photo), photo)


def test_match_light_fits_any_resolution_and_survives_what_is_black(make_photo) -> None:
    photo, black = make_photo(128, 128), np.zeros((128, 128, 3), np.uint8)
    skin = np.zeros((128, 128), np.float32)
    skin[30:100, 30:100] = 1
    small = cv2.resize(photo, (128, 128))
    relight = match_light(small, np.full_like(small, 90), skin)
    large = relight(cv2.resize(photo, (512, 512)))
    assert large.shape == (512, 512, 3) and large.dtype == np.uint8
    assert np.abs(cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA).astype(int) - relight(small)).mean() < 6
    for nowhere in (skin, np.zeros_like(skin)):
        for pair in ((black, photo), (photo, black), (black, black)):
            assert np.isfinite(match_light(*pair, nowhere).gains).all()
