"""Warns of poor face photos before they are used; refusals are in `checks`.

What is in front of the face is told by the face parser. Light and sharpness are measured in one
small aligned crop; their thresholds were set on 350 synthetic portraits.
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
from facefusion.geometry.mask import fill_points, skin_mask
from facefusion.geometry.topology import (
    OVAL,
    eye_distance,
)
from facefusion.perception.checks import LEVEL_PITCH
from facefusion.perception.coverings import Coverings
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
    EYES_SHUT = "eyes_shut"
    MOUTH_COVERED = "mouth_covered"
    HAND = "hand"
    THING = "thing"
    HAIR = "hair"


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
#: Share of the face below the nose from which cloth counts as a mask.
MASKED: Final = 0.35
#: Share of the face from which a hand or a thing is worth a warning.
COVERED: Final = 0.03
#: Share of the face from which hair over it is worth a warning.
HAIRY: Final = 0.25


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


def doubts(photo: Photo, face: Face, coverings: Coverings, *, target: bool = False) -> list[Doubt]:
    """Lists reasons why a photo may give a poor result.

    Args:
        photo: (H, W, 3) RGB uint8.
        face: a face in it.
        coverings: its coverings.
        target: whether the photo is the one that gets a face; narrow eyes are then no reason.

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
    hidden = coverings.hidden
    small = eye_distance(face.mesh) < SMALL_EYE_DISTANCE
    reasons = {
        Doubt.EYES_COVERED: coverings.eyes_covered,
        Doubt.EYES_SHUT: coverings.lids is not None
        or (coverings.narrow_lids is not None and not target),
        Doubt.MOUTH_COVERED: hidden.mouth > MASKED,
        Doubt.HAND: hidden.hand > COVERED,
        Doubt.THING: hidden.thing > COVERED,
        Doubt.HAIR: hidden.hair > HAIRY,
        Doubt.DARK: lightness < DARK,
        Doubt.BRIGHT: lightness > BRIGHT or blown_out > BLOWN_OUT_SHARE,
        Doubt.SMALL: small,
        Doubt.BLURRED: not small and lightness >= DARK and _sharpness(view) < SHARP,
        Doubt.TURNED: abs(face.yaw) > TURNED_YAW,
        Doubt.TILTED: abs(face.pitch - LEVEL_PITCH) > TILTED_PITCH,
    }
    return [doubt for doubt, applies in reasons.items() if applies]


def _sharpness(view: _View) -> float:
    lightness = np.ascontiguousarray(view.lab[..., 0])
    face = view.inside(view.mesh[list(OVAL), :2])
    fine = lightness - cv2.GaussianBlur(lightness, (0, 0), 1.2)
    return float(fine[face].std() / max(float(lightness[face].std()), 0.4))
