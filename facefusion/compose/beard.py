"""Keeps the source's beard where the fusion networks would fade it into the target's skin."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from facefusion.compose.color import Relight
from facefusion.fusion.coarse import FusionMaps
from facefusion.types import Mask


def without_colour(relight: Relight, beard: Mask) -> Relight:
    """Removes the colour of the light's gains under a beard (N, N) in [0, 1].

    The gains are of skin: grey and dark hair beside it would turn green or blue.
    """
    size = (relight.gains.shape[0],) * 2
    opacity = cv2.resize(beard, size, interpolation=cv2.INTER_AREA)[..., None]
    grey = relight.gains.mean(-1, keepdims=True)
    gains = relight.gains + opacity * (grey - relight.gains)
    return replace(relight, gains=np.asarray(gains, np.float32))


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
