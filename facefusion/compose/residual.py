"""The networks' residual beside what is cut out of the face."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.fusion.coarse import FusionMaps
from facefusion.types import FloatArray

#: Side in pixels at which the residual is averaged, and the standard deviation in its pixels.
SIDE: Final = 128
SIGMA: Final = 2.0
#: Opacity of the mask below which the residual there does not count, and from which on it does.
TRUSTED: Final = (0.25, 0.75)


def steadied(answer: FusionMaps, beside: FloatArray) -> FusionMaps:
    """Takes the residual from farther inside the mask where it lies beside a cut.

    The residual is only meaningful where the mask is: outside of it the networks are free, and what
    they leave there would be seen as a dark line through the mask's soft edge.

    Args:
        answer: of a fusion network.
        beside: (N, N) float32 in [0, 1] over the aligned crop, 1 beside what is cut out.
    """
    size, small = answer.mask.shape[0], (SIDE, SIDE)
    mask = cv2.resize(answer.mask, small, interpolation=cv2.INTER_AREA)
    weight = np.asarray(mask * mask, np.float32)
    near = cv2.GaussianBlur(weight, (0, 0), SIGMA)
    delta = cv2.resize(answer.delta, small, interpolation=cv2.INTER_AREA) * weight[..., None]
    mean = cv2.GaussianBlur(delta, (0, 0), SIGMA) / np.maximum(near, 1e-4)[..., None]
    inner = cv2.resize(mean, (size, size), interpolation=cv2.INTER_LINEAR)
    low, high = TRUSTED
    share = np.asarray(cv2.resize(beside, (size, size), interpolation=cv2.INTER_LINEAR))
    doubt = share * (1 - np.clip((answer.mask - low) / (high - low), 0, 1))
    steady = answer.delta + doubt[..., None] * (inner - answer.delta)
    return FusionMaps(answer.mask, np.asarray(steady, np.float32))
