"""What can go wrong with a visitor's photos: which photo, why, and what to do.

Every message is a sentence for a person who is not technical. Messages never hold file names or other user text, so they
are safe to show as HTML, and they hold nothing of the face.
"""

from __future__ import annotations

from typing import ClassVar, Literal

#: Which of the two uploads is meant.
Photo = Literal["source", "target"]

_CALLED = {"source": "face photo", "target": "target photo"}


class FusionError(Exception):
    """A photo cannot be used as it is.

    Attributes:
        photo: "source" (the face) or "target" (the photo that gets it).
        reason: what is wrong, as the end of the sentence "In the face photo ..." or "The face photo ...".
        remedy: what the visitor can do, a whole sentence.
    """

    reason: ClassVar[str] = "cannot be used"
    remedy: ClassVar[str] = "Please try another photo."

    def __init__(self, photo: Photo, *, number: int | None = None) -> None:
        self.photo: Photo = photo
        #: 1-based position among several face photos, or None.
        self.number = number
        name = _CALLED[photo] + (f" {number}" if number is not None else "")
        super().__init__(f"The {name} {self.reason}. {self.remedy}")


class UnreadablePhotoError(FusionError):
    """The file is no picture, or a damaged one."""

    reason = "could not be read as a picture"
    remedy = "Please choose a JPEG, PNG or WebP picture, or save it again and retry."


class EmptyPhotoError(FusionError):
    """There is no photo, or one without pixels."""

    reason = "is missing or empty"
    remedy = "Please choose a photo first."


class NoFaceError(FusionError):
    """No face was found, also after padding and turning the photo."""

    reason = "shows no face that we can find"
    remedy = "Please choose one where the whole face is visible, well lit and looking towards the camera."


class FaceTooSmallError(FusionError):
    """The largest face has too few pixels."""

    reason = "shows the face too small"
    remedy = "Please come closer, crop the photo around the face, or choose one of higher resolution."


class FaceTurnedError(FusionError):
    """The face looks too far to the side, or the two faces look in too different directions."""

    reason = "shows the face turned too far to the side"
    remedy = "Please choose a photo where both eyes are visible and the face looks roughly the same way as in the other one."


class WeightsError(RuntimeError):
    """The networks' files are missing or damaged; a fault of the installation, not of a photo."""
