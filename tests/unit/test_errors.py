"""Every error names the photo, says what is wrong and what to do, in words that are safe on a page."""

from __future__ import annotations

import inspect

import pytest

from facefusion import FusionError, errors
from facefusion.words import say

KINDS = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, FusionError)]


def test_there_is_an_error_for_each_reason_to_ask_for_another_photo() -> None:
    assert {kind.__name__ for kind in KINDS} >= {
        "UnreadablePhotoError", "EmptyPhotoError", "NoFaceError", "FaceTooSmallError", "FaceTurnedError",
    }  # fmt: skip
    assert len({kind.code for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("photo", "name"), [("source", "face photo"), ("target", "target photo")])
@pytest.mark.parametrize("number", [None, 1, 3])
def test_the_sentence(kind: type[FusionError], photo: errors.Photo, name: str, number: int | None) -> None:
    error = kind(photo, number=number)
    reason, remedy = say(f"error.{kind.code}"), say(f"error.{kind.code}.remedy")
    message = str(error)
    assert (error.photo, error.number) == (photo, number)
    assert message.startswith(f"The {name} {number} " if number else f"The {name} {reason}")
    assert reason in message
    assert message.endswith(f". {remedy}")
    assert remedy.startswith("Please ") and remedy.endswith(".")
    assert not set(message) & set("<>&{}\\/_")  # safe as HTML, no paths, no code


def test_broken_weights_are_not_the_visitor_s_fault() -> None:
    assert not issubclass(errors.WeightsError, FusionError)
