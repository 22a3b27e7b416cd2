"""Measures where hair, hats and scarves hide a face."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.geometry.ramps import ramp
from facefusion.perception.face_parser import FaceParts
from facefusion.perception.face_parts import FacePart
from facefusion.perception.in_front import HAIR_EDGE
from facefusion.types import Mask

#: Side in pixels of the map.
CROP_SIZE: Final = 96
#: Rows between nose and mouth over which hair and cloth fade out: beards and masks are no hats.
FADE: Final = (50, 62)
#: Standard deviation in pixels of the soft edge of hair.
_EDGE: Final = 1.0


def hair_over_face(parts: FaceParts) -> Mask:
    """Returns where hair or a hat hides the upper face, with a soft edge.

    Returns:
        (96, 96) float32 in [0, 1], over the face's aligned crop.
    """
    size = (CROP_SIZE, CROP_SIZE)
    hair, cloth = (
        cv2.resize(parts.of(part), size, interpolation=cv2.INTER_AREA)
        for part in (FacePart.HAIR, FacePart.CLOTH)
    )
    fade = ramp(np.arange(CROP_SIZE), FADE[1], FADE[0])
    hidden = ramp((hair + cloth) * np.asarray(fade, np.float32)[:, None], *HAIR_EDGE)
    return np.asarray(cv2.GaussianBlur(hidden.astype(np.float32), (0, 0), _EDGE), np.float32)
