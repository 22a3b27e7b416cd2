"""Every error names the photo, says what is wrong and what to do, in words that are safe on a page."""

from __future__ import annotations

import gc
import inspect
import weakref

import numpy as np
import pytest

from facefusion import FusionError, errors
from facefusion.words import say

KINDS = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, FusionError)
]


def test_there_is_an_error_for_each_reason_to_ask_for_another_photo() -> None:
    assert {kind.__name__ for kind in KINDS} >= {
        "UnreadablePhotoError", "EmptyPhotoError", "NoFaceError", "FaceTooSmallError", "FaceTurnedError",
    }  # fmt: skip
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("photo", "name"), [("source", "face photo"), ("target", "target photo")])
@pytest.mark.parametrize("number", [None, 1, 3])
def test_the_sentence(
    kind: type[FusionError], photo: errors.Photo, name: str, number: int | None
) -> None:
    error = kind(photo, number=number)
    reason, remedy = say(f"error.{kind.code}"), say(f"error.{kind.code}.remedy")
    message = str(error)
    assert (error.photo, error.number) == (photo, number)
    assert message.startswith(f"The {name} {number} " if number else f"The {name} {reason}")
    assert reason in message
    assert message.endswith(f". {remedy}")
    assert remedy.startswith("Please ") and remedy.endswith(".")
    assert not set(message) & set("<>&{}\\/_")  # safe as HTML, no paths, no code


@pytest.mark.parametrize("kind", KINDS[1:], ids=lambda kind: kind.__name__)
def test_an_error_is_found_by_its_code(kind: type[FusionError]) -> None:
    assert errors.refusing(kind.code) is kind


class Pixels(np.ndarray):
    """An array that can be watched."""


def _refused(photo: Pixels) -> None:
    """Fails as a network does inside of the pipeline, with an error that is told in place of
    another.
    """
    held = photo
    try:
        raise ValueError(held.shape)
    except ValueError as error:
        raise errors.NoFaceError("target") from error


def test_an_error_that_is_kept_keeps_no_photo() -> None:
    photo = np.zeros((9, 9, 3), np.uint8).view(Pixels)
    watched = weakref.ref(photo)
    kept: Exception | None = None
    try:
        _refused(photo)
    except errors.NoFaceError as error:
        kept = error
    del photo
    gc.collect()
    assert watched() is not None  # by the frames of the tracebacks
    assert kept is not None and errors.released(kept) is kept
    gc.collect()
    assert watched() is None
    assert kept.__traceback__ is None and str(kept) == str(errors.NoFaceError("target"))


def test_an_error_is_released_where_it_is_caught_and_in_a_circle() -> None:
    photo = np.zeros((9, 9, 3), np.uint8).view(Pixels)
    watched, kept = weakref.ref(photo), []
    try:
        _refused(photo)
    except errors.NoFaceError as error:
        assert error.__cause__ is not None
        error.__cause__.__cause__ = error
        kept.append(errors.released(error))
    del photo
    gc.collect()
    assert watched() is None and len(kept) == 1


def test_broken_weights_are_not_the_visitor_s_fault() -> None:
    assert not issubclass(errors.WeightsError, FusionError)
