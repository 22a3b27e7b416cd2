"""Looks at a detected face again in a crop of its own: is it one, and which way up is it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.align import crop_photo, crop_transform, invert, transform_points
from facefusion.geometry.topology import five_points
from facefusion.perception.boxes import (
    corners,
    eye_angle,
    longer_side,
    moved,
    moved_turned,
    overlapping,
    same_face,
    upright_corners,
)
from facefusion.types import Detection, Face, Photo

#: Detects faces in a BGR picture at a side in pixels.
Detect = Callable[[np.ndarray, int], list[Detection]]
#: Says whether two boxes may show the same face.
Matches = Callable[[np.ndarray, np.ndarray], bool]

#: Side in pixels of the crop.
CROP_SIZE: Final = 192
#: Side of the face in a crop that confirms it, as a share of the crop's side.
CONFIRMATION_SHARE: Final = 0.35
#: The same in the two crops that tell which way up a face is.
UPRIGHT_SHARE: Final = 0.5
#: Score of a detection that needs no crop to confirm it.
SURE_SCORE: Final = 0.9
#: `Look.score` from which on a face is certain. Of 192 synthetic people of every kind 191 have 0.81
#: and more; false answers in turned heads have 0.74 and less.
CERTAIN_SCORE: Final = 0.78


def confirmed(detect: Detect, bgr: np.ndarray, face: Detection, least: float) -> bool:
    """Returns whether an upright face is found again with a score of at least `least`.

    A true face scores alike at every size; a pattern that resembles a face at one size does not.
    """
    again = _best(detect, bgr, corners(face.box), 0.0, CONFIRMATION_SHARE, same_face)
    return again is not None and again.score >= least


def again(detect: Detect, photo: Photo, face: Detection, least: float) -> Detection | None:
    """Finds a face again, in the photo's own pixels and turned upright by its eyes.

    Args:
        detect: the detector.
        photo: (H, W, 3) RGB uint8.
        face: the face, found in a reduced or turned photo, in the photo's pixels.
        least: least score.

    Returns:
        The face as it is found again, or None.
    """
    angle = eye_angle(face.points)
    around = upright_corners(face, angle)
    found = _best_of_photo(detect, photo, around, angle, CONFIRMATION_SHARE, same_face)
    return None if found is None or found.score < least else found


@dataclass(frozen=True)
class Look:
    """A face the right way up.

    Attributes:
        face: the face, in the photo's pixels.
        score: the mean of its scores in the photo and in a crop of its own.
        turned: whether it was measured the wrong way up.
    """

    face: Detection
    score: float
    turned: bool = False

    @property
    def certain(self) -> bool:
        """Whether it is a face for sure; others are taken where the photo has no better one."""
        return self.score >= CERTAIN_SCORE


def right_way_up(detect: Detect, photo: Photo, face: Face) -> Look | None:
    """Looks at a measured face as its mesh lies and turned by 180 degrees.

    The networks may see an upright face in one that is upside down. In such crops the right way up
    has the higher score.

    Args:
        detect: the detector.
        photo: (H, W, 3) RGB uint8.
        face: the face, in the photo's pixels.

    Returns:
        The way up with the higher score, or None if neither crop shows a face and the detector was
        not sure of it either.
    """
    mesh = face.mesh
    angle, around = eye_angle(five_points(mesh)[:, :2]), mesh[:, :2]
    upright = _best_of_photo(detect, photo, around, angle, UPRIGHT_SHARE, overlapping)
    other = _best_of_photo(detect, photo, around, angle + np.pi, UPRIGHT_SHARE, overlapping)
    if other is not None and (upright is None or upright.score < other.score):
        return Look(other, other.score, turned=True)
    if upright is None and face.detection.score < SURE_SCORE:
        return None
    score = 0.0 if upright is None else upright.score
    return Look(face.detection, (face.detection.score + score) / 2)


def _best_of_photo(
    detect: Detect,
    photo: Photo,
    around: np.ndarray,
    angle: float,
    share: float,
    matches: Matches,
) -> Detection | None:
    """Does the same as `_best` in a photo (H, W, 3) RGB uint8, of which it converts a part."""
    low, high = around.min(0), around.max(0)
    reach = longer_side(np.concatenate([low, high])) / share
    left, top = np.maximum(np.floor((low + high) / 2 - reach), 0).astype(int)
    right, bottom = np.maximum(np.ceil((low + high) / 2 + reach), 0).astype(int)
    part = photo[top:bottom, left:right]
    if not part.size:
        return None
    corner = np.array([left, top], np.float32)
    bgr = np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2BGR))
    face = _best(detect, bgr, around - corner, angle, share, matches)
    return None if face is None else moved(face, lambda xy: xy + corner)


def _best(
    detect: Detect,
    bgr: np.ndarray,
    around: np.ndarray,
    angle: float,
    share: float,
    matches: Matches,
) -> Detection | None:
    """Looks for a face in a crop around it, in which it is upright.

    Args:
        detect: the detector.
        bgr: (H, W, 3) uint8.
        around: (N, 2) points that span the face.
        angle: roll of the face in radians.
        share: side of the face as a share of the crop's side.

    Returns:
        The face with the highest score there, in pixels of `bgr`, or None.
    """
    matrix = crop_transform(around, angle, share, CROP_SIZE)
    crop = crop_photo(bgr, matrix, CROP_SIZE, cv2.BORDER_CONSTANT)
    there = transform_points(around, matrix)
    expected = np.concatenate([there.min(0), there.max(0)])
    found = [face for face in detect(crop, CROP_SIZE) if matches(face.box, expected)]
    best = max(found, key=lambda face: face.score, default=None)
    back = invert(matrix)
    return None if best is None else moved_turned(best, lambda xy: transform_points(xy, back))
