"""Warns of poor face photos before they are used; refusals are in `checks`.

All measures use one small aligned crop and the face's mesh, without a further network. The
thresholds were set on 350 synthetic portraits, on 220 of which sunglasses and cloth masks were
painted: 96 % of the sunglasses and 67 % of the masks are found, against 2.7 % (most of them true
sunglasses) and 2.3 % of the bare faces. Hands, hair and beards have the colours of a face and are
not found this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    transform_points,
)
from facefusion.geometry.mask import fill_points, grown, skin_mask
from facefusion.geometry.topology import (
    INNER_LIPS,
    LEFT_EYE,
    OUTER_LIPS,
    OVAL,
    RIGHT_EYE,
    eye_distance,
)
from facefusion.perception.checks import LEVEL_PITCH
from facefusion.types import Face, FloatArray, Mesh, Photo


class Doubt(StrEnum):
    """A reason why the result may disappoint."""

    SMALL = "small"
    DARK = "dark"
    BRIGHT = "bright"
    BLURRED = "blurred"
    TURNED = "turned"
    TILTED = "tilted"
    EYES_COVERED = "eyes_covered"
    MOUTH_COVERED = "mouth_covered"


SIZE: Final = 192
#: Eye distance in pixels below which the result is soft.
SMALL_EYE_DISTANCE: Final = 28.0
#: Yaw in degrees beyond which much of the face is hidden.
TURNED_YAW: Final = 32.0
#: Pitch in degrees from a level face beyond which much of the face is hidden.
TILTED_PITCH: Final = 28.0
#: Least median lightness (CIE L, 0 to 100) of the skin; 16 was the lowest of the portraits.
DARK: Final = 13.0
#: Largest median lightness (CIE L) of the skin; 81 was the highest of the portraits.
BRIGHT: Final = 90.0
#: Value (0 to 255) from which on a pixel with all its channels counts as blown out.
BLOWN_OUT: Final = 248
#: Largest share of the skin that may be blown out.
BLOWN_OUT_SHARE: Final = 0.25
#: Least contrast of the finest structures as a share of the whole contrast; 0.07 was the lowest of
#: the portraits.
SHARP: Final = 0.06
#: Lightness of the eyes below which they are covered, as a share of that of cheeks and forehead.
COVERED_EYES: Final = 0.55
#: Lightness below the eyes below which they are covered, as a share of the same.
COVERED_UNDER_EYES: Final = 0.40
#: Colour distance (L halved, a, b) from the upper to the lower face above which cloth covers it.
CLOTH_FROM_SKIN: Final = 20.0
#: Colour distance from the lower face to the lips below which cloth covers them.
LIPS_FROM_CLOTH: Final = 4.0

#: Mesh points around which colours are measured.
CHEEKS: Final = (50, 280, 205, 425, 101, 330, 36, 266)
FOREHEAD: Final = (151, 9, 108, 337)
UNDER_EYES: Final = (119, 348, 118, 347, 120, 349, 230, 450)
NOSE_BRIDGE: Final = (6, 197)
LOWER_FACE: Final = (199, 200, 18, 175, 57, 287, 212, 432, 214, 434)


@dataclass(frozen=True)
class _View:
    """A face in its aligned crop.

    Attributes:
        lab: (S, S, 3) float32, L from 0 to 100.
        mesh: (468, 3) in the crop's pixels.
    """

    lab: FloatArray
    mesh: Mesh

    def inside(self, *parts: FloatArray) -> np.ndarray:
        """Returns the union of polygons (N, 2), (S, S) bool."""
        mask = np.zeros(self.lab.shape[:2], np.uint8)
        for part in parts:
            fill_points(mask, part, 255)
        return mask > 127

    def points(self, numbers: tuple[int, ...]) -> FloatArray:
        return np.asarray(self.mesh[list(numbers), :2])

    def around(self, numbers: tuple[int, ...], radius: int = 5) -> FloatArray:
        """Returns the (N, 3) colours around mesh points."""
        mask = np.zeros(self.lab.shape[:2], np.uint8)
        for x, y in np.round(self.points(numbers)).astype(int):
            cv2.circle(mask, (int(x), int(y)), radius, 255, -1)
        return np.asarray(self.lab[mask > 0])


def doubts(photo: Photo, face: Face) -> list[Doubt]:
    """Lists reasons why a face photo may give a poor result.

    Args:
        photo: (H, W, 3) RGB uint8.
        face: a face in it.

    Returns:
        Doubts, the most serious first; empty for a good photo.
    """
    to_crop = mesh_crop_transform(face.mesh, FUSION_FACE_SHARE, SIZE)
    crop = np.ascontiguousarray(crop_photo(photo, to_crop, SIZE))
    lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB).astype(np.float32) * np.array(
        [100 / 255, 1, 1], np.float32
    )
    view = _View(np.asarray(lab, np.float32), transform_points(face.mesh, to_crop))
    skin = skin_mask(view.mesh, SIZE) > 0.5
    lightness = float(np.median(view.lab[skin, 0])) if skin.any() else 50.0
    blown_out = float((crop[skin].min(axis=1) >= BLOWN_OUT).mean()) if skin.any() else 0.0
    small = eye_distance(face.mesh) < SMALL_EYE_DISTANCE
    reasons = {
        Doubt.EYES_COVERED: lightness >= DARK and _eyes_covered(view),
        Doubt.MOUTH_COVERED: lightness >= DARK and _mouth_covered(view),
        Doubt.DARK: lightness < DARK,
        Doubt.BRIGHT: lightness > BRIGHT or blown_out > BLOWN_OUT_SHARE,
        Doubt.SMALL: small,
        Doubt.BLURRED: not small and lightness >= DARK and _sharpness(view) < SHARP,
        Doubt.TURNED: abs(face.yaw) > TURNED_YAW,
        Doubt.TILTED: abs(face.pitch - LEVEL_PITCH) > TILTED_PITCH,
    }
    return [doubt for doubt, applies in reasons.items() if applies]


def _eyes_covered(view: _View) -> bool:
    """Detects sunglasses: the eyes and the skin below them are much darker than the face."""
    eyes = view.inside(*(grown(view.points(eye), 0.15) for eye in (LEFT_EYE, RIGHT_EYE)))
    skin = float(np.median(np.concatenate([view.around(CHEEKS), view.around(FOREHEAD)])[:, 0]))
    brightest = float(np.percentile(view.lab[eyes, 0], 90)) if eyes.any() else skin
    below = float(np.median(view.around(UNDER_EYES, 3)[:, 0]))
    return brightest < COVERED_EYES * skin and below < COVERED_UNDER_EYES * skin


def _mouth_covered(view: _View) -> bool:
    """Detects a cloth mask: the lower face differs in colour from the upper and shows no lips.

    With a beard the lips remain visible.
    """
    lips = view.inside(view.points(OUTER_LIPS)) & ~view.inside(view.points(INNER_LIPS))
    if not lips.any():
        return False
    lower = np.median(view.around(LOWER_FACE), axis=0)
    upper = np.median(view.around((*FOREHEAD, *NOSE_BRIDGE)), axis=0)
    mouth = np.median(view.lab[lips], axis=0)
    return (
        _colour_distance(lower, upper) > CLOTH_FROM_SKIN
        and _colour_distance(mouth, lower) < LIPS_FROM_CLOTH
    )


def _colour_distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.linalg.norm((first - second) * [0.5, 1, 1]))


def _sharpness(view: _View) -> float:
    lightness = np.ascontiguousarray(view.lab[..., 0])
    face = view.inside(view.points(OVAL))
    fine = lightness - cv2.GaussianBlur(lightness, (0, 0), 1.2)
    return float(fine[face].std() / max(float(lightness[face].std()), 0.4))
