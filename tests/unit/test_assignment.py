"""Who goes to which face of a group photo, as the page says and the server checks it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facefusion.errors import EmptyPhotoError
from facefusion.page.form import Form, read_assignment
from facefusion.page.jobs import Job, NoChoiceError, make_job
from facefusion.page.photos import RefusedError


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("102", 3, [1, 0, 2]),
        ("340", 3, [3, 4, 0]),
        ("", 1, [1]),
        ("777", 1, [1]),
        (None, 2, [0, 0]),
        ("1", 2, [0, 0]),  # of another photo
        ("111", 2, [0, 0]),
        ("15", 2, [0, 0]),
        ("1-", 2, [0, 0]),
        ("1\u0661", 2, [0, 0]),  # a digit, but none of ours
        ("1 ", 2, [0, 0]),
    ],
)
def test_only_digits_that_fit_the_photo(text: str | None, count: int, expected: list[int]) -> None:
    assert read_assignment(text, count) == expected


PHOTOS = {
    name: np.full((8, 8, 3), i, np.uint8) for i, name in enumerate(("you", "p2", "p4", "target"))
}


def _face(x: float, y: float) -> Any:
    box = np.array([x - 40, y - 40, x + 40, y + 40])
    return SimpleNamespace(mesh=np.array([[x, y, 0.0]]), detection=SimpleNamespace(box=box))


#: From left to right, as the pipeline returns them; in reading order they are 2, 1, 3.
FACES = [_face(100, 300), _face(200, 100), _face(300, 300)]


def _job(assignment: str, **others: str) -> Job:
    def read(name: str | None, role: Any, number: int | None = None) -> np.ndarray:
        if name is None:
            raise EmptyPhotoError(role, number=number)
        return PHOTOS[name]

    pipeline: Any = SimpleNamespace(
        find_faces=lambda *_, **__: FACES, find_face=lambda *_, **__: FACES[0]
    )
    empty = dict.fromkeys(("source2", "source3", "person2", "person3", "person4"))
    given: dict[str, Any] = {**empty, "source": "you", "target": "target", **others}
    form = Form(
        **given,
        assignment=assignment,
        tier="fast",
        likeness=0.5,
        blend=1.0,
        consent=[],
        consented=frozenset(),
        last=None,
    )
    photos: Any = SimpleNamespace(read=read, open=lambda *given: (read(*given), None))
    return make_job(pipeline, photos, form)


def test_each_face_gets_the_person_that_was_chosen_for_it() -> None:
    job = _job("210", person2="p2")
    assert job.numbers == (1, 2) and job.people == (2, 1) and job.count == 3
    assert [swap.face for swap in job.swaps] == [FACES[1], FACES[0]]
    sources: list[Any] = [swap.source for swap in job.swaps]
    assert sources[0][0] is PHOTOS["p2"] and sources[1][0] is PHOTOS["you"]
    assert job.key != _job("120", person2="p2").key


def test_whoever_goes_nowhere_is_not_read() -> None:
    job = _job("004", person4="p4", person2="p2")
    assert job.people == (4,) and len(job.source_keys) == 1


def test_a_person_without_a_picture_is_told_at_their_box() -> None:
    with pytest.raises(RefusedError) as caught:
        _job("130")
    assert caught.value.field == "person3" and caught.value.error.code == "empty"


@pytest.mark.parametrize("assignment", ["", "000", "11", "159"])
def test_without_a_choice_nothing_is_made(assignment: str) -> None:
    with pytest.raises(RefusedError) as caught:
        _job(assignment)
    assert caught.value.field == "target" and isinstance(caught.value.error, NoChoiceError)
