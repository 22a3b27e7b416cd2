"""What a thing hides of the source on one side of its face is taken from the other side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facefusion.geometry.align import invert, transform_points
from facefusion.perception.coverings import Coverings
from facefusion.pipeline.alignment import AlignedPair
from facefusion.pipeline.source import AlignedFace

BARE = np.zeros((96, 96), np.float32)
SIDE = 192
#: A cheek of the face below, in the 192 px crop, and the same place on the other side.
CHEEK, OTHER = np.s_[100:130, 60:80], np.s_[100:130, 112:132]


def hidden(*places: tuple[slice, slice]) -> Coverings:
    """Things in front of some places of a source's face."""
    things = np.zeros((SIDE, SIDE), np.float32)
    for place in places:
        things[place] = 1
    return Coverings(None, BARE, things=things)


@pytest.fixture
def pair(make_pair: Any, make_mesh: Any) -> Any:
    """Puts a source with stripes on its right half, finer than light, onto a grey face."""
    mesh = make_mesh((150, 150), 180)
    source, target = (np.full((300, 300, 3), 120, np.uint8) for _ in range(2))
    stripes = np.arange(300) % 8 < 4
    source[stripes, 150:], source[~stripes, 150:] = 90, 150

    def make(*places: tuple[slice, slice]) -> AlignedPair:
        return make_pair((source, mesh), (target, mesh), source_coverings=hidden(*places))

    return make


def test_a_thing_over_a_cheek_is_replaced_by_the_other_cheek(pair: Any) -> None:
    found, bare = pair(CHEEK), pair()
    assert found.blocked[CHEEK].max() < 0.1 and bare.warped_source.mirror is None
    opacity = found.warped_source.mirror_opacity
    assert opacity is not None and opacity.shape == (256, 256)
    inside = np.s_[140:166, 86:102]  # of 256
    assert opacity[inside].min() > 0.95 and opacity[140:166, 150:].max() == 0
    side = found.warped.shape[0]

    def contrast(pair: AlignedPair, left: int) -> float:
        """The contrast of a place beside the nose, in pixels of a crop of 256."""
        rows, columns = (
            slice(start * side // 256, (start + 16) * side // 256) for start in (145, left)
        )
        return float(pair.warped[rows, columns].std())

    assert contrast(bare, 86) < 1 and contrast(bare, 154) > 10
    assert contrast(found, 86) > 10


def test_what_both_sides_hide_is_left_to_the_target(pair: Any) -> None:
    found = pair(CHEEK, OTHER)
    assert found.warped_source.mirror is None
    for place in (np.s_[103:127, 63:77], np.s_[103:127, 115:129]):
        assert found.blocked[place].min() > 0.9


@pytest.mark.parametrize("place", [np.s_[40:62, 60:80], np.s_[100:104, 60:64]])
def test_above_the_brows_and_for_specks_the_target_stays(
    pair: Any, place: tuple[slice, slice]
) -> None:
    found = pair(place)
    assert found.warped_source.mirror is None and found.blocked[place].max() > 0.9


def test_a_turned_source_has_one_mirror_image_for_both(make_pair: Any, make_mesh: Any) -> None:
    """The hidden half by pose, and a thing on the visible half that the mirror cannot replace."""
    photo = np.full((300, 300, 3), 110, np.uint8)
    turned, frontal = make_mesh((150, 150), 180, yaw=35), make_mesh((150, 150), 180)
    by_pose = make_pair((photo, turned), (photo, frontal))
    assert by_pose.warped_source.mirror is not None
    both = make_pair((photo, turned), (photo, frontal), source_coverings=hidden(CHEEK))
    opacity, alone = both.warped_source.mirror_opacity, by_pose.warped_source.mirror_opacity
    assert opacity is not None and (opacity >= alone).all()


@pytest.mark.parametrize("shaded", [np.s_[:150], np.s_[150:]], ids=["left", "right"])
def test_a_half_in_deep_shadow_is_replaced_by_the_lit_half(
    make_pair: Any, make_mesh: Any, shaded: slice
) -> None:
    mesh = make_mesh((150, 150), 180)
    target = np.full((300, 300, 3), 150, np.uint8)

    def opacity(share: float) -> np.ndarray | None:
        source = target.copy()
        source[:, shaded] = np.rint(share * 150)
        found = make_pair((source, mesh), (target, mesh)).warped_source.mirror_opacity
        return None if found is None else np.asarray(found)

    assert opacity(0.6) is None and opacity(1.0) is None
    deep, less = opacity(0.15), opacity(0.33)
    assert deep is not None and less is not None
    left, right = deep[140:166, 86:102], deep[140:166, 154:170]
    dark, lit = (left, right) if shaded.stop else (right, left)
    assert dark.min() > 0.95 and lit.max() == 0
    assert 0.2 < less.max() < 0.8


def test_a_half_behind_things_has_no_light_to_measure(make_pair: Any, make_mesh: Any) -> None:
    mesh = make_mesh((150, 150), 180)
    photo = np.full((300, 300, 3), 150, np.uint8)
    photo[:, :150] = 10
    everywhere = hidden(np.s_[:, : SIDE // 2])
    found = make_pair((photo, mesh), (photo, mesh), source_coverings=everywhere)
    replaced, mirror = found.warped_source.mirror_opacity, np.s_[140:166, 86:102]
    assert replaced is not None and replaced[mirror].min() > 0.9  # as what hides is, not as shadow
    assert replaced[:60].max() == 0  # above the brows the target stays


def test_the_colour_of_a_thing_is_not_left_in_the_source(make_face: Any, make_mesh: Any) -> None:
    mesh = make_mesh((150, 150), 180)
    photo = np.full((300, 300, 3), 170, np.uint8)
    to_crop = AlignedFace.of(photo, make_face(photo, mesh), Coverings(None, BARE), 192).to_crop
    corners = transform_points(np.array([[62.0, 102.0], [78.0, 128.0]]), invert(to_crop))
    (left, top), (right, bottom) = np.rint(corners).astype(int)
    photo[top:bottom, left:right] = (200, 20, 20)
    for coverings, most in ((hidden(CHEEK), 12), (Coverings(None, BARE), 200)):
        crop = AlignedFace.of(photo, make_face(photo, mesh), coverings, 256).crop
        assert abs(int(np.ptp(crop.reshape(-1, 3), axis=1).max()) - most) <= 20
