"""What the pipeline makes of the answers of its networks, which are fakes (conftest.py)."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from threading import Barrier, Event
from time import perf_counter, sleep
from typing import Any

import cv2
import numpy as np
import pytest

from facefusion import FusionPipeline, Tier
from facefusion.auto.chooser import TierChooser
from facefusion.errors import (
    EmptyPhotoError,
    FaceTooSmallError,
    FaceTurnedError,
    NoFaceError,
    UnreadablePhotoError,
)
from facefusion.geometry.align import crop_photo, invert
from facefusion.geometry.shape import EXPRESSION_POINTS
from facefusion.pipeline import alignment, canvas
from facefusion.pipeline.cache import FeatureCache
from facefusion.pipeline.networks import Networks
from facefusion.pipeline.pipeline import STAGES
from facefusion.tiers import TIERS
from facefusion.types import Swap


@pytest.mark.parametrize("tier", list(TIERS))
def test_only_the_face_changes(
    pipe: FusionPipeline, source: np.ndarray, target: np.ndarray, tier: Tier
) -> None:
    before = source.copy(), target.copy()
    result = pipe(source, target, tier=tier)
    assert result.tier is tier
    for image in (result.image, result.coarse):
        assert image.shape == target.shape and image.dtype == np.uint8
        np.testing.assert_array_equal(image[result.mask == 0], target[result.mask == 0])
        assert (image != target).any(2)[result.mask > 0.9].mean() > 0.5
    assert result.mask.shape == target.shape[:2] and result.mask[200, 250] == pytest.approx(
        1, abs=0.01
    )
    assert 0.02 < (result.mask > 0).mean() < 0.2
    np.testing.assert_array_equal(source, before[0])
    np.testing.assert_array_equal(target, before[1])


def test_fast_shows_the_coarse_picture(
    pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    result = pipe(source, target, tier="fast")
    np.testing.assert_array_equal(result.image, result.coarse)


def test_a_face_onto_itself_is_the_photo(fakes, pipe: FusionPipeline, target: np.ndarray) -> None:
    result = pipe(target, target)
    assert fakes.coarse_inputs is not None
    inside = fakes.coarse_inputs[2] > 0.9
    assert np.abs(fakes.coarse_inputs[0].astype(int) - fakes.coarse_inputs[1])[inside].mean() < 2.5
    assert np.abs(result.image.astype(int) - target).max() < 12
    assert np.abs(result.image.astype(int) - target)[result.mask > 0.9].mean() < 2.5


def test_the_network_sees_both_faces_upright_on_top_of_each_other(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    pipe(source, target)
    assert fakes.coarse_inputs is not None
    warped, small, face = fakes.coarse_inputs
    assert warped.shape == small.shape == (128, 128, 3) and face.shape == (128, 128)
    assert warped.dtype == small.dtype == np.uint8
    rows, columns = np.nonzero(face > 0.5)
    # The mesh is in the middle; the forehead goes on above it.
    assert rows.mean() == pytest.approx(61, abs=1.5) and columns.mean() == pytest.approx(
        63.5, abs=1.5
    )
    assert np.ptp(rows) > np.ptp(columns)


def test_the_coarse_network_is_told_whose_face_it_is(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    fakes.answers[source.shape[:2]] = np.array([0.6, 0.8], np.float32)
    pipe(source, target)
    np.testing.assert_allclose(fakes.told, [0.6, 0.8], atol=1e-6)


def test_the_refine_network_sees_the_face_as_large_as_it_is(
    fakes, pipe: FusionPipeline, make_mesh, make_photo
) -> None:
    for height, side in ((700, 512), (220, 384), (60, 0)):
        fakes.refine_inputs = None
        shape = (2 * height, 2 * height + 1)
        fakes.faces[shape] = make_mesh((height, height), height)
        result = pipe(make_photo(*shape), make_photo(*shape))
        if not side:
            assert fakes.refine_inputs is None and "refine" not in result.timings.stages
            continue
        warped, target, face = fakes.refine_inputs
        assert warped.shape == target.shape == (side, side, 3) and face.shape == (side, side)
        # A face onto itself: both crops and the mask are one view, and the view that the coarse
        # network had.
        assert np.abs(warped.astype(int) - target)[face > 0.9].mean() < 3
        small = cv2.resize(target, (128, 128), interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - fakes.coarse_inputs[1]).mean() < 6
        assert (
            np.abs(
                cv2.resize(face, (128, 128), interpolation=cv2.INTER_AREA) - fakes.coarse_inputs[2]
            ).mean()
            < 0.01
        )


def test_the_fast_tier_does_not_refine(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    assert (
        "refine" not in pipe(source, target, tier="fast").timings.stages
        and fakes.refine_inputs is None
    )


def test_stages_run_in_their_order(
    pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    told: list[tuple[str, float]] = []
    result = pipe(source, target, progress=lambda stage, share: told.append((stage, share)))
    assert list(result.timings.stages) == list(STAGES)
    assert result.timings.total == pytest.approx(sum(result.timings.stages.values()))
    assert all(seconds >= 0 for seconds in result.timings.stages.values())
    assert [stage for stage, _ in told] == list(
        STAGES
    )  # of the source's stages: the target is looked at beside it
    assert all(share == STAGES[stage] for stage, share in told)


def test_refining_is_timed_whatever_the_caller_does_with_the_draft(
    fakes, networks: Networks, chooser: TierChooser, source: np.ndarray, target: np.ndarray
) -> None:
    drafted, refined = Event(), Event()

    def slow(*inputs: Any) -> Any:
        drafted.wait(10)
        sleep(0.1)
        refined.set()
        return fakes.refine(*inputs)

    parts: Any = slow
    pipe = FusionPipeline(replace(networks, refine=parts), chooser=chooser)
    results = pipe.stream([Swap(source)], target, tier="best")
    next(results)
    drafted.set()
    refined.wait(10)  # as the page, which writes the draft meanwhile
    assert next(results).timings.stages["refine"] >= 0.1


def test_both_photos_are_looked_at_at_the_same_time(
    fakes,
    pipe: FusionPipeline,
    source: np.ndarray,
    target: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    met, measure = Barrier(2, timeout=10), type(fakes).__call__

    def slow(self: Any, photo: np.ndarray, detection: Any) -> Any:
        met.wait()  # breaks after ten seconds if nobody else comes
        sleep(0.1)
        return measure(self, photo, detection)

    monkeypatch.setattr(type(fakes), "__call__", slow)
    begin = perf_counter()
    result = pipe(source, target)
    passed = perf_counter() - begin
    assert 0.09 < result.timings.stages["mesh"] < result.timings.total <= passed


def test_of_two_photos_that_cannot_be_used_the_source_is_named(
    pipe: FusionPipeline, make_photo: Any
) -> None:
    with pytest.raises(NoFaceError) as refused:
        pipe(make_photo(90, 80), make_photo(80, 90))
    assert refused.value.photo == "source"


def test_identity_similarity_is_to_the_mean_of_the_sources(
    fakes, pipe: FusionPipeline, make_mesh, make_photo, source: np.ndarray, target: np.ndarray
) -> None:
    fakes.faces[(301, 240)] = make_mesh((120, 150), 180)
    fakes.answers = {(301, 240): np.array([0, 1], np.float32)}
    assert pipe(source, target).identity_similarity == pytest.approx(1)
    assert pipe([source, make_photo(301, 240)], target).identity_similarity == pytest.approx(
        np.sqrt(0.5)
    )
    assert pipe(make_photo(301, 240), target).identity_similarity == pytest.approx(0)


def test_the_source_that_looks_the_same_way_is_used(
    fakes, pipe: FusionPipeline, make_mesh, make_photo, source: np.ndarray, target: np.ndarray
) -> None:
    fakes.faces |= {
        (301, 240): make_mesh((120, 150), 180, yaw=30),
        (400, 501): make_mesh((250, 200), 160, yaw=35),
    }
    turned, turned_target = make_photo(301, 240), make_photo(400, 501)
    assert pipe([turned, source], target).source_face.yaw == pytest.approx(0, abs=1)
    assert pipe([source, turned], turned_target).source_face.yaw == pytest.approx(30, abs=1)
    np.testing.assert_array_equal(pipe([turned, source], target).image, pipe(source, target).image)


def test_arrays_of_other_kinds(
    pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    expected = pipe(source, target).image
    opaque = np.concatenate([target, np.full((400, 500, 1), 255, np.uint8)], axis=2)
    np.testing.assert_array_equal(pipe((source,), opaque).image, expected)
    np.testing.assert_array_equal(
        pipe(source / 255, target.astype(np.uint16) * 257).image, expected
    )
    grey = pipe(source, target[..., 0])
    assert grey.image.shape == target.shape
    np.testing.assert_array_equal(
        grey.image[grey.mask == 0], target[..., :1].repeat(3, 2)[grey.mask == 0]
    )


def test_no_face_names_the_photo(
    pipe: FusionPipeline, source: np.ndarray, target: np.ndarray, make_photo
) -> None:
    stranger = make_photo(77, 99)
    for first, second, named in (
        (stranger, target, ("source", None)),
        (source, stranger, ("target", None)),
        ([source, stranger], target, ("source", 2)),
        (stranger, stranger, ("source", None)),
    ):
        with pytest.raises(NoFaceError) as caught:
            pipe(first, second)
        assert (caught.value.photo, caught.value.number) == named


def test_small_and_turned_faces_are_refused(
    fakes, pipe: FusionPipeline, make_mesh, make_photo, source, target
) -> None:
    fakes.faces |= {(100, 100): make_mesh((50, 50), 30), (101, 100): make_mesh((50, 50), 90, yaw=60),
                    (102, 100): make_mesh((50, 50), 90, yaw=40), (103, 100): make_mesh((50, 50), 90, yaw=-30)}  # fmt: skip
    with pytest.raises(FaceTooSmallError, match="target photo"):
        pipe(source, make_photo(100, 100))
    with pytest.raises(FaceTurnedError, match="face photo"):
        pipe(make_photo(101, 100), target)
    with pytest.raises(FaceTurnedError, match="face photo"):
        pipe(make_photo(102, 100), make_photo(103, 100))


def test_what_is_no_photo(pipe: FusionPipeline, source: np.ndarray, target: np.ndarray) -> None:
    with pytest.raises(EmptyPhotoError, match="face photo is"):
        pipe(None, target)
    with pytest.raises(EmptyPhotoError, match="face photo is"):
        pipe([], target)
    with pytest.raises(EmptyPhotoError, match="face photo 2 is"):
        pipe([source, None], target)
    with pytest.raises(EmptyPhotoError, match="target photo"):
        pipe(source, np.zeros((0, 5, 3), np.uint8))
    with pytest.raises(UnreadablePhotoError, match="target photo"):
        pipe(source, np.zeros((5, 5, 2), np.uint8))


def test_wrong_calls(pipe: FusionPipeline, source: np.ndarray, target: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at most 3"):
        pipe([source] * 4, target)
    with pytest.raises(ValueError, match="ultra"):
        pipe(source, target, tier="ultra")


@pytest.mark.parametrize("tier", list(TIERS))
@pytest.mark.parametrize("height", [60, 400, 3000])
def test_faces_are_composed_at_the_photo_s_own_resolution(
    fakes,
    pipe: FusionPipeline,
    make_mesh,
    source: np.ndarray,
    target: np.ndarray,
    monkeypatch,
    tier: Tier,
    height: int,
) -> None:
    """The face takes 0.6 of the crop, whose side in the window is no larger than the tier allows."""
    composed: list[tuple[int, int]] = []
    real = canvas.match_photo

    def spy(face: np.ndarray, *others: Any) -> np.ndarray:
        composed.append(face.shape[:2])
        return real(face, *others)

    monkeypatch.setattr(canvas, "match_photo", spy)
    fakes.faces[(400, 500)] = make_mesh((250, 200), height)
    result = pipe(source, target, tier=tier)
    rows, columns = (np.ptp(np.flatnonzero(result.mask.any(axis))) + 1 for axis in (1, 0))
    margin = 12 + 0.05 * height  # around what is seen of the mask
    largest = [
        384,
        *([TIERS[tier].detail_size] if TIERS[tier].refine_size else []),
    ]  # of the draft and of the result
    assert len(composed) == len(largest)
    for sides, most in zip(composed, largest, strict=True):
        scale = min(1, 0.6 * height**-1 * most)
        for side, seen in zip(sides, (rows, columns), strict=True):
            assert scale * (seen - 1) - 1 <= side <= scale * (seen + margin)


def test_several_faces_leave_the_rest_of_the_photo_alone(
    fakes, pipe: FusionPipeline, make_mesh, source: np.ndarray, target: np.ndarray
) -> None:
    meshes = [make_mesh((150, 200), 130, roll=-10), make_mesh((350, 200), 120)]
    faces = []
    for mesh in meshes:
        fakes.faces[target.shape[:2]] = mesh
        faces.append(fakes(target, fakes.glance(target)[0]))
    results = list(pipe.stream([Swap(source, face) for face in faces], target, tier="best"))
    for result in results:
        np.testing.assert_array_equal(result.image[result.mask == 0], target[result.mask == 0])
        for x in (150, 350):
            here = np.s_[195:205, x - 5 : x + 5]
            assert (
                result.mask[here].min() > 0.99
                and (result.image[here] != target[here]).any(2).mean() > 0.5
            )
        assert result.mask[:, 255].max() < 0.01


def test_pictures_of_a_result_are_made_when_they_are_looked_at(
    pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    draft, result = pipe.stream([Swap(source)], target, tier="best")
    for made in (draft, result):
        for name in ("image", "coarse", "mask"):
            first, second = getattr(made, name), getattr(made, name)
            kept = first.copy()
            assert first is not second and not np.shares_memory(first, second)
            first[:] = 0
            np.testing.assert_array_equal(getattr(made, name), kept)
    again = replace(result, tier=Tier.FAST)
    np.testing.assert_array_equal(again.image, result.image)
    np.testing.assert_array_equal(again.mask, result.mask)
    with pytest.raises(FrozenInstanceError):
        result.tier = Tier.FAST


def test_how_much_of_the_face_is_seen(
    pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    none, half, whole = (pipe(source, target, blend=blend) for blend in (0.0, 0.5, 1.0))
    for image in (none.image, none.coarse):
        np.testing.assert_array_equal(image, target)
    assert none.mask.max() == 0 and half.mask.max() == pytest.approx(0.5)
    assert np.abs(half.image - (whole.image.astype(float) + target) / 2).max() <= 1


def test_a_share_may_be_a_number_of_numpy(
    pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    given = pipe(source, target, blend=np.float64(0.5), likeness=np.float64(0.75))
    same = pipe(source, target, blend=0.5, likeness=0.75)
    np.testing.assert_array_equal(given.image, same.image)
    np.testing.assert_array_equal(given.mask, same.mask)


def test_a_share_of_the_face_is_seen_in_the_tier_studio_too(
    networks: Networks, chooser: TierChooser, source: np.ndarray, target: np.ndarray
) -> None:
    given: list[np.ndarray] = []

    def studio(photo: np.ndarray, mesh: Any, sources: Any, mask: np.ndarray) -> Any:
        given.append(mask)
        return photo, mask

    parts: Any = studio
    pipe = FusionPipeline(replace(networks, studio=parts), chooser=chooser)
    half, whole = (pipe(source, target, tier="studio", blend=blend) for blend in (0.5, 1.0))
    assert given[1].max() == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(given[0], given[1] / 2, atol=0.01)
    np.testing.assert_allclose(half.mask, whole.mask / 2, atol=0.01)


@pytest.mark.parametrize("grey", [False, True])
def test_each_step_of_a_dark_photo_is_as_dark_as_its_result(
    pipe: FusionPipeline, source: np.ndarray, target: np.ndarray, grey: bool
) -> None:
    if grey:
        target = np.repeat(target.mean(2, keepdims=True), 3, axis=2)
    dark = (target * 0.15).astype(np.uint8)
    for result in pipe.stream([Swap(source)], dark):
        face = result.faces[0]
        side = face.fused.shape[0]
        made = crop_photo(result.image, invert(face.to_photo), side)
        middle = np.s_[side // 3 : 2 * side // 3, side // 3 : 2 * side // 3]
        assert made[middle].mean() < 40
        for step in (face.warped, face.fused):
            assert step[middle].mean() == pytest.approx(made[middle].mean(), abs=6)
            assert not grey or np.ptp(step, axis=2).max() <= 1
        assert np.abs(face.fused[0].astype(int) - made[0]).mean() < 2


def test_a_photo_is_measured_once(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray, make_photo
) -> None:
    looks = []
    glance = fakes.glance
    fakes.glance = lambda photo: (looks.append(photo.shape), glance(photo))[1]
    first = pipe(source, target)
    assert sorted(looks) == [(300, 240, 3), (400, 500, 3)]
    second = pipe(source.copy(), target.copy())
    assert len(looks) == 2
    assert {"detect", "mesh", "identity"} <= set(first.timings.stages)
    assert not {"detect", "mesh", "identity"} & set(second.timings.stages)
    np.testing.assert_array_equal(first.image, second.image)
    assert second.identity_similarity == first.identity_similarity

    other = 255 - source  # of the same size: the content counts
    pipe(other, target)
    assert len(looks) == 3
    pipe.cache.clear()
    assert {"detect", "mesh", "identity"} <= set(pipe(source, target).timings.stages)
    assert len(looks) == 5


def test_a_photo_is_refused_every_time(
    pipe: FusionPipeline, target: np.ndarray, make_photo
) -> None:
    stranger = make_photo(77, 99)
    for _ in range(2):
        with pytest.raises(NoFaceError, match="face photo"):
            pipe(stranger, target)
        with pytest.raises(NoFaceError, match="target photo"):
            pipe(target, stranger)


def test_without_room_nothing_is_remembered(
    networks: Networks, source: np.ndarray, target: np.ndarray
) -> None:
    cache = FeatureCache(max_entries=0)
    pipe = FusionPipeline(networks, cache=cache)
    for _ in range(2):
        assert "detect" in pipe(source, target, tier="best").timings.stages
    assert cache.nbytes == 0


def test_likeness_beyond_the_middle_takes_the_shape_and_says_where(
    fakes, pipe: FusionPipeline, make_mesh, source: np.ndarray, target: np.ndarray
) -> None:
    narrow = make_mesh((120, 150), 180)
    rest = np.setdiff1d(np.arange(468), EXPRESSION_POINTS)
    narrow[rest, 0] = 120 + 0.88 * (narrow[rest, 0] - 120)
    fakes.faces[(300, 240)] = narrow
    plain, shaped = pipe(source, target, likeness=0.5), pipe(source, target, likeness=1.0)
    for result in (plain, shaped):
        for image in (result.image, result.coarse):
            np.testing.assert_array_equal(image[result.mask == 0], target[result.mask == 0])
    ring = (plain.mask == 0) & (shaped.mask > 0)
    assert ring.sum() > 1000 and (shaped.image != target).any(2)[ring].mean() > 0.3
    assert (shaped.mask[:20] == 0).all() and (shaped.mask[:, -20:] == 0).all()


def test_likeness_settles_the_less_the_more_of_the_person_is_asked_for(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    fakes.mesh_error = np.array([6, 0, 0], np.float32)
    seen = {}
    for likeness in (0.0, 0.25, 0.5):
        pipe(source, target, likeness=likeness)
        seen[likeness] = fakes.coarse_inputs[0].astype(float)
    assert 0 < np.abs(seen[0.25] - seen[0.5]).mean() < np.abs(seen[0.0] - seen[0.5]).mean()
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="likeness"):
            pipe(source, target, likeness=wrong)


@pytest.mark.parametrize(("likeness", "share"), [(0.0, 1.0), (0.25, 0.5), (0.4, 0.2)])
def test_the_correction_of_expression_ends_at_the_default_likeness(
    pipe: FusionPipeline,
    source: np.ndarray,
    target: np.ndarray,
    monkeypatch,
    likeness: float,
    share: float,
) -> None:
    shares: list[float] = []
    real = alignment.correct_expression

    def spy(*given: Any) -> np.ndarray:
        shares.append(given[4])
        return real(*given)

    monkeypatch.setattr(alignment, "correct_expression", spy)
    pipe(source, target, likeness=likeness)
    assert shares == [pytest.approx(share)]
    pipe(source, target, likeness=0.5)
    pipe(source, target, likeness=1.0)
    assert len(shares) == 1
