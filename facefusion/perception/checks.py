"""Reasons to ask for another photo instead of making a strange picture."""

from __future__ import annotations

from typing import Final

import numpy as np

from facefusion.errors import FaceTiltedError, FaceTooSmallError, FaceTurnedError, PhotoRole
from facefusion.geometry.topology import eye_distance, five_points
from facefusion.types import Face

#: Pixels between the eyes below which a face has no identity left to carry (a face about 35 px
#: wide).
MIN_EYE_DISTANCE: Final = 14.0
#: Degrees of yaw beyond which half of a face is hidden.
MAX_YAW: Final = 50.0
#: Degrees between the two faces beyond which even the mirrored half of the source does not make a
#: whole face.
MAX_YAW_DIFFERENCE: Final = 40.0
#: Degrees of pitch between them beyond which one shows the underside of a nose that the other
#: hides, and the pitch of a face seen from its own height (the median of the training faces).
MAX_PITCH_DIFFERENCE: Final = 40.0
LEVEL_PITCH: Final = 8.0
#: Mean distance, in eye distances, between the detector's and the mesh's five points beyond which
#: one of them is wrong.
MAX_DISAGREEMENT: Final = 0.3


def is_consistent(face: Face) -> bool:
    """Whether detector and mesh, two networks that look independently, agree on where eyes, nose
    and mouth are.

    They do not where the detector was wrong: on a pattern that is no face, or on a face that lies
        on its side.
    """
    width, height = face.detection.box[2:] - face.detection.box[:2]
    scale = max(
        eye_distance(face.mesh),
        float(np.hypot(*(face.detection.points[1] - face.detection.points[0]))),
        1.0,
    )
    apart = np.linalg.norm(five_points(face.mesh) - face.detection.points, axis=1).mean()
    extent = float(np.ptp(face.mesh[:, :2], axis=0).max())
    return bool(
        apart <= MAX_DISAGREEMENT * scale
        and 0.6 < extent / max(float(width), float(height), 1.0) < 1.6
    )


def _refusal(face: Face) -> type[FaceTurnedError | FaceTooSmallError] | None:
    """Why a face cannot be used, or None."""
    if abs(face.yaw) > MAX_YAW:
        return FaceTurnedError
    return FaceTooSmallError if eye_distance(face.mesh) < MIN_EYE_DISTANCE else None


def check_face(face: Face, which: PhotoRole, *, number: int | None = None) -> None:
    """Refuses a face that is too small or turned too far.

    Raises:
        FaceTooSmallError, FaceTurnedError.
    """
    refusal = _refusal(face)
    if refusal is not None:
        raise refusal(which, number=number)


def is_usable(face: Face) -> bool:
    """Whether `check_face` lets the face pass."""
    return _refusal(face) is None


def check_pair(source: Face, target: Face) -> None:
    """Refuses two faces that look in too different directions.

    Raises:
        FaceTurnedError, FaceTiltedError: naming the photo whose face is turned or tilted more.
    """
    if abs(source.yaw - target.yaw) > MAX_YAW_DIFFERENCE:
        raise FaceTurnedError("source" if abs(source.yaw) >= abs(target.yaw) else "target")
    if abs(source.pitch - target.pitch) > MAX_PITCH_DIFFERENCE:
        tilts = [abs(face.pitch - LEVEL_PITCH) for face in (source, target)]
        raise FaceTiltedError("source" if tilts[0] >= tilts[1] else "target")
