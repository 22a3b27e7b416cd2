"""Smooths the networks' residual at the borders of areas that are removed from the mask."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.fusion.coarse import FusionMaps
from facefusion.types import Mask

#: Side in pixels at which the residual is averaged.
SIDE: Final = 128
#: Standard deviation of the average, in pixels at `SIDE`.
SIGMA: Final = 2.0
#: Mask opacities below which the residual does not count, and from which it counts fully.
TRUSTED: Final = (0.25, 0.75)


def smooth_residual(answer: FusionMaps, border: Mask) -> FusionMaps:
    """Replaces the residual at a border by its mean farther inside the mask.

    The residual is only meaningful inside the mask: outside, the networks are unconstrained, and
    their output would show as a dark line through the mask's soft edge.

    Args:
        answer: output of a fusion network.
        border: (N, N) float32 in [0, 1] over the aligned crop, 1 at the border of what is
            removed from the mask.
    """
    size, small = answer.mask.shape[0], (SIDE, SIDE)
    mask = cv2.resize(answer.mask, small, interpolation=cv2.INTER_AREA)
    weight = np.asarray(mask * mask, np.float32)
    total_weight = cv2.GaussianBlur(weight, (0, 0), SIGMA)
    delta = cv2.resize(answer.delta, small, interpolation=cv2.INTER_AREA) * weight[..., None]
    averaged = cv2.GaussianBlur(delta, (0, 0), SIGMA) / np.maximum(total_weight, 1e-4)[..., None]
    inner_mean = cv2.resize(averaged, (size, size), interpolation=cv2.INTER_LINEAR)
    low, high = TRUSTED
    opacity = np.asarray(cv2.resize(border, (size, size), interpolation=cv2.INTER_LINEAR))
    replaced = opacity * (1 - np.clip((answer.mask - low) / (high - low), 0, 1))
    smoothed = answer.delta + replaced[..., None] * (inner_mean - answer.delta)
    return FusionMaps(answer.mask, np.asarray(smoothed, np.float32))
