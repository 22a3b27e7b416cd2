"""The edge of the source's hair: skin is painted over what the cut leaves of it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.compose.inpaint import Patch, inpainted
from facefusion.types import FloatArray, Photo

#: Side at which is painted: skin without its detail. What is covered by more than this share is painted over, widened by so
#: many pixels of that side, with an edge as soft as this standard deviation.
SIDE: Final = 64
COVERED: Final = 0.3
WIDER: Final = 3
EDGE: Final = 0.6
#: Pixels around a place from which its colour is taken, and places that are not worth the time.
REACH: Final = 2
FEWEST: Final = 3


def hairline_patch(warped: Photo, hair: FloatArray) -> Patch | None:
    """Skin over the source's hair where the target's face is bare.

    The target's own forehead shows there, but hair ends in single strands and throws a shadow: what is left of both at the
    edge of the cut would be a dark line across the new face. It takes the colours of the skin beside it.

    Args:
        warped: (S, S, 3) RGB uint8, the source on the target's mesh.
        hair: (N, N) float32 in [0, 1] of the same view, the source's hair where the target has none.

    Returns:
        The patch, or None where there is nothing to cover.
    """
    covered = (cv2.resize(hair, (SIDE, SIDE), interpolation=cv2.INTER_AREA) > COVERED).astype(np.uint8)
    if np.count_nonzero(covered) < FEWEST:
        return None
    hole = cv2.dilate(covered, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (WIDER, WIDER)))
    return inpainted(warped, hole, REACH, EDGE)
