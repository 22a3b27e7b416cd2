"""Measures of one result, with known answers."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from facefusion.evaluation import measures
from facefusion.evaluation.measures import BY_KEY, EXPRESSION_POINTS, MEASURES, JudgedFace, measure
from facefusion.geometry.topology import eye_distance

ONE = np.array([1, 0], np.float32)
TWO = np.array([0.6, 0.8], np.float32)


@pytest.fixture
def seen(make_photo, make_mesh) -> JudgedFace:
    return JudgedFace(make_photo(300, 320), make_mesh((160, 150), 120), ONE)


def changed(seen: JudgedFace, **parts: Any) -> JudgedFace:
    return JudgedFace(
        **{"photo": seen.photo, "mesh": seen.mesh, "embedding": seen.embedding, **parts}
    )


def test_a_result_that_is_the_target_has_no_error(seen: JudgedFace) -> None:
    figures = measure(changed(seen, embedding=TWO), seen, seen, 0.25)
    assert figures == pytest.approx({
        "id_similarity": 0.6, "target_similarity": 1, "pose_error_deg": 0, "expression_error_pct": 0,
        "skin_tone_delta_e": 0, "detail_ratio": 1, "changed_far": 0, "milliseconds": 250,
    })  # fmt: skip
    assert list(figures) == [one.key for one in MEASURES]


def test_expression_error_is_the_shift_in_percent_of_the_eye_distance(seen: JudgedFace) -> None:
    eyes = eye_distance(seen.mesh)
    assert measures.expression_error(seen.mesh + [3, 4, 90], seen.mesh) == pytest.approx(
        100 * 5 / eyes, rel=1e-4
    )
    moved = seen.mesh.copy()
    moved[EXPRESSION_POINTS[0], 0] += eyes
    assert measures.expression_error(moved, seen.mesh) == pytest.approx(
        100 / len(EXPRESSION_POINTS), rel=1e-4
    )
    others = seen.mesh + 7
    others[list(EXPRESSION_POINTS)] -= 7
    assert measures.expression_error(others, seen.mesh) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("angle", ["yaw", "pitch", "roll"])
def test_pose_error_is_the_mean_of_three_angles(make_mesh, angle: str) -> None:
    front, turned = make_mesh(), make_mesh(**{angle: 12.0})
    assert measures.pose_error(turned, front) == pytest.approx(4, abs=0.05)


def test_skin_tone_is_a_distance_of_cielab(seen: JudgedFace) -> None:
    black, white = np.zeros_like(seen.photo), np.full_like(seen.photo, 255)
    tones = [measures.cheek_tone(photo, seen.mesh) for photo in (black, white)]
    np.testing.assert_allclose(tones, [[0, 0, 0], [100, 0, 0]], atol=0.01)
    figures = measure(seen, changed(seen, photo=black), changed(seen, photo=white), 0)
    assert figures["skin_tone_delta_e"] == pytest.approx(100, abs=0.01)
    assert figures["changed_far"] == 255


def test_detail_falls_with_blur_and_rises_with_noise(
    seen: JudgedFace, rng: np.random.Generator
) -> None:
    noisy = changed(seen, photo=rng.integers(0, 255, seen.photo.shape, np.uint8))
    soft = changed(seen, photo=cv2.GaussianBlur(noisy.photo, (0, 0), 2))
    assert measure(seen, noisy, soft, 0)["detail_ratio"] < 0.4
    assert measure(seen, soft, noisy, 0)["detail_ratio"] > 2.5


def test_only_changes_far_from_the_face_count_as_far(seen: JudgedFace) -> None:
    result = seen.photo.copy()
    result[150, 160] ^= 64
    assert measures.changed_far(result, seen.photo, seen.mesh) == 0
    result[2, 2] = seen.photo[2, 2] - 9
    assert measures.changed_far(result, seen.photo, seen.mesh) == 9
    everywhere = seen.mesh * [9, 9, 1] - [1200, 1200, 0]
    assert measures.changed_far(result, seen.photo, everywhere) == 0


def test_the_hull_grows_about_its_centre(seen: JudgedFace) -> None:
    plain, grown = (measures.face_hull(seen.mesh, (300, 320), grow) for grow in (0.0, 0.6))
    assert plain[150, 160] and not plain[150, 160 + 60]
    assert grown.sum() / plain.sum() == pytest.approx(1.6**2, rel=0.04)
    assert (grown | ~plain).all()


def test_worst_means_far_from_one_for_a_ratio() -> None:
    ratio = BY_KEY["detail_ratio"].badness
    assert ratio(2.0) == pytest.approx(ratio(0.5))
    assert ratio(0.3) > ratio(2) > ratio(1.1) > ratio(1.0)
    assert BY_KEY["id_similarity"].badness(0.1) > BY_KEY["id_similarity"].badness(0.9)
    assert BY_KEY["expression_error_pct"].badness(np.nan) == np.inf
