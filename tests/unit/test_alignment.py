"""Targets are prepared once; and settling: what the mesh sees on the warped face is brought to what
it saw on the target.
"""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from facefusion import FusionPipeline
from facefusion.fusion.sizes import DRAFT_SIZE, EXPRESSION_SIZE
from facefusion.geometry.align import FUSION_FACE_SHARE, invert, rescale_transform, transform_points
from facefusion.perception.coverings import Coverings
from facefusion.perception.spectacles import Spectacles
from facefusion.pipeline.cache import FeatureCache
from facefusion.pipeline.expression import correct_expression
from facefusion.pipeline.faces import LocatedFace
from facefusion.pipeline.source import AlignedFace
from facefusion.pipeline.steps import Steps
from facefusion.pipeline.target import PreparedTarget
from facefusion.tiers import TIERS, Tier
from facefusion.types import Photo

BARE = Coverings(None, np.zeros((96, 96), np.float32))


class ShiftedEye:
    """A mesh network that sees the warped face `shift` pixels away from where it should be."""

    def __init__(self, shift: tuple[float, float]) -> None:
        self.shift = np.array([*shift, 0], np.float32)

    def measure(self, photo: np.ndarray, near: np.ndarray) -> np.ndarray:
        return near + self.shift


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, -2.0)])
@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("triangles", [True, False])
def test_settle_takes_back_a_share_of_what_is_seen(
    make_mesh: Any, make_photo: Any, shift: tuple[float, float], share: float, triangles: bool
) -> None:
    size = EXPRESSION_SIZE
    eye: Any = ShiftedEye(shift)
    photo, points = make_photo(300, 300), make_mesh((150.0, 140.0), 200)
    target = PreparedTarget.of(photo, points, BARE, TIERS[Tier.FAST], Steps(triangles=triangles))
    mesh = transform_points(target.mesh, rescale_transform(np.eye(2, 3), size / 128))
    corrected = correct_expression(
        target, target.crops[size], mesh, eye, share, np.zeros((1, 1), np.float32)
    )
    expected = mesh + share * np.array([*shift, 0])
    # Source and target are one photo here: what is seen shifted comes from as far away in the
    # source.
    error = np.linalg.norm((corrected - expected)[:, :2], axis=1)
    assert np.quantile(error, 0.95) < 0.15
    assert error.max() < (
        1.2 if triangles else 0.15
    )  # shut lips: the triangles between them are thinner than a pixel
    np.testing.assert_array_equal(corrected[:, 2], mesh[:, 2])


@pytest.mark.parametrize(
    ("height", "tier", "size", "refined", "side"),
    [
        (60, Tier.BEST, 128, 0, 128), (120, Tier.FAST, 256, 0, 256), (400, Tier.FAST, 768, 0, 256),
        (400, Tier.BALANCED, 768, 256, 256), (200, Tier.BEST, 384, 384, 384), (900, Tier.FAST, 1024, 0, 256),
    ],
)  # fmt: skip
def test_a_target_is_seen_at_the_sides_that_its_tier_needs(
    make_mesh: Any, make_photo: Any, height: int, tier: Tier, size: int, refined: int, side: int
) -> None:
    photo, mesh = make_photo(500, 600), make_mesh((310.0, 240.0), height)
    target = PreparedTarget.of(photo, mesh, BARE, TIERS[tier])
    assert (target.sizes.detail, target.sizes.refine, target.sizes.network) == (size, refined, side)
    assert set(target.crops) == set(target.face) == {128, 256, refined} - {0} and set(
        target.skin
    ) == {128, 256}
    for at, crop in target.crops.items():
        assert (
            crop.shape == (at, at, 3)
            and target.face[at].shape == (at, at)
            and 0.2 < target.face[at].mean() < 0.4
        )
    np.testing.assert_allclose(
        transform_points(mesh, invert(target.to_photo)), target.mesh * side / 128, atol=side / 128
    )
    assert target.nbytes > sum(crop.nbytes for crop in target.crops.values())


@pytest.mark.parametrize(
    ("tier", "largest"), [(Tier.FAST, 1024), (Tier.BALANCED, 1536), (Tier.BEST, 2048)]
)
@pytest.mark.parametrize("height", [60, 400, 600, 3000])
def test_a_face_is_composed_at_the_photo_s_own_resolution_up_to_a_limit(
    make_mesh: Any, make_photo: Any, tier: Tier, largest: int, height: int
) -> None:
    photo, mesh = make_photo(400, 500), make_mesh((250, 200), height)
    target = PreparedTarget.of(photo, mesh, BARE, TIERS[tier])
    assert TIERS[tier].detail_size == largest and target.window is not None
    scale = min(1, largest * FUSION_FACE_SHARE / height)
    assert target.window.scale == pytest.approx(scale, rel=1e-3)
    assert target.unit(target.window) == pytest.approx(scale * height / 179, rel=0.01)
    small = min(1, DRAFT_SIZE * FUSION_FACE_SHARE / height)
    assert target.draft is not None and target.draft.scale == pytest.approx(small, rel=1e-3)
    window = target.window.region.window
    whole = target.mask_over(target.draft.opacity(target.face[256]), photo.shape)
    outside = np.ones((400, 500), bool)
    outside[window] = False
    assert (
        whole.shape == (400, 500)
        and not whole[outside].any()
        and whole[200, 250] == pytest.approx(1, abs=1e-3)
    )


def test_a_face_outside_of_its_photo_has_no_window(make_mesh: Any, make_photo: Any) -> None:
    target = PreparedTarget.of(
        make_photo(100, 120), make_mesh((900, 900), 100), BARE, TIERS[Tier.FAST]
    )
    assert (
        target.window is None
        and not target.mask_over(np.zeros((0, 0), np.float32), (100, 120)).any()
    )


def test_a_target_that_was_seen_is_not_prepared_again(
    pipeline: FusionPipeline, guest: Photo, astronaut: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Any, ...]] = []
    prepare = PreparedTarget.of
    monkeypatch.setattr(
        PreparedTarget, "of", lambda *given: (made.append(given), prepare(*given))[1]
    )
    pipeline.cache.clear()
    first = pipeline(guest, astronaut, tier="best")
    pipeline(astronaut, astronaut, tier="best")
    again = pipeline(guest, astronaut, tier="best")
    assert len(made) == 1 and (again.image == first.image).all()
    pipeline(guest, astronaut, tier="fast")
    pipeline(guest, np.ascontiguousarray(astronaut[:-1]), tier="fast")
    assert len(made) == 3
    for count in (4, 5):  # the photo is bent: nothing to remember
        pipeline(guest, astronaut, tier="fast", likeness=1.0)
        assert len(made) == count


def test_a_source_is_sampled_once_at_the_photo_s_own_resolution(
    make_pair: Any, make_mesh: Any, rng: Any
) -> None:
    board = np.repeat(
        np.repeat(rng.integers(0, 2, (300, 250, 1), dtype=np.uint8) * 200, 2, axis=0), 2, axis=1
    )
    photo, mesh = np.repeat(board, 3, axis=2), make_mesh((250, 300), 330)
    once, twice = (
        make_pair((photo, mesh), (photo, mesh), steps=Steps(single_sampling=single))
        for single in (True, False)
    )
    window = once.target.window
    inside = window.opacity(once.target.face[256]) > 0.99
    found, blurred = (
        np.abs(pair.rendered(window).astype(int) - window.crop(photo)) for pair in (once, twice)
    )
    assert (
        found[inside].mean() < 8 < 14 < blurred[inside].mean()
    )  # a little is the correction of the light


def test_a_smaller_target_takes_an_averaged_source(
    make_pair: Any, make_mesh: Any, make_photo: Any
) -> None:
    y, x = np.mgrid[:800, :800]
    board = np.repeat((255 * ((x + y) % 2)).astype(np.uint8)[..., None], 3, 2)
    photo, small = make_photo(240, 240) // 16 + 120, make_mesh((120, 120), 90)
    pair = make_pair((board, make_mesh((400, 400), 500)), (photo, small))
    inside = pair.target.window.opacity(pair.target.face[256]) > 0.99
    assert (
        pair.rendered(pair.target.window)[inside].std() < 6
    )  # picked pixels would be black and white


def test_what_the_source_does_not_show_is_left_to_the_target(
    make_pair: Any, make_mesh: Any, make_photo: Any
) -> None:
    photo, target = make_photo(300, 300), 255 - make_photo(300, 300)
    turned = (target, make_mesh((150, 150), 180, yaw=-40))
    frontal, away = (
        (photo, make_mesh((150, 150), 180)),
        (photo, make_mesh((150, 150), 180, yaw=40, pitch=30)),
    )
    mild, strong = make_pair(frontal, turned), make_pair(away, turned)
    assert (
        mild.blocked.shape == (192, 192) and strong.blocked.min() >= 0 and strong.blocked.max() <= 1
    )
    assert mild.blocked.mean() < strong.blocked.mean()
    spline = make_pair(away, turned, steps=Steps(triangles=False))
    assert spline.blocked.max() == 0  # nothing lies over the two


def test_skin_is_laid_over_the_frame_of_the_source_s_glasses(
    make_forehead: Any, make_face: Any
) -> None:
    photo, mesh, _ = make_forehead()
    frame = np.zeros((2, 192, 192), np.float32)
    frame[0, 80:84, 50:140] = 1
    glasses = Coverings(Spectacles.from_opacity(*frame), BARE.hair)
    photo[107:112, 67:187] = 20  # rows 80 to 84 of 192
    kept, off = (
        AlignedFace.of(photo, make_face(photo, mesh), worn, 256) for worn in (BARE, glasses)
    )
    assert len(kept.patches) == 0 and len(off.patches) == 1
    assert kept.crop[109, 128].max() < 60 and off.crop[109, 128].min() > 100
    np.testing.assert_array_equal(kept.crop[140:], off.crop[140:])


def _bytes(value: Any) -> int:
    """Bytes of all arrays that a value holds."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if is_dataclass(value):
        return sum(map(_bytes, vars(value).values()))
    return sum(map(_bytes, value)) if isinstance(value, tuple) else 0


def test_the_cache_counts_all_of_a_source(
    make_forehead: Any, make_face: Any, pipeline: FusionPipeline
) -> None:
    """Its patches and maps too, which take more than the crop."""
    photo, mesh, _ = make_forehead()
    frame = np.zeros((2, 192, 192), np.float32)
    frame[0, 80:84, 50:140] = 1
    worn = Coverings(
        Spectacles.from_opacity(*frame), BARE.hair, beard=_lower_face(), background=frame[0]
    )
    photo[150:] = 30
    finder = replace(pipeline._finder, cache=FeatureCache())
    source = finder.source(LocatedFace.of(photo, make_face(photo, mesh)), worn)
    face = source.aligned(256)
    assert len(face.patches) == 2 and face.dark_beard is not None
    assert finder.cache.nbytes == face.nbytes == _bytes(face) > 5 * face.crop.nbytes


def _lower_face() -> np.ndarray:
    beard = np.zeros((192, 192), np.float32)
    beard[120:160, 60:130] = 1
    return beard


def test_the_features_of_a_target_count(make_mesh: Any, make_photo: Any) -> None:
    photo, mesh = make_photo(500, 600), make_mesh((310.0, 240.0), 200)
    target = PreparedTarget.of(photo, mesh, BARE, TIERS[Tier.FAST])
    assert target.feature_masks is not None
    plain = replace(target, feature_masks=None)
    assert target.nbytes - plain.nbytes == _bytes(target.feature_masks) == 3 * 4 * 128**2


@pytest.mark.parametrize("side", [128, 256, 512])
def test_skin_is_laid_over_the_background_past_a_cheek(
    make_forehead: Any, make_face: Any, side: int
) -> None:
    photo, mesh, _ = make_forehead()
    photo[120:160, 176:] = (20, 90, 240)
    past = np.zeros((192, 192), np.float32)
    past[90:120, 132:144] = 1  # rows 120 to 160 of 256, columns from 176
    face = make_face(photo, mesh)
    kept, covered = (
        AlignedFace.of(photo, face, worn, side) for worn in (BARE, replace(BARE, background=past))
    )
    assert not kept.patches and len(covered.patches) == 1
    rows, columns = (slice(a * side // 256, b * side // 256) for a, b in ((126, 154), (179, 188)))
    skin = np.median(kept.crop[rows, side // 2 : columns.start - side // 32], axis=(0, 1))
    assert np.abs(kept.crop[rows, columns] - skin).max(-1).min() > 60
    assert np.abs(covered.crop[rows, columns] - skin).max() < 12
    np.testing.assert_array_equal(covered.crop[:, : side // 2], kept.crop[:, : side // 2])
    np.testing.assert_array_equal(covered.occlusion_maps, kept.occlusion_maps)


@pytest.mark.parametrize("side", [128, 256, 512])
def test_a_source_s_strands_stay_behind(make_forehead: Any, make_face: Any, side: int) -> None:
    photo, mesh, hair = make_forehead((110, 50, 106, 84), (124, 50, 126, 82))
    worn, face = Coverings(None, hair), make_face(photo, mesh)
    found, left = (
        AlignedFace.of(photo, face, worn, side, strands=strands) for strands in (True, False)
    )
    assert len(found.patches) == 1 and not left.patches
    np.testing.assert_array_equal(left.occlusion_maps, worn.occlusion_maps)
    below = slice(64 * side // 256, 82 * side // 256)
    dark = left.crop[below].max(2) < 120
    assert dark.sum() > 10 * side**2 / 128**2 and found.crop[below].max(2)[dark].min() > 140
    np.testing.assert_array_equal(found.crop[side // 2 :], left.crop[side // 2 :])


def test_a_fringe_of_strands_hides_the_forehead(make_forehead: Any, make_face: Any) -> None:
    fringe = [(x, 50, x, 80) for x in range(100, 140, 6)]
    photo, mesh, hair = make_forehead(*fringe)
    occlusion_maps = AlignedFace.of(
        photo, make_face(photo, mesh), Coverings(None, hair), 256
    ).occlusion_maps
    assert occlusion_maps.shape == (192, 192, 2) and occlusion_maps[50:57, 80:100, 0].min() > 0.9
    assert occlusion_maps[50:57, 120:, 0].max() < 0.1 and occlusion_maps[70:].max() == 0
