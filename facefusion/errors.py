"""What can go wrong with a visitor's photos: which photo, why, and what to do.

Every message is a sentence for a person who is not technical, and `words` says it in two languages.
Messages never hold file names or other user text, so they are safe to show as HTML, and they hold
nothing of the face.
"""

from __future__ import annotations

import traceback
from typing import ClassVar, Literal, TypeVar

from facefusion import words

#: Which of the two uploads is meant.
PhotoRole = Literal["source", "target"]
Caught = TypeVar("Caught", bound=BaseException)


class FusionError(Exception):
    """A photo cannot be used as it is. Its message is the English one.

    Attributes:
        code: what is wrong; `words` has a reason and a remedy for it.
        photo: "source" (the face) or "target" (the photo that gets it).
    """

    code: ClassVar[str] = "unusable"

    def __init__(self, photo: PhotoRole, *, number: int | None = None) -> None:
        self.photo: PhotoRole = photo
        #: 1-based position among several face photos, or None.
        self.number = number
        super().__init__(words.refusal(self.code, photo, number))

    def sentence(self, language: words.Language) -> str:
        """The message in a language."""
        return words.refusal(self.code, self.photo, self.number, language)


class UnreadablePhotoError(FusionError):
    """The file is no picture, or a damaged one."""

    code = "unreadable"


class TooLargePhotoError(FusionError):
    """The photo has too many pixels, or a side is too long."""

    code = "too_large"


class TooLongPhotoError(FusionError):
    """One side of the photo is very many times the other."""

    code = "too_long"


class HeicPhotoError(FusionError):
    """The file is an HEVC picture, as iPhones write them."""

    code = "heic"


class SlowPhotoError(FusionError):
    """The file takes too long to decode."""

    code = "slow_photo"


class EmptyPhotoError(FusionError):
    """There is no photo, or one without pixels."""

    code = "empty"


class NoFaceError(FusionError):
    """No face was found, also after padding and turning the photo."""

    code = "no_face"


class FaceTooSmallError(FusionError):
    """The largest face has too few pixels."""

    code = "face_too_small"


class FaceTurnedError(FusionError):
    """The face looks too far to the side, or the two faces look in too different directions."""

    code = "face_turned"


class FaceTiltedError(FusionError):
    """One of the two faces looks much further up or down than the other."""

    code = "face_tilted"


def refusing(code: str) -> type[FusionError]:
    """The error with this code.

    Raises:
        KeyError: there is none.
    """
    return {kind.code: kind for kind in FusionError.__subclasses__()}[code]


def released(error: Caught) -> Caught:
    """Lets go of the arrays that an exception's traceback holds, so that it can be kept or logged.

    Clears the local variables of all frames of its traceback that have ended, and of those of its
    causes, and takes the tracebacks away.

    Returns:
        The same exception.
    """
    todo: list[BaseException] = [error]
    seen: set[int] = set()
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        todo += [other for other in (each.__cause__, each.__context__) if other is not None]
        traceback.clear_frames(each.__traceback__)
        each.__traceback__ = None
    return error


class WeightsError(RuntimeError):
    """The networks' files are missing or damaged; a fault of the installation, not of a photo."""
