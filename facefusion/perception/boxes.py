"""Compares the boxes of detected faces, and moves faces from one picture into another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from facefusion.types import Detection

#: Area of the second largest face, as a share of the largest one's, above which the largest is not
#: clear.
RIVAL_AREA: Final = 0.7
#: Difference to the best score beyond which a detection is sorted behind the others.
SCORE_MARGIN: Final = 0.2


def largest(faces: Sequence[Detection]) -> Detection | None:
    """Returns the face that is clearly larger than all others, or None."""
    ordered = sorted(faces, key=lambda face: -area(face.box))
    if not ordered or (
        len(ordered) > 1 and area(ordered[1].box) > RIVAL_AREA * area(ordered[0].box)
    ):
        return None
    return ordered[0]


def ordered(faces: Iterable[Detection]) -> list[Detection]:
    """Sorts faces: the largest first, and those with much lower scores last."""
    faces = list(faces)
    least_score = max((face.score for face in faces), default=0.0) - SCORE_MARGIN
    return sorted(faces, key=lambda face: (face.score < least_score, -area(face.box)))


def same_face(a: np.ndarray, b: np.ndarray) -> bool:
    """Returns whether two boxes, (4,) left, top, right, bottom, show the same face."""
    return covers(a, b) and covers(b, a)


def overlapping(a: np.ndarray, b: np.ndarray) -> bool:
    """Returns whether one of two boxes lies in the other by at least a half of its own area."""
    return covers(a, b) or covers(b, a)


def covers(large: np.ndarray, small: np.ndarray) -> bool:
    """Returns whether at least half of the box `small` lies in the box `large`."""
    overlap = np.clip(
        np.minimum(large[2:], small[2:]) - np.maximum(large[:2], small[:2]), 0, None
    ).prod()
    return bool(overlap >= 0.5 * area(small))


def longer_side(box: np.ndarray) -> float:
    """Returns the longer side of a box."""
    return float((box[2:] - box[:2]).max())


def area(box: np.ndarray) -> float:
    """Returns the area of a box."""
    return float((box[2:] - box[:2]).prod())


def corners(box: np.ndarray) -> np.ndarray:
    """Returns the four corners (4, 2) of a box."""
    left, top, right, bottom = box
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def moved(face: Detection, move: Callable[[np.ndarray], np.ndarray]) -> Detection:
    """Maps a face by a function of points (N, 2); its box is the one around the moved corners."""
    around = move(corners(face.box))
    box = np.concatenate([around.min(0), around.max(0)])
    return Detection(box.astype(np.float32), face.score, move(face.points).astype(np.float32))


def moved_turned(face: Detection, move: Callable[[np.ndarray], np.ndarray]) -> Detection:
    """Maps a face by a function that turns points (N, 2): a box around turned corners is too large.

    The new box is a square around the face.
    """
    points = move(face.points)
    before, after = eye_angle(face.points), eye_angle(points)
    scale = float(
        np.hypot(*(points[1] - points[0])) / max(np.hypot(*np.ptp(face.points[:2], 0)), 1e-6)
    )
    reach = longer_side(face.box) * scale * _growth(after) / _growth(before) / 2
    centre = move(face.box.reshape(2, 2).mean(0, keepdims=True))[0]
    box = np.concatenate([centre - reach, centre + reach])
    return Detection(box.astype(np.float32), face.score, points.astype(np.float32))


def eye_angle(points: np.ndarray) -> float:
    """Returns the roll in radians, the direction from the first of the points (N, 2) to the second."""
    return float(np.arctan2(*(points[1] - points[0])[::-1]))


def upright_corners(face: Detection, angle: float) -> np.ndarray:
    """Returns the corners (4, 2) of a box that is upright in the face's own frame.

    The detector's box is upright in the photo: around a turned face it is too large and, in the
    face's frame, a rhombus. The new box has its centre, and its longer side reduced by what the
    turn added.

    Args:
        face: the face.
        angle: its roll in radians.
    """
    centre = face.box.reshape(2, 2).mean(0)
    side = longer_side(face.box) / _growth(angle)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * side / 2
    return np.asarray(centre + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) @ axes)


def _growth(angle: float) -> float:
    """Returns the longer side of the box around a turned face, as a share of an upright face's."""
    cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
    return float(max(cos, sin) + 0.55 * min(cos, sin))
