"""Reasons to ask for another photo instead of making a strange picture."""

from __future__ import annotations

from typing import Final

from facefusion.errors import FaceTooSmallError, FaceTurnedError
from facefusion.errors import Photo as Which
from facefusion.geometry.topology import eye_distance
from facefusion.types import Face

#: Pixels between the eyes below which a face has no identity left to carry (a face about 35 px wide).
MIN_EYE_DISTANCE: Final = 14.0
#: Degrees of yaw beyond which half of a face is hidden.
MAX_YAW: Final = 50.0
#: Degrees between the two faces beyond which the warp tears (measured, `benchmarks/`).
MAX_YAW_DIFFERENCE: Final = 45.0


def check_face(face: Face, which: Which, *, number: int | None = None) -> None:
    """Refuses a face that is too small or turned too far.

    Raises:
        FaceTooSmallError, FaceTurnedError.
    """
    if abs(face.yaw) > MAX_YAW:
        raise FaceTurnedError(which, number=number)
    if eye_distance(face.mesh) < MIN_EYE_DISTANCE:
        raise FaceTooSmallError(which, number=number)


def check_pair(source: Face, target: Face) -> None:
    """Refuses two faces that look in too different directions.

    Raises:
        FaceTurnedError: naming the photo whose face is turned more.
    """
    if abs(source.yaw - target.yaw) > MAX_YAW_DIFFERENCE:
        raise FaceTurnedError("source" if abs(source.yaw) >= abs(target.yaw) else "target")
