"""Photos of several people: which faces are replaced, by whom, and in which order things are shown."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion import FusionPipeline, Swap
from facefusion.errors import FaceTooSmallError, NoFaceError
from facefusion.types import Face


@pytest.fixture(scope="module")
def faces(pipeline: FusionPipeline, group: np.ndarray) -> list[Face]:
    return pipeline.find_faces(group)


def _window(face: Face) -> tuple[slice, slice]:
    """The middle of a face: rows and columns."""
    (left, top), (right, bottom) = (
        face.mesh[:, :2].min(0).astype(int),
        face.mesh[:, :2].max(0).astype(int),
    )
    a, b = (right - left) // 4, (bottom - top) // 4
    return slice(top + b, bottom - b), slice(left + a, right - a)


def _changed(before: np.ndarray, after: np.ndarray, faces: list[Face]) -> list[bool]:
    return [
        bool(np.abs(before[_window(f)].astype(int) - after[_window(f)]).mean() > 3) for f in faces
    ]


def test_finds_every_face_from_left_to_right(faces: list[Face]) -> None:
    assert len(faces) == 6
    across = [float(face.mesh[:, 0].mean()) for face in faces]
    assert across == sorted(across)


def test_no_face_names_the_photo(pipeline: FusionPipeline) -> None:
    with pytest.raises(NoFaceError) as caught:
        pipeline.find_faces(np.full((200, 200, 3), 128, np.uint8), "source", number=2)
    assert (caught.value.photo, caught.value.number) == ("source", 2)


def test_the_chosen_face_is_replaced_and_no_other(
    pipeline: FusionPipeline, astronaut: np.ndarray, group: np.ndarray, faces: list[Face]
) -> None:
    for chosen in (0, 4):
        result = pipeline(astronaut, group, face=faces[chosen], tier="fast")
        assert _changed(group, result.image, faces) == [i == chosen for i in range(6)]
        assert result.target_face is faces[chosen]
        np.testing.assert_array_equal(result.image[result.mask == 0], group[result.mask == 0])


def test_several_faces_in_one_run(
    pipeline: FusionPipeline, astronaut: np.ndarray, group: np.ndarray, faces: list[Face]
) -> None:
    both = pipeline(astronaut, group, face=[faces[1], faces[5]], tier="balanced")
    alone = pipeline(astronaut, group, face=faces[1], tier="balanced")
    assert _changed(group, both.image, faces) == [i in (1, 5) for i in range(6)]
    np.testing.assert_array_equal(both.image[_window(faces[1])], alone.image[_window(faces[1])])
    assert len(both.faces) == len(both.boxes) == 2
    assert both.faces[0].identity_similarity == pytest.approx(alone.identity_similarity, abs=1e-4)
    assert both.identity_similarity == pytest.approx(
        np.mean([f.identity_similarity for f in both.faces])
    )


def test_different_people_for_different_faces(
    pipeline: FusionPipeline,
    astronaut: np.ndarray,
    guest: np.ndarray,
    group: np.ndarray,
    faces: list[Face],
) -> None:
    draft, result = pipeline.stream(
        [Swap(astronaut, faces[0]), Swap([guest], faces[2])], group, tier="best"
    )
    np.testing.assert_array_equal(draft.image, draft.coarse)
    np.testing.assert_array_equal(draft.coarse, result.coarse)
    assert np.isnan(draft.identity_similarity) and "check" not in draft.timings.stages
    assert (
        _changed(group, draft.image, faces)
        == _changed(group, result.image, faces)
        == [True, False, True, *[False] * 3]
    )
    for swapped, source, other in zip(
        result.faces, (astronaut, guest), (guest, astronaut), strict=True
    ):
        own, wrong = (
            float(
                pipeline.networks.identity(result.image, swapped.target.mesh)
                @ pipeline.networks.identity(photo, pipeline.find_faces(photo)[0].mesh)
            )
            for photo in (source, other)
        )
        assert own > wrong and own == pytest.approx(swapped.identity_similarity, abs=1e-3)


def test_blend_shows_a_part_of_the_new_face(
    pipeline: FusionPipeline, guest: np.ndarray, astronaut: np.ndarray
) -> None:
    whole, half, none = (
        pipeline(guest, astronaut, tier="fast", blend=share).image for share in (1.0, 0.5, 0.0)
    )
    np.testing.assert_array_equal(none, astronaut)
    middle = (whole.astype(int) + astronaut) / 2
    assert np.abs(half - middle).max() <= 2
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="blend"):
            pipeline(guest, astronaut, blend=wrong)


def test_a_face_that_is_too_small_can_be_found_but_not_used(
    pipeline: FusionPipeline, astronaut: np.ndarray
) -> None:
    tiny = np.ascontiguousarray(astronaut[::4, ::4])
    found = pipeline.find_faces(tiny)
    with pytest.raises(FaceTooSmallError):
        pipeline(astronaut, tiny, face=found[0])
    with pytest.raises(ValueError, match="at least one"):
        pipeline(astronaut, astronaut, face=[])


def test_nothing_is_looked_at_twice(
    pipeline: FusionPipeline,
    guest: np.ndarray,
    astronaut: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline.cache.clear()
    looked: list[tuple[int, ...]] = []
    attempts = pipeline.networks.detector.attempts
    monkeypatch.setattr(
        pipeline.networks.detector,
        "attempts",
        lambda photo, *how, **more: (looked.append(photo.shape), attempts(photo, *how, **more))[1],
    )
    pipeline.find_faces(guest, "source")
    face = pipeline.find_faces(astronaut)
    first = pipeline(guest, astronaut)
    second = pipeline(guest, astronaut, face=face, tier=first.tier)
    assert looked == [guest.shape, astronaut.shape]
    np.testing.assert_array_equal(first.image, second.image)
