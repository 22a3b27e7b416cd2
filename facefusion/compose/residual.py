"""Smooths the networks' residual at the mask's soft edges."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.fusion.coarse import FusionMaps
from facefusion.geometry.ramps import ramp
from facefusion.types import FloatArray, Mask

#: Side in pixels at which the residual is averaged.
SIDE: Final = 128
#: Standard deviation of the average, in pixels at `SIDE`.
SIGMA: Final = 3.0
#: Mask opacities below which the residual does not count, and from which it counts fully. Measured at
#: foreheads: it turns dark from an opacity of 0.95 on, and is black at 0.5.
TRUSTED: Final = (0.75, 0.97)
#: Mask opacities between which the weight of a pixel in the average rises.
INNER: Final = (0.85, 0.98)
#: Weight, as a share of the mask, of pixels below `INNER`: they count where there is nothing better.
LEAST_WEIGHT: Final = 1e-4


def smooth_residual(answer: FusionMaps, border: Mask) -> FusionMaps:
    """Replaces the residual at a border by its mean farther inside the mask.

    The residual is only meaningful inside the mask: outside, the networks are unconstrained, and
    their output would show as a dark line through the mask's soft edge.

    Args:
        answer: output of a fusion network.
        border: (N, N) float32 in [0, 1] over the aligned crop, 1 at the border of the mask or of what
            is removed from it.
    """
    size = answer.mask.shape[0]
    known = np.flatnonzero(border.max(1) > 0)
    if not len(known):
        return answer
    low, high = (round(row * size / len(border)) for row in (known[0], known[-1] + 1))
    rows = np.s_[low:high]
    inner_mean = cv2.resize(_inner_mean(answer), (size, size), interpolation=cv2.INTER_LINEAR)[rows]
    opacity = cv2.resize(border, (size, size), interpolation=cv2.INTER_LINEAR)[rows]
    replaced = opacity * ramp(answer.mask[rows], TRUSTED[1], TRUSTED[0])
    delta = answer.delta.copy()
    delta[rows] += np.asarray(replaced, np.float32)[..., None] * (inner_mean - delta[rows])
    return FusionMaps(answer.mask, delta)


def _inner_mean(answer: FusionMaps) -> FloatArray:
    """Averages the residual over the inside of the mask: (SIDE, SIDE, 3) float32."""
    small = (SIDE, SIDE)
    mask = np.asarray(cv2.resize(answer.mask, small, interpolation=cv2.INTER_AREA), np.float32)
    weight = np.asarray(ramp(mask, *INNER) ** 2 + LEAST_WEIGHT * mask, np.float32)
    total_weight = cv2.GaussianBlur(weight, (0, 0), SIGMA)
    delta = cv2.resize(answer.delta, small, interpolation=cv2.INTER_AREA) * weight[..., None]
    averaged = cv2.GaussianBlur(np.asarray(delta, np.float32), (0, 0), SIGMA)
    return np.asarray(averaged / np.maximum(total_weight, 1e-7)[..., None], np.float32)
