"""Refuses faces that are too small, too far turned or too different in pose."""

from __future__ import annotations

from typing import Final

import numpy as np

from facefusion.errors import (
    FaceCutError,
    FaceHiddenError,
    FaceTiltedError,
    FaceTooSmallError,
    FaceTurnedError,
    PhotoRole,
)
from facefusion.geometry.topology import eye_distance, five_points
from facefusion.perception.coverings import Coverings
from facefusion.types import Face

#: Smallest eye distance in pixels, of a face about 35 px wide; a smaller face shows no identity.
MIN_EYE_DISTANCE: Final = 14.0
#: Largest yaw in degrees; beyond it half of the face is hidden.
MAX_YAW: Final = 50.0
#: Largest difference in yaw in degrees; beyond it even the source's mirrored half does not fill the
#: target.
MAX_YAW_DIFFERENCE: Final = 40.0
#: Largest difference in pitch in degrees; beyond it only one face shows the underside of the nose.
MAX_PITCH_DIFFERENCE: Final = 40.0
#: Pitch in degrees of a face seen at its own height: the median of the training faces.
LEVEL_PITCH: Final = 8.0
#: Largest mean distance between the detector's and the mesh's five points, in eye distances; beyond
#: it one of them is wrong.
MAX_DISAGREEMENT: Final = 0.3

#: Largest share of a face that cloth, hands, things and dark glass may hide together: a mask and
#: sunglasses leave no face.
MAX_HIDDEN: Final = 0.55
#: Largest share of a source face between eyes and lips beyond the photo's edge.
MAX_OUTSIDE: Final = 0.04


def is_consistent(face: Face) -> bool:
    """Returns whether detector and mesh agree on the position of eyes, nose and mouth.

    The two networks are independent; they disagree on false detections and on faces that lie on
    their side.
    """
    width, height = face.detection.box[2:] - face.detection.box[:2]
    scale = max(
        eye_distance(face.mesh),
        float(np.hypot(*(face.detection.points[1] - face.detection.points[0]))),
        1.0,
    )
    distance = np.linalg.norm(five_points(face.mesh) - face.detection.points, axis=1).mean()
    extent = float(np.ptp(face.mesh[:, :2], axis=0).max())
    return bool(
        distance <= MAX_DISAGREEMENT * scale
        and 0.6 < extent / max(float(width), float(height), 1.0) < 1.6
    )


def _refusal(face: Face) -> type[FaceTurnedError | FaceTooSmallError] | None:
    """Returns the error for a face that cannot be used, or None."""
    if abs(face.yaw) > MAX_YAW:
        return FaceTurnedError
    return FaceTooSmallError if eye_distance(face.mesh) < MIN_EYE_DISTANCE else None


def check_face(face: Face, role: PhotoRole, *, number: int | None = None) -> None:
    """Refuses a face that is too small or turned too far.

    Raises:
        FaceTooSmallError, FaceTurnedError.
    """
    refusal = _refusal(face)
    if refusal is not None:
        raise refusal(role, number=number)


def check_coverings(coverings: Coverings, role: PhotoRole, *, number: int | None = None) -> None:
    """Refuses a face of which too little is visible.

    Raises:
        FaceCutError, FaceHiddenError.
    """
    if role == "source" and coverings.hidden.outside > MAX_OUTSIDE:
        raise FaceCutError(role, number=number)
    if coverings.hidden.whole > MAX_HIDDEN:
        raise FaceHiddenError(role, number=number)


def is_usable(face: Face) -> bool:
    """Returns whether `check_face` accepts the face."""
    return _refusal(face) is None


def check_pair(source: Face, target: Face) -> None:
    """Refuses two faces whose head poses differ too much.

    Raises:
        FaceTurnedError, FaceTiltedError: for the photo whose face is turned or tilted more.
    """
    if abs(source.yaw - target.yaw) > MAX_YAW_DIFFERENCE:
        raise FaceTurnedError("source" if abs(source.yaw) >= abs(target.yaw) else "target")
    if abs(source.pitch - target.pitch) > MAX_PITCH_DIFFERENCE:
        tilts = [abs(face.pitch - LEVEL_PITCH) for face in (source, target)]
        raise FaceTiltedError("source" if tilts[0] >= tilts[1] else "target")
