"""The tone curve and what it does to skin."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.compose.color import match_light, match_skin
from facefusion.compose.features import FeatureMasks
from facefusion.compose.tone import from_lab, gain_curve, lab, scaled_curve, skin_tone, tone_curve
from facefusion.geometry.frames import Frame

TONES = [
    (60, 40, 30),
    (141, 85, 36),
    (198, 134, 66),
    (224, 172, 105),
    (241, 194, 125),
    (255, 219, 172),
]


@pytest.mark.parametrize("source", TONES)
@pytest.mark.parametrize("target", TONES)
def test_the_curve_keeps_black_and_white_and_order(source: tuple, target: tuple) -> None:
    table = tone_curve(np.array(source, np.float32), np.array(target, np.float32))
    assert table.shape == (1, 256, 3) and table.dtype == np.uint8
    assert (table[0, 0] == 0).all() and (table[0, 255] == 255).all()
    assert (np.diff(table[0].astype(int), axis=0) >= 0).all()


@pytest.mark.parametrize(
    ("source", "target"), [((90, 110, 130), (140, 120, 100)), ((200, 150, 120), (150, 110, 90))]
)
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
def test_match_light_brings_the_side_that_is_lit_and_the_colour_of_the_lamp(
    tint: tuple[float, ...],
) -> None:
    size = 128
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.normal(0, 40, (size, size, 1)).astype(np.float32), (0, 0), 1.5)[
        ..., None
    ]
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
    assert (
        np.abs(
            cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA).astype(int) - relight(small)
        ).mean()
        < 6
    )
    for nowhere in (skin, np.zeros_like(skin)):
        for pair in ((black, photo), (photo, black), (black, black)):
            assert np.isfinite(match_light(*pair, nowhere).gains).all()


LIGHT, DARK = np.array([222, 172, 150]), np.array([96, 62, 46])
SIDE = 128


def _masks() -> tuple[np.ndarray, FeatureMasks]:
    """Skin, and a face of rectangles: lips below, an eye and a brow above."""
    skin = np.zeros((SIDE, SIDE), np.float32)
    skin[20:108, 20:108] = 1
    parts = []
    for rows, columns in (
        (slice(80, 96), slice(44, 84)),
        (slice(50, 60), slice(40, 60)),
        (slice(30, 40), slice(36, 64)),
    ):
        part = np.zeros((SIDE, SIDE), np.float32)
        part[rows, columns] = 1
        skin[rows, columns] = 0
        parts.append(part)
    return skin, FeatureMasks(*parts)


def _face(tone: np.ndarray, lips: np.ndarray, *, eye: int = 200, brow: int = 40) -> np.ndarray:
    _, features = _masks()
    face = np.broadcast_to(tone, (SIDE, SIDE, 3)).copy()
    ramp = np.linspace(0, 2, SIDE)[
        :, None
    ]  # a blue and a green wall: else it were a monochrome photo
    face[:10], face[10:20] = (
        np.clip(ramp * (40, 80, 150), 0, 255),
        np.clip(ramp * (90, 130, 30), 0, 255),
    )
    for mask, colour in ((features.lips, lips), (features.whites, eye), (features.hairs, brow)):
        face[mask > 0] = colour
    return face.astype(np.uint8)


def _mean(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return image[cv2.erode(mask, np.ones((5, 5))) > 0].astype(float).mean(0)


def test_white_and_gloss_stay_neutral_on_far_darker_skin() -> None:
    source, target = np.array([242, 200, 185], np.float32), np.array([110, 70, 50], np.float32)
    table = scaled_curve(source, target)[0]
    white = table[255].astype(int)
    assert np.ptp(white) <= 2 and white.max() < 200
    found = [int(table[round(float(level)), c]) for c, level in enumerate(source)]
    np.testing.assert_allclose(found, target, atol=2)
    neon = scaled_curve(source, np.array([110, 70, 250], np.float32))[0]  # blue is not darker
    assert abs(int(neon[185, 2]) - 250) < 30 and abs(int(neon[242, 0]) - 110) <= 2


def test_scaled_curves_reach_a_darker_tone_and_are_the_plain_curve_elsewhere() -> None:
    source, target = LIGHT.astype(np.float32), np.array([40, 28, 25], np.float32)
    table = scaled_curve(source, target)
    assert [int(table[0, int(source[i]), i]) for i in range(3)] == pytest.approx(target, abs=1)
    near = np.array([190, 150, 140], np.float32)
    np.testing.assert_array_equal(scaled_curve(source, near), tone_curve(source, near))
    np.testing.assert_array_equal(scaled_curve(target, source), tone_curve(target, source))


@pytest.mark.parametrize(
    ("source", "target"), [((180, 100, 100), (90, 40, 38)), ((90, 40, 38), (180, 100, 100))]
)
def test_gain_curves_take_the_colour_to_the_colour(source: tuple, target: tuple) -> None:
    table = gain_curve(np.array(source, np.float32), np.array(target, np.float32))
    assert [int(table[0, source[i], i]) for i in range(3)] == pytest.approx(target, abs=1)
    assert (np.diff(table[0].astype(int), axis=0) >= 0).all() and (table[0, 0] == 0).all()


def test_lab_goes_both_ways() -> None:
    for colour in TONES:
        np.testing.assert_allclose(from_lab(lab(np.array(colour, np.float32))), colour, atol=0.5)


def test_lips_keep_their_contrast_on_darker_skin() -> None:
    skin, features = _masks()
    source, target = _face(LIGHT, np.array([180, 100, 100])), _face(DARK, np.array([92, 48, 46]))
    plain, own = (
        match_light(source, target, skin)(source),
        match_light(source, target, skin, features)(source),
    )
    black, lips, around = (
        lab(_mean(image, mask).astype(np.float32))
        for image, mask in ((plain, features.lips), (own, features.lips), (own, skin))
    )
    assert lips[0] > black[0] + 4  # L*
    assert 2 < around[0] - lips[0] < 20
    assert 3 < lips[1] - around[1] < 20  # a*: redder than the skin, not glowing


def test_whites_and_hairs_take_no_skin_colour() -> None:
    skin, features = _masks()
    source, target = _face(LIGHT, np.array([180, 100, 100])), _face(DARK, np.array([92, 48, 46]))
    relight = match_light(source, target, skin, features)
    plain, own = match_light(source, target, skin)(source), relight(source)
    table, tables = relight.table[0], [part.table[0] for part in relight.parts[:2]]
    assert np.ptp(table[200]) > 5 and all(np.ptp(each, axis=1).max() == 0 for each in tables)
    eye, before = _mean(own, features.whites), _mean(plain, features.whites)
    assert before.mean() + 20 < eye.mean() < 200
    assert np.abs(_mean(own, features.hairs) - _mean(plain, features.hairs)).max() < 12


def test_features_do_not_change_the_skin_of_near_tones() -> None:
    skin, features = _masks()
    source, target = (
        _face(LIGHT, np.array([180, 100, 100])),
        _face(LIGHT - 10, np.array([170, 92, 92])),
    )
    plain, own = (
        match_light(source, target, skin)(source),
        match_light(source, target, skin, features)(source),
    )
    np.testing.assert_array_equal(own[skin > 0], plain[skin > 0])
    assert np.abs(own.astype(int) - plain)[features.lips > 0].max() <= 16


def test_lips_of_a_grey_source_take_the_chroma_of_the_target() -> None:
    skin, features = _masks()
    source = np.repeat(_face(np.array([170] * 3), np.array([120] * 3))[..., :1], 3, axis=2)
    source[:16] = np.arange(0, 256, 2)[None, :, None]
    target = _face(LIGHT, np.array([190, 105, 108]))
    own = match_light(source, target, skin, features)(source)
    lips, around = (lab(_mean(own, mask).astype(np.float32)) for mask in (features.lips, skin))
    wanted = lab(np.array([190, 105, 108], np.float32)) - lab(LIGHT.astype(np.float32))
    np.testing.assert_allclose((lips - around)[1:], wanted[1:], atol=5)


def test_parts_fit_any_frame() -> None:
    skin, features = _masks()
    source, target = _face(LIGHT, np.array([180, 100, 100])), _face(DARK, np.array([92, 48, 46]))
    relight = match_light(source, target, skin, features)
    large = cv2.resize(source, (384, 384), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(relight(large), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - relight(source)).mean() < 2
    half = (SIDE - 1) / 2
    turned = Frame(np.array([[0.0, -SIDE, half], [SIDE, 0.0, half]]), SIDE, SIDE)  # by 90 degrees
    back = np.rot90(relight(np.ascontiguousarray(np.rot90(source, -1)), turned))
    assert np.abs(back.astype(int) - relight(source)).mean() < 2


def test_feature_masks_lie_on_the_features_and_nowhere_else(make_mesh) -> None:
    mesh = make_mesh((64, 64), 77)
    masks = FeatureMasks.of(mesh, SIDE)
    for mask in (masks.lips, masks.whites, masks.hairs):
        assert (
            mask.shape == (SIDE, SIDE)
            and mask.dtype == np.float32
            and mask.min() >= 0
            and 0.5 < mask.max() <= 1
        )
    assert ((masks.lips + masks.whites) <= 1.01).all()
    rows = np.arange(SIDE)
    heights = [
        float((mask.sum(1) @ rows) / mask.sum()) for mask in (masks.hairs, masks.whites, masks.lips)
    ]
    assert heights[0] < heights[1] < heights[2]


@pytest.mark.parametrize(
    ("source", "target", "lift"), [(40, 170, 1), (150, 165, 0), (110, 110, 0), (170, 40, 0)]
)
def test_lift_says_how_far_the_target_s_skin_is_lighter(source, target, lift) -> None:
    skin = np.ones((64, 64), np.float32)
    photos = (np.full((64, 64, 3), level, np.uint8) for level in (source, target))
    assert match_light(*photos, skin).lift == pytest.approx(lift, abs=0.05)
