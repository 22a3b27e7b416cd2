"""Measures where hair, hats and scarves hide a face."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.geometry.ramps import ramp
from facefusion.perception.face_parser import FaceParts
from facefusion.perception.face_parts import FacePart
from facefusion.types import Mask

#: Side in pixels of the map.
CROP_SIZE: Final = 96
#: Rows between nose and mouth over which cloth fades out: a mask is no hat.
FADE: Final = (50, 62)
#: Diameter in pixels of the dilation of hair.
_DILATION: Final = 3
#: Standard deviation in pixels of its soft edge.
_EDGE: Final = 1.0


def hair_over_face(parts: FaceParts) -> Mask:
    """Returns where hair or a hat hides the face, widened and with a soft edge.

    Returns:
        (96, 96) float32 in [0, 1], over the face's aligned crop.
    """
    size = (CROP_SIZE, CROP_SIZE)
    hair, cloth = (
        cv2.resize(parts.of(part), size, interpolation=cv2.INTER_AREA)
        for part in (FacePart.HAIR, FacePart.CLOTH)
    )
    fade = ramp(np.arange(CROP_SIZE), FADE[1], FADE[0])
    hidden = hair + cloth * np.asarray(fade, np.float32)[:, None]
    wider = cv2.dilate(hidden, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_DILATION, _DILATION)))
    return np.asarray(cv2.GaussianBlur(wider, (0, 0), _EDGE), np.float32)
