"""Faces are added to a photo one after another, and only where they are does it change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facefusion.compose.detail import RESIDUAL_SHARE
from facefusion.fusion.coarse import FusionMaps
from facefusion.perception.coverings import Coverings
from facefusion.pipeline.alignment import AlignedPair
from facefusion.pipeline.canvas import Canvas
from facefusion.pipeline.steps import Steps
from facefusion.tiers import Tier

#: The warp and the single sampling; nothing of the new face's colours, sharpness and grain.
PLAIN = Steps().without(*{*Steps.names()} - {"triangles", "single_sampling", "hairline", "strands"})
BOTH = [Canvas.add_coarse, Canvas.add_detail]


@pytest.fixture
def photo(make_photo: Any) -> np.ndarray:
    return 255 - make_photo(300, 420)


@pytest.fixture
def pairs(make_pair: Any, make_mesh: Any, make_photo: Any, photo: np.ndarray) -> list[AlignedPair]:
    """One face put onto two that touch."""
    source = make_photo(240, 200), make_mesh((100, 120), 150)
    return [
        make_pair(source, (photo, make_mesh((x, 150), 150, roll=8)), steps=PLAIN)
        for x in (130, 230)
    ]


def answer(pair: AlignedPair, delta: float = 0.0) -> FusionMaps:
    """All of the face, lighter by a share of 255 levels."""
    return FusionMaps(pair.network_inputs(128)[2], np.full((128, 128, 3), delta, np.float32))


@pytest.mark.parametrize("add", BOTH)
@pytest.mark.parametrize("steps", [Steps(), PLAIN])
def test_not_a_bit_changes_beside_the_faces(
    photo: np.ndarray, pairs: list[AlignedPair], add: Any, steps: Steps
) -> None:
    before, canvas = photo.copy(), Canvas.of(photo, None, 1.0, steps)
    for pair in pairs:
        add(canvas, pair, answer(pair))
    image = canvas.layers.image()
    assert image.shape == photo.shape and image.dtype == np.uint8
    np.testing.assert_array_equal(image[canvas.changed == 0], photo[canvas.changed == 0])
    assert (image != photo).any(2)[canvas.changed > 0.9].mean() > 0.5
    np.testing.assert_array_equal(photo, before)
    whole = [
        pair.target.mask_over(mask, photo.shape)
        for pair, mask in zip(pairs, canvas.masks, strict=True)
    ]
    assert (
        all(mask.max() == pytest.approx(1, abs=1e-3) for mask in whole)
        and np.minimum(*whole).max() > 0
    )
    np.testing.assert_array_equal(canvas.changed, np.maximum(*whole))
    elsewhere = np.ones(photo.shape[:2], bool)
    for layer in canvas.layers.faces:
        elsewhere[layer.window.region.window] = False
    assert len(canvas.layers.faces) == 2 and elsewhere.mean() > 0.3
    assert not canvas.changed[elsewhere].any()


@pytest.mark.parametrize("add", BOTH)
def test_the_second_face_lies_over_the_first(
    photo: np.ndarray, pairs: list[AlignedPair], add: Any
) -> None:
    both, second = Canvas.of(photo, None, 1.0, PLAIN), Canvas.of(photo, None, 1.0, PLAIN)
    for pair in pairs:
        add(both, pair, answer(pair))
    add(second, pairs[1], answer(pairs[1]))
    sure = second.changed == 1
    assert sure.sum() > 1000
    np.testing.assert_array_equal(both.layers.image()[sure], second.layers.image()[sure])


@pytest.mark.parametrize("add", BOTH)
def test_a_share_of_the_face_is_seen(photo: np.ndarray, pairs: list[AlignedPair], add: Any) -> None:
    none, half, whole = (Canvas.of(photo, None, blend, PLAIN) for blend in (0.0, 0.5, 1.0))
    for canvas in (none, half, whole):
        add(canvas, pairs[0], answer(pairs[0]))
    np.testing.assert_array_equal(none.layers.image(), photo)
    assert not none.changed.any() and half.changed.max() == 0.5
    between = (whole.layers.image().astype(float) + photo) / 2
    assert np.abs(half.layers.image() - between).max() <= 1
    np.testing.assert_array_equal(half.masks[0], whole.masks[0] / 2)


@pytest.mark.parametrize("add", BOTH)
def test_the_networks_change_is_seen(photo: np.ndarray, pairs: list[AlignedPair], add: Any) -> None:
    plain, lighter = Canvas.of(photo, None, 1.0, PLAIN), Canvas.of(photo, None, 1.0, PLAIN)
    add(plain, pairs[0], answer(pairs[0]))
    add(lighter, pairs[0], answer(pairs[0], 0.1))
    sure = (plain.changed == 1) & (plain.layers.image().max(2) < 220)
    apart = lighter.layers.image()[sure].astype(int) - plain.layers.image()[sure]
    assert sure.sum() > 1000 and np.abs(apart - RESIDUAL_SHARE * 25.5).max() <= 2


def test_the_draft_is_soft_and_the_face_sharp(
    make_pair: Any, make_mesh: Any, rng: np.random.Generator
) -> None:
    noise = rng.integers(0, 256, (600, 600, 3), dtype=np.uint8)
    pair = make_pair(
        (noise, make_mesh((300, 300), 400)), (noise, make_mesh((300, 300), 400)), steps=PLAIN
    )
    draft, detail = Canvas.of(noise, None, 1.0, PLAIN), Canvas.of(noise, None, 1.0, PLAIN)
    draft.add_coarse(pair, answer(pair))
    detail.add_detail(pair, answer(pair))
    middles = (canvas.layers.image()[250:350, 250:350].astype(float) for canvas in (draft, detail))
    soft, sharp = (np.abs(np.diff(middle, axis=1)).mean() for middle in middles)
    assert sharp > 5 * soft


def test_where_the_photo_was_bent_all_counts_as_new(
    photo: np.ndarray, pairs: list[AlignedPair]
) -> None:
    bent = np.zeros((300, 420), np.float32)
    bent[20:40, 300:] = 1
    canvas = Canvas.of(photo, bent, 1.0, PLAIN)
    canvas.add_coarse(pairs[0], answer(pairs[0]))
    assert canvas.changed[20:40, 300:].min() == 1 and canvas.changed[150, 130] == pytest.approx(
        1, abs=1e-3
    )
    assert bent.sum() == 20 * 120  # it is not written to
    again = canvas.without_faces()
    np.testing.assert_array_equal(again.layers.image(), photo)
    np.testing.assert_array_equal(again.changed, canvas.changed)


def test_again_begins_with_the_photo_and_keeps_what_counts_as_new(
    photo: np.ndarray, pairs: list[AlignedPair]
) -> None:
    canvas = Canvas.of(photo, None, 1.0, PLAIN)
    for pair in pairs:
        canvas.add_coarse(pair, answer(pair))
    kept, again = canvas.changed.copy(), canvas.without_faces()
    np.testing.assert_array_equal(again.layers.image(), photo)
    np.testing.assert_array_equal(again.changed, kept)
    assert again.masks == [] and again.layers.hidden == canvas.layers.faces
    again.add_detail(pairs[0], answer(pairs[0]))
    assert (again.layers.image() != photo).any()
    np.testing.assert_array_equal(canvas.changed, kept)


def test_a_picture_that_was_looked_at_may_be_written_to(
    photo: np.ndarray, pairs: list[AlignedPair]
) -> None:
    canvas = Canvas.of(photo, None, 1.0, PLAIN)
    canvas.add_coarse(pairs[0], answer(pairs[0]))
    image, changed, before = canvas.layers.image(), canvas.changed, photo.copy()
    kept = image.copy(), changed.copy()
    image[:], changed[:] = 0, 0
    np.testing.assert_array_equal(canvas.layers.image(), kept[0])
    np.testing.assert_array_equal(canvas.changed, kept[1])
    np.testing.assert_array_equal(photo, before)


def test_a_face_outside_of_the_photo_adds_nothing(
    make_pair: Any, make_mesh: Any, make_photo: Any, photo: np.ndarray
) -> None:
    pair = make_pair(
        (make_photo(240, 200), make_mesh((100, 120), 150)), (photo, make_mesh((2000, 150), 150))
    )
    canvas = Canvas.of(photo, None, 1.0, Steps())
    for add in BOTH:
        add(canvas, pair, answer(pair))
    np.testing.assert_array_equal(canvas.layers.image(), photo)
    assert (
        not canvas.changed.any()
        and canvas.layers.faces == ()
        and [mask.size for mask in canvas.masks] == [0]
    )


@pytest.mark.parametrize("add", BOTH)
def test_the_target_s_strands_lie_in_front_of_the_new_face(
    make_pair: Any, make_forehead: Any, add: Any
) -> None:
    photo, mesh, hair = make_forehead((110, 50, 106, 84), (124, 50, 126, 82))
    bare, new = make_forehead()[0], np.full((256, 256, 3), (150, 110, 90), np.uint8)
    made = {}
    for steps in (PLAIN, PLAIN.without("strands")):
        pair = make_pair(
            (new, mesh),
            (photo, mesh),
            tier=Tier.FAST,
            steps=steps,
            target_coverings=Coverings(None, hair),
        )
        canvas = Canvas.of(photo, None, 1.0, steps)
        add(canvas, pair, answer(pair))
        made[steps.strands] = canvas.layers.image()
    rows = slice(66, 78)
    strand = (bare[rows].astype(int) - photo[rows]).max(2) > 80
    skin = (bare[rows].astype(int) - photo[rows]).max(2) == 0
    assert strand.sum() > 40
    assert made[True][rows][strand].mean() < 0.6 * made[False][rows][strand].mean()
    assert np.abs(made[True][rows][skin].astype(int) - made[False][rows][skin]).mean() < 2
    np.testing.assert_array_equal(made[True][110:], made[False][110:])


def test_strands_are_as_dark_on_a_face_at_night_as_by_day(
    make_pair: Any, make_forehead: Any
) -> None:
    photo, mesh, hair = make_forehead((110, 50, 106, 84), (124, 50, 126, 82))
    steps, new, passed = PLAIN, np.full((256, 256, 3), (150, 110, 90), np.uint8), []
    for target in (photo, np.asarray(photo * 0.25, np.uint8)):
        made = {}
        for drawn in (replace(steps, exposure=True), replace(steps, exposure=True, strands=False)):
            pair = make_pair(
                (new, mesh),
                (target, mesh),
                tier=Tier.FAST,
                steps=drawn,
                target_coverings=Coverings(None, hair),
            )
            canvas = Canvas.of(target, None, 1.0, drawn)
            canvas.add_detail(pair, answer(pair))
            made[drawn.strands] = canvas.layers.image()[66:78].astype(float)
        strand = photo[66:78].max(2) < 90
        passed.append(made[True][strand].mean() / made[False][strand].mean())
    assert passed[0] < 0.6 and passed[1] == pytest.approx(passed[0], abs=0.12)
