"""Ramps between 0 and 1 on tensors, as `geometry.ramps`."""

from __future__ import annotations

from torch import Tensor


def smoothstep(values: Tensor, start: float, end: float) -> Tensor:
    """Rises from 0 at `start` to 1 at `end`, which may be less, with a slope of 0 at both."""
    t = ((values - start) / (end - start)).clamp(0, 1)
    return t * t * (3 - 2 * t)
