"""Flaws of a composed face: each is found on a picture made to have it, and no other with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from facefusion.geometry.mask import face_mask, outline_mask
from facefusion.pipeline.checks import SIDE, ComposedFace, flaws
from facefusion.types import Flaw, Kept

SKIN, FEATURES = np.array((205, 160, 140)), (70, 40, 40)
CENTRE, HEIGHT = (SIDE / 2, SIDE / 2), 0.6 * SIDE
Make = Callable[..., np.ndarray]


@pytest.fixture
def face(make_mesh: Make) -> ComposedFace:
    """A face with the grain of skin, lit from the left, replaced by one with other grain."""
    mesh = make_mesh(CENTRE, HEIGHT)
    before, after = (_painted(mesh, seed) for seed in (0, 1))
    mask = face_mask(mesh, SIDE)
    blended = np.asarray(cv2.blendLinear(after, before, mask, 1 - mask), np.uint8)
    return ComposedFace(before, blended, mask, mesh, mesh)


def _painted(mesh: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    light = np.linspace(1.05, 0.85, SIDE)[None, :, None]
    photo = np.ones((SIDE, SIDE, 1)) * SKIN * light
    for x, y in mesh[[33, 133, 263, 362, 61, 291, 0, 17, 105, 334], :2]:
        cv2.circle(photo, (round(x), round(y)), 4, FEATURES, -1, cv2.LINE_AA)
    return np.clip(photo + rng.normal(0, 5, photo.shape[:2])[..., None], 0, 255).astype(np.uint8)


def changed(face: ComposedFace, how: np.ndarray, mask: np.ndarray) -> ComposedFace:
    """Blends another picture over the new face where a mask (SIDE, SIDE) is 1."""
    after = how * mask[..., None] + face.after * (1 - mask[..., None])
    return replace(face, after=np.clip(after, 0, 255).astype(np.uint8))


def test_a_good_face_has_none(face: ComposedFace) -> None:
    assert flaws(face) == ()


@pytest.mark.parametrize("shift", [(-30, -30, -30), (25, -15, -30), (0, 25, -25)])
def test_a_step_of_colour_at_the_edge(face: ComposedFace, shift: tuple[int, int, int]) -> None:
    assert flaws(changed(face, face.after + np.array(shift), face.mask)) == (Flaw.LIGHT,)


def test_a_shadow_over_a_half_of_the_face(face: ComposedFace) -> None:
    shaded = outline_mask(face.mesh, SIDE)
    shaded[:, : round(float(face.mesh[1, 0]))] = 0
    inside = cv2.erode((face.mask > 0.5).astype(np.uint8), np.ones((41, 41))) * shaded
    soft = cv2.GaussianBlur(np.asarray(inside, np.float32), (0, 0), 3)
    assert flaws(changed(face, face.after * 0.7, soft)) == (Flaw.LIGHT,)


def test_a_mouth_that_is_open_in_the_source_alone(face: ComposedFace, make_mesh: Make) -> None:
    wide = make_mesh((250.0, 250.0), 200.0, mouth_open=True)
    assert flaws(replace(face, source_mesh=wide)) == (Flaw.MOUTH,)
    assert flaws(replace(face, mesh=make_mesh(CENTRE, HEIGHT, mouth_open=True))) == ()
    assert flaws(replace(face, source_mesh=wide), [Kept.LIPS]) == ()
    assert flaws(replace(face, source_mesh=wide), [Kept.GLASSES]) == (Flaw.MOUTH,)


@pytest.mark.parametrize("angle", [0, 60, 135])
def test_a_smear(face: ComposedFace, angle: int) -> None:
    """A cheek without detail across one direction."""
    stroke = np.zeros((31, 31), np.float32)
    stroke[15] = 1
    turn = cv2.getRotationMatrix2D((15, 15), angle, 1)
    stroke = cv2.warpAffine(stroke, turn, (31, 31))
    smeared = cv2.filter2D(face.after, -1, stroke / stroke.sum())
    cheek = np.zeros((SIDE, SIDE), np.float32)
    x, y = face.mesh[50, :2].round().astype(int)
    cv2.circle(cheek, (int(x), int(y)), 18, 1, -1)
    assert flaws(changed(face, smeared, cheek)) == (Flaw.SMEARED,)


def test_a_blurred_face_in_a_sharp_photo(face: ComposedFace) -> None:
    blurred = cv2.GaussianBlur(face.after, (0, 0), 3)
    assert flaws(changed(face, blurred, face.mask)) == (Flaw.SOFT,)
    photo = cv2.GaussianBlur(face.before, (0, 0), 3)  # in a blurred photo it is right
    assert flaws(changed(replace(face, before=photo), blurred, face.mask)) == ()


def test_a_face_that_is_not_seen_has_none(face: ComposedFace) -> None:
    assert flaws(changed(replace(face, mask=face.mask * 0), face.after * 0, face.mask)) == ()


def test_the_crops_follow_the_face(face: ComposedFace) -> None:
    photo = np.zeros((600, 700, 3), np.uint8)
    mesh = face.mesh * 1.2 + np.array([200, 150, 0])
    photo[mesh[1, 1].round().astype(int), mesh[1, 0].round().astype(int)] = 255
    made = ComposedFace.of(photo, photo[::-1], np.ones((128, 128), np.float32), mesh, mesh)
    assert made.before.shape == made.after.shape == (SIDE, SIDE, 3) and made.mask.min() == 1
    np.testing.assert_allclose(np.ptp(made.mesh, axis=0)[:2].max(), 0.6 * SIDE, atol=1)
    brightest = np.unravel_index(made.before[..., 0].argmax(), (SIDE, SIDE))[::-1]
    np.testing.assert_allclose(brightest, made.mesh[1, :2], atol=1.5)


def test_the_checks_are_quick(face: ComposedFace) -> None:
    flaws(face)
    begun = time.process_time()
    for _ in range(5):
        flaws(replace(face))
    assert (time.process_time() - begun) / 5 < 0.015  # 3 ms on one core of a laptop
