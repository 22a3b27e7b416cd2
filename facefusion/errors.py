"""What can go wrong with a visitor's photos: which photo, why, and what to do.

Every message is a sentence for a person who is not technical, and `words` says it in two languages. Messages never hold file
names or other user text, so they are safe to show as HTML, and they hold nothing of the face.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from facefusion import words

#: Which of the two uploads is meant.
Photo = Literal["source", "target"]


class FusionError(Exception):
    """A photo cannot be used as it is. Its message is the English one.

    Attributes:
        code: what is wrong; `words` has a reason and a remedy for it.
        photo: "source" (the face) or "target" (the photo that gets it).
    """

    code: ClassVar[str] = "unusable"

    def __init__(self, photo: Photo, *, number: int | None = None) -> None:
        self.photo: Photo = photo
        #: 1-based position among several face photos, or None.
        self.number = number
        super().__init__(words.refusal(self.code, photo, number))

    def sentence(self, language: words.Language) -> str:
        """The message in a language."""
        return words.refusal(self.code, self.photo, self.number, language)


class UnreadablePhotoError(FusionError):
    """The file is no picture, or a damaged one."""

    code = "unreadable"


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


class WeightsError(RuntimeError):
    """The networks' files are missing or damaged; a fault of the installation, not of a photo."""
