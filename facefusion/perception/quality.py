"""What makes a face photo a poor one, told before it is used: doubts, not refusals (those are in
`checks`).

Every measure is taken on one small upright crop with the face's own mesh; no further network looks.
The thresholds were set
on 350 synthetic portraits, on 220 of which sunglasses and cloth masks were painted: 96 % of the
sunglasses and 67 % of the masks are told, against 2.7 % (most of them true sunglasses) and 2.3 % of
the bare faces. A hand, hair or a beard has the
colours of a face: these cannot be told so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np

from facefusion.compose.mask import fill_points, grown, skin_mask
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    transform_points,
)
from facefusion.geometry.topology import (
    INNER_LIPS,
    LEFT_EYE,
    OUTER_LIPS,
    OVAL,
    RIGHT_EYE,
    eye_distance,
)
from facefusion.perception.checks import LEVEL_PITCH
from facefusion.types import Face, FloatArray, Photo


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
#: Pixels between the eyes below which a face is soft.
SMALL_EYE_DISTANCE: Final = 28.0
#: Degrees of yaw beyond which much of the face is guessed.
TURNED_YAW: Final = 32.0
#: Degrees of pitch away from a level face beyond which the same is true.
TILTED_PITCH: Final = 28.0
#: Lightness (CIE L, 0 to 100) of the skin. The darkest skin in the darkest light of the portraits
#: had 16, the lightest 81.
DARK: Final = 13.0
BRIGHT: Final = 90.0
#: Share of the skin that is blown out, all channels at this value or above.
BLOWN_OUT: Final = 248
BLOWN_OUT_SHARE: Final = 0.25
#: Contrast of the finest structures as a share of the whole contrast; 0.07 was the lowest of the
#: portraits.
SHARP: Final = 0.06
#: Lightness in and below the eyes as a share of that of cheeks and forehead.
COVERED_EYES: Final = 0.55
COVERED_UNDER_EYES: Final = 0.40
#: Colour distance (half of L, a, b) of the lower face from the upper, and of the lips from the
#: lower face.
CLOTH_FROM_SKIN: Final = 20.0
LIPS_FROM_CLOTH: Final = 4.0

#: Mesh points around which colours are taken.
CHEEKS: Final = (50, 280, 205, 425, 101, 330, 36, 266)
FOREHEAD: Final = (151, 9, 108, 337)
UNDER_EYES: Final = (119, 348, 118, 347, 120, 349, 230, 450)
NOSE_BRIDGE: Final = (6, 197)
LOWER_FACE: Final = (199, 200, 18, 175, 57, 287, 212, 432, 214, 434)


@dataclass(frozen=True)
class _View:
    """A face in its crop: `lab` (S, S, 3) with L in 0 to 100, and its mesh (468, 3) in the crop's
    pixels.
    """

    lab: FloatArray
    mesh: FloatArray

    def inside(self, *parts: FloatArray) -> np.ndarray:
        """(S, S) bool: inside of any of the polygons (N, 2)."""
        mask = np.zeros(self.lab.shape[:2], np.uint8)
        for part in parts:
            fill_points(mask, part, 255)
        return mask > 127

    def points(self, numbers: tuple[int, ...]) -> FloatArray:
        return np.asarray(self.mesh[list(numbers), :2])

    def around(self, numbers: tuple[int, ...], radius: int = 5) -> FloatArray:
        """(N, 3) colours around mesh points."""
        mask = np.zeros(self.lab.shape[:2], np.uint8)
        for x, y in np.round(self.points(numbers)).astype(int):
            cv2.circle(mask, (int(x), int(y)), radius, 255, -1)
        return np.asarray(self.lab[mask > 0])


def doubts(photo: Photo, face: Face) -> list[Doubt]:
    """What speaks against a face photo.

    Args:
        photo: (H, W, 3) RGB uint8.
        face: a face in it.

    Returns:
        Doubts, the gravest first; empty for a good photo.
    """
    to_crop = mesh_crop_transform(face.mesh, FUSION_FACE_SHARE, SIZE)
    crop = np.ascontiguousarray(crop_photo(photo, to_crop, SIZE))
    lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB).astype(np.float32) * np.array(
        [100 / 255, 1, 1], np.float32
    )
    view = _View(np.asarray(lab, np.float32), transform_points(face.mesh, to_crop))
    skin = skin_mask(view.mesh, SIZE) > 0.5
    light = float(np.median(view.lab[skin, 0])) if skin.any() else 50.0
    blown = float((crop[skin].min(axis=1) >= BLOWN_OUT).mean()) if skin.any() else 0.0
    small = eye_distance(face.mesh) < SMALL_EYE_DISTANCE
    found = {
        Doubt.EYES_COVERED: light >= DARK and _eyes_covered(view),
        Doubt.MOUTH_COVERED: light >= DARK and _mouth_covered(view),
        Doubt.DARK: light < DARK,
        Doubt.BRIGHT: light > BRIGHT or blown > BLOWN_OUT_SHARE,
        Doubt.SMALL: small,
        Doubt.BLURRED: not small and light >= DARK and _sharpness(view) < SHARP,
        Doubt.TURNED: abs(face.yaw) > TURNED_YAW,
        Doubt.TILTED: abs(face.pitch - LEVEL_PITCH) > TILTED_PITCH,
    }
    return [doubt for doubt, is_so in found.items() if is_so]


def _eyes_covered(view: _View) -> bool:
    """Sunglasses: neither the white of the eyes nor the skin below them is as light as the rest of
    the face by far.
    """
    eyes = view.inside(*(grown(view.points(eye), 0.15) for eye in (LEFT_EYE, RIGHT_EYE)))
    skin = float(np.median(np.concatenate([view.around(CHEEKS), view.around(FOREHEAD)])[:, 0]))
    brightest = float(np.percentile(view.lab[eyes, 0], 90)) if eyes.any() else skin
    below = float(np.median(view.around(UNDER_EYES, 3)[:, 0]))
    return brightest < COVERED_EYES * skin and below < COVERED_UNDER_EYES * skin


def _mouth_covered(view: _View) -> bool:
    """A mask: the lower face has another colour than the upper, and no lips. A beard leaves the
    lips to be seen.
    """
    lips = view.inside(view.points(OUTER_LIPS)) & ~view.inside(view.points(INNER_LIPS))
    if not lips.any():
        return False
    lower = np.median(view.around(LOWER_FACE), axis=0)
    upper = np.median(view.around((*FOREHEAD, *NOSE_BRIDGE)), axis=0)
    mouth = np.median(view.lab[lips], axis=0)
    return _apart(lower, upper) > CLOTH_FROM_SKIN and _apart(mouth, lower) < LIPS_FROM_CLOTH


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm((one - other) * [0.5, 1, 1]))


def _sharpness(view: _View) -> float:
    light = np.ascontiguousarray(view.lab[..., 0])
    face = view.inside(view.points(OVAL))
    fine = light - cv2.GaussianBlur(light, (0, 0), 1.2)
    return float(fine[face].std() / max(float(light[face].std()), 0.4))
