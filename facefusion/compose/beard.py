"""Keeps the source's beard where the fusion networks would fade it into the target's skin."""

from __future__ import annotations

import cv2
import numpy as np

from facefusion.fusion.coarse import FusionMaps
from facefusion.types import Mask


def carry_beard(answer: FusionMaps, beard: Mask, face: Mask) -> FusionMaps:
    """Shows the warped source under a beard as it is, as far as the face may change.

    The networks make the target's skin of a beard that the target does not have: only patches of it
    would be left.

    Args:
        answer: output of a fusion network.
        beard: (N, N) float32 in [0, 1] over the aligned crop, opacity of the beard.
        face: (M, M) float32 in [0, 1] over the aligned crop, where the face may change.
    """
    size = (answer.mask.shape[0],) * 2
    opacity = np.asarray(cv2.resize(beard, size) * cv2.resize(face, size), np.float32)
    mask = np.asarray(np.maximum(answer.mask, opacity), np.float32)
    return FusionMaps(mask, np.asarray(answer.delta * (1 - opacity[..., None]), np.float32))
