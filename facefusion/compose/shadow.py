"""Measures which half of a face lies in deep shadow."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.compose.tone import LUMA
from facefusion.geometry.align import reduced_crop
from facefusion.geometry.mask import brow_row, outline_mask, uncovered
from facefusion.geometry.ramps import ramp
from facefusion.geometry.symmetry import across_face
from facefusion.types import Mask, Mesh, Photo

#: Ratios of the darker half's luma to the other's from which on it counts as in deep shadow, and does
#: fully: raised to the other's light it shows noise, compression and the shadow's edge.
DEEP_SHADOW: Final = (0.4, 0.25)
#: Distances from the middle line, as shares of the half face's width, between which a half's luma is
#: measured.
HALF: Final = (0.12, 0.85)
#: The same, between which the lit half's mirror image sets in: the nose's shaded side goes too.
SHADOW_EDGE: Final = (-0.12, 0.3)
#: Side in pixels of the crop that is measured, and least number of its pixels on each half.
MEASURED_SIDE, MEASURED_PIXELS = 96, 100


def half_in_shadow(crop: Photo, mesh: Mesh, hidden: Mask) -> float:
    """Measures which half of a face lies in deep shadow, and how surely.

    Args:
        crop: (S, S, 3) RGB uint8, aligned.
        mesh: (468, 3) in the crop's pixels.
        hidden: (N, N) float32 in [0, 1] over the crop, what hides the face.

    Returns:
        A number in [-1, 1], negative for the image-left half, 0 if both halves are lit.
    """
    left, right = _half_lumas(crop, mesh, hidden)
    strength = float(ramp(min(left, right) / max(left, right, 1.0), *DEEP_SHADOW))
    return strength if right < left else -strength


def _half_lumas(crop: Photo, mesh: Mesh, hidden: Mask) -> tuple[float, float]:
    """Measures the median luma of both halves of a face, image-left first, below the brows.

    Returns:
        Two lumas in [0, 255]; twice the same if a half shows too little skin.
    """
    side = MEASURED_SIDE
    small, mesh = reduced_crop(crop, mesh, side)
    covered = cv2.resize(hidden, (side, side), interpolation=cv2.INTER_AREA)
    skin = uncovered(outline_mask(mesh, side), np.asarray(covered, np.float32)) > 0.5
    skin[: brow_row(mesh)] = False
    rows, columns = np.nonzero(skin)
    position = across_face(mesh, np.stack([columns, rows], axis=1))
    lumas = (small @ LUMA)[rows, columns]
    halves = [lumas[(sign * position > HALF[0]) & (sign * position < HALF[1])] for sign in (-1, 1)]
    if min(len(half) for half in halves) < MEASURED_PIXELS:
        return 1.0, 1.0
    left, right = (float(np.median(half)) for half in halves)
    return left, right
