"""The product on real photos: what may change does, what may not does not, for photos of every
kind.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from facefusion import FusionPipeline, FusionResult, Tier
from facefusion.tiers import TIERS

#: Where the astronaut's face is, with its chin and forehead: left, top, right, bottom.
ASTRONAUT_FACE = (165, 45, 285, 195)


def check(result: FusionResult, target: np.ndarray) -> None:
    """What holds for every result."""
    for image in (result.image, result.coarse):
        assert image.shape == target.shape and image.dtype == np.uint8
        np.testing.assert_array_equal(image[result.mask == 0], target[result.mask == 0])
    assert result.mask.shape == target.shape[:2] and result.mask.dtype == np.float32
    assert result.mask.min() == 0 and 0.9 < result.mask.max() <= 1
    assert np.isfinite(result.identity_similarity) and -1 <= result.identity_similarity <= 1
    changed = np.abs(result.image.astype(int) - target).max(2)[result.mask > 0.9]
    assert changed.mean() > 3, "an unfused photo is never returned as a result"


@pytest.fixture(scope="module")
def fused(pipeline: FusionPipeline, guest: np.ndarray, astronaut: np.ndarray) -> FusionResult:
    return pipeline(guest, astronaut)


@pytest.mark.parametrize("tier", list(TIERS))
def test_there_and_back(
    pipeline: FusionPipeline, astronaut: np.ndarray, guest: np.ndarray, tier: Tier
) -> None:
    for source, target in ((astronaut, guest), (guest, astronaut)):
        result = pipeline(source, target, tier=tier)
        check(result, target)
        assert result.tier is tier


def test_the_change_is_on_the_face(fused: FusionResult) -> None:
    left, top, right, bottom = ASTRONAUT_FACE
    rows, columns = np.nonzero(fused.mask > 0.5)
    assert left <= columns.min() and columns.max() <= right
    assert top <= rows.min() and rows.max() <= bottom
    assert (fused.mask > 0.5).sum() > 4000


def test_the_result_is_more_like_the_source_than_the_photo_was(
    pipeline: FusionPipeline, fused: FusionResult, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    wanted = pipeline.networks.identity(guest, fused.source_face.mesh)
    before = float(pipeline.networks.identity(astronaut, fused.target_face.mesh) @ wanted)
    after = float(pipeline.networks.identity(fused.image, fused.target_face.mesh) @ wanted)
    assert fused.identity_similarity == pytest.approx(after, abs=1e-4)
    assert after > before + 0.2


def test_the_skin_keeps_the_photo_s_tone(fused: FusionResult, astronaut: np.ndarray) -> None:
    inside = fused.mask > 0.9
    np.testing.assert_allclose(fused.image[inside].mean(0), astronaut[inside].mean(0), atol=20)


def test_best_carries_more_detail_than_the_draft(
    pipeline: FusionPipeline, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    result = pipeline(guest, cv2.resize(astronaut, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC))

    def sharpness(image: np.ndarray) -> float:
        return float(np.abs(cv2.Laplacian(image, cv2.CV_32F))[result.mask > 0.9].mean())

    assert sharpness(result.image) > sharpness(result.coarse)


def test_the_same_photos_give_the_same_result(
    pipeline: FusionPipeline, fused: FusionResult, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    again = pipeline(guest, astronaut)
    np.testing.assert_array_equal(again.image, fused.image)
    np.testing.assert_array_equal(again.mask, fused.mask)
    assert again.identity_similarity == fused.identity_similarity


def test_visitors_do_not_disturb_each_other(
    pipeline: FusionPipeline, fused: FusionResult, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    back = pipeline(astronaut, guest)
    jobs = [(guest, astronaut, fused), (astronaut, guest, back)] * 4
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda job: pipeline(job[0], job[1]), jobs))
    for result, (_, _, expected) in zip(results, jobs, strict=True):
        np.testing.assert_array_equal(result.image, expected.image)
        assert result.identity_similarity == expected.identity_similarity


def test_a_12_megapixel_photo(
    pipeline: FusionPipeline, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    large = cv2.resize(astronaut, (3500, 3500), interpolation=cv2.INTER_CUBIC)
    result = pipeline(guest, large)
    check(result, large)
    rows, columns = np.nonzero(result.mask > 0.5)
    np.testing.assert_allclose(
        [columns.mean(), rows.mean()], np.array([223, 120]) * 3500 / 512, atol=170
    )


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_photo_that_lies_on_its_side(
    pipeline: FusionPipeline,
    fused: FusionResult,
    guest: np.ndarray,
    astronaut: np.ndarray,
    quarter_turns: int,
) -> None:
    turned = np.ascontiguousarray(np.rot90(astronaut, quarter_turns))
    result = pipeline(guest, turned)
    check(result, turned)
    back = np.rot90(result.mask, -quarter_turns) > 0.5
    expected = fused.mask > 0.5
    assert (back & expected).sum() / (back | expected).sum() > 0.75


def test_a_source_that_lies_on_its_side(
    pipeline: FusionPipeline, fused: FusionResult, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    result = pipeline(np.ascontiguousarray(np.rot90(guest)), astronaut)
    check(result, astronaut)
    inside = fused.mask > 0.9
    assert np.abs(result.image.astype(int) - fused.image)[inside].mean() < 15


def test_a_tightly_cropped_photo(
    pipeline: FusionPipeline, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    tight = np.ascontiguousarray(astronaut[62:180, 172:275])
    check(pipeline(guest, tight), tight)
    check(pipeline(tight, guest), guest)


def test_a_grey_photo(pipeline: FusionPipeline, guest: np.ndarray, astronaut: np.ndarray) -> None:
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    result = pipeline(guest, grey)
    check(result, np.repeat(grey[..., None], 3, axis=2))
    check(pipeline(cv2.cvtColor(guest, cv2.COLOR_RGB2GRAY), astronaut), astronaut)


def test_an_opaque_fourth_channel_changes_nothing(
    pipeline: FusionPipeline, fused: FusionResult, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    result = pipeline(
        cv2.cvtColor(guest, cv2.COLOR_RGB2RGBA), cv2.cvtColor(astronaut, cv2.COLOR_RGB2RGBA)
    )
    np.testing.assert_array_equal(result.image, fused.image)


def test_several_sources(
    pipeline: FusionPipeline, fused: FusionResult, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    np.testing.assert_array_equal(pipeline([guest], astronaut).image, fused.image)
    mirrored = np.ascontiguousarray(guest[:, ::-1])
    result = pipeline([guest, mirrored], astronaut)
    check(result, astronaut)
    turns = {
        abs(pipeline(photo, astronaut).source_face.yaw - fused.target_face.yaw)
        for photo in (guest, mirrored)
    }
    assert abs(result.source_face.yaw - result.target_face.yaw) == pytest.approx(min(turns))
    with pytest.raises(ValueError, match="at most 3"):
        pipeline([guest] * 4, astronaut)


def test_only_the_largest_face_of_a_group_changes(
    pipeline: FusionPipeline, astronaut: np.ndarray, group: np.ndarray
) -> None:
    result = pipeline(astronaut, group)
    check(result, group)
    low, high = result.target_face.mesh[:, :2].min(0), result.target_face.mesh[:, :2].max(0)
    margin = 0.15 * (high - low)  # the oval's soft edge; the next face is farther away
    rows, columns = np.nonzero(result.mask)
    assert (low - margin)[0] < columns.min() and columns.max() < (high + margin)[0]
    assert (low - margin)[1] < rows.min() and rows.max() < (high + margin)[1]
    areas = [
        float(np.prod(face.box[2:] - face.box[:2])) for face in pipeline.networks.detector(group)
    ]
    box = result.target_face.detection.box
    assert float(np.prod(box[2:] - box[:2])) == max(areas)
