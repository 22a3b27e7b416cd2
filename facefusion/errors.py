"""Errors of photos, with the photo concerned, the reason and the remedy; errors of weights.

Messages are sentences for people who are not technical, in two languages from `words`. They never
contain file names or other user text, so they are safe to show as HTML, and no data of the face.
"""

from __future__ import annotations

import traceback
from typing import ClassVar, Literal, TypeVar

from facefusion import words

#: Role of a photo in a fusion.
PhotoRole = Literal["source", "target"]
Caught = TypeVar("Caught", bound=BaseException)


class FusionError(Exception):
    """A photo that cannot be used, with an English message.

    Attributes:
        code: key of the reason and remedy in `words`.
        photo: "source" or "target".
    """

    code: ClassVar[str] = "unusable"

    def __init__(self, photo: PhotoRole, *, number: int | None = None) -> None:
        self.photo: PhotoRole = photo
        #: 1-based position among several source photos, or None.
        self.number = number
        super().__init__(words.refusal(self.code, photo, number))

    def sentence(self, language: words.Language) -> str:
        """Returns the message in a language."""
        return words.refusal(self.code, self.photo, self.number, language)


class UnreadablePhotoError(FusionError):
    """A file that is damaged or no picture."""

    code = "unreadable"


class TooLargePhotoError(FusionError):
    """A photo with too many pixels or too long a side."""

    code = "too_large"


class TooLongPhotoError(FusionError):
    """A photo with an extreme aspect ratio."""

    code = "too_long"


class SlowPhotoError(FusionError):
    """A file that takes too long to decode."""

    code = "slow_photo"


class EmptyPhotoError(FusionError):
    """A missing photo, or one without pixels."""

    code = "empty"


class NoFaceError(FusionError):
    """A photo without a face, also after padding and turning it."""

    code = "no_face"


class FaceTooSmallError(FusionError):
    """A face with too few pixels."""

    code = "face_too_small"


class FaceTurnedError(FusionError):
    """A face with too large a yaw, or two faces whose yaw differs too much."""

    code = "face_turned"


class FaceTiltedError(FusionError):
    """Two faces whose pitch differs too much."""

    code = "face_tilted"


class FaceHiddenError(FusionError):
    """A face of which too little is visible."""

    code = "face_hidden"


class FaceCutError(FusionError):
    """A source face whose eyes or mouth the photo's edge cuts off."""

    code = "face_cut"


def refusing(code: str) -> type[FusionError]:
    """Returns the error class with this code.

    Raises:
        KeyError: unknown code.
    """
    return {kind.code: kind for kind in FusionError.__subclasses__()}[code]


def released(error: Caught) -> Caught:
    """Releases the arrays that an exception's traceback holds, so that it can be kept or logged.

    Clears the local variables of all finished frames in the tracebacks of the exception and of its
    causes, and removes the tracebacks.

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
    """Missing, damaged or unsuitable weights: a fault of the installation, not of a photo."""
