"""The chroma and light of new skin."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.compose.chroma import CHROMA_FROM, LIGHT_FROM, match_skin_chroma

SKIN = np.array([176, 130, 108])
HEIGHT, WIDTH, UNIT = 224, 200, 1.0


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[30:194, 30:170] = 1
    return mask


@pytest.fixture
def target() -> np.ndarray:
    return _skin(SKIN)


def _skin(colour: np.ndarray) -> np.ndarray:
    texture = np.random.default_rng(5).normal(0, 4, (HEIGHT, WIDTH, 1))
    return np.clip(colour + texture, 0, 255).astype(np.uint8)


def _lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _apart(image: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean CIELAB difference in the middle, (3,)."""
    return (_lab(image) - _lab(target))[60:164, 60:140].reshape(-1, 3).mean(0)


@pytest.mark.parametrize("unit", [1.0, 3.0])
def test_the_target_gives_chroma_and_the_face_its_detail(target, mask, unit) -> None:
    face = _skin(SKIN + np.array([14, -10, -6]))
    size = (round(WIDTH * unit), round(HEIGHT * unit))
    larger, under, skin = (cv2.resize(each, size) for each in (face, target, mask))
    result = match_skin_chroma(larger, under, skin, skin, unit)
    less, area = (WIDTH, HEIGHT), cv2.INTER_AREA
    result, face = (cv2.resize(each, less, interpolation=area) for each in (result, larger))
    before, after = _apart(face, target), _apart(result, target)
    assert np.linalg.norm(before[1:]) > 10 and np.linalg.norm(after[1:]) < 1.5
    assert abs(after[0] - before[0]) < 1
    moved = result.astype(np.float32) - face
    fine = moved - cv2.GaussianBlur(moved, (0, 0), 8)
    assert np.abs(fine[60:164, 60:140]).mean() < 1


def test_nothing_changes_where_there_is_no_skin(target, mask) -> None:
    face = _skin(SKIN + np.array([14, -10, -6]))
    skin = mask.copy()
    skin[90:120, 80:120] = 0
    result = match_skin_chroma(face, target, skin, mask, UNIT)
    np.testing.assert_array_equal(result[skin == 0], face[skin == 0])
    assert (result[60:80, 60:140] != face[60:80, 60:140]).any()
    edge = np.abs(result.astype(int) - face)[110, 20:60].mean(-1)
    assert np.abs(np.diff(edge)).max() < 10


def test_hair_and_paint_of_the_target_are_not_taken_for_skin(target, mask) -> None:
    painted = target.copy()
    painted[100:130, 80:120] = (30, 60, 200)
    face = _skin(SKIN)
    result = match_skin_chroma(face, painted, mask, mask, UNIT)
    assert np.abs(_lab(result) - _lab(face))[105:125, 85:115, 1:].mean() < 2


def test_light_is_held_only_where_it_is_far_off(target, mask) -> None:
    near, far = _skin(SKIN + 2), _skin(SKIN - 50)
    assert abs(_apart(match_skin_chroma(near, target, mask, mask, UNIT), near)[0]) < 0.5
    before = _apart(far, target)[0]
    after = _apart(match_skin_chroma(far, target, mask, mask, UNIT, light=0.8), target)[0]
    assert before < -LIGHT_FROM - 5 and before + 3 < after < -LIGHT_FROM
    without = match_skin_chroma(far, target, mask, mask, UNIT, light=0)
    assert _apart(without, target)[0] == pytest.approx(before, abs=1)


def test_complexion_moves_by_the_share_and_coloured_light_goes(target, mask) -> None:
    for colour in ((5, -3, -2), (30, -20, 25)):
        face = _skin(SKIN + np.array(colour))
        before = float(np.linalg.norm(_apart(face, target)[1:]))
        held = match_skin_chroma(face, target, mask, mask, UNIT, share=0, light=0)
        half = match_skin_chroma(face, target, mask, mask, UNIT, share=0.5, light=0)
        left = min(before, CHROMA_FROM)
        assert np.linalg.norm(_apart(held, target)[1:]) == pytest.approx(left, abs=0.8)
        assert np.linalg.norm(_apart(half, target)[1:]) == pytest.approx(left / 2, abs=0.8)


def test_without_skin_the_face_stays(target) -> None:
    face, nothing = _skin(SKIN - 20), np.zeros((HEIGHT, WIDTH), np.float32)
    assert match_skin_chroma(face, target, nothing, nothing, UNIT) is face


def test_black_and_white_stay_in_range(mask) -> None:
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    white = black + np.uint8(255)
    for pair in ((white, black), (black, white)):
        result = match_skin_chroma(*pair, mask, mask, UNIT)
        assert result.dtype == np.uint8 and result.shape == white.shape
