"""Ramps between 0 and 1, the weights of transitions."""

from __future__ import annotations

from typing import Any

import numpy as np


def ramp(values: Any, start: float, end: float) -> np.ndarray:
    """Rises linearly from 0 at `start` to 1 at `end`, which may be less than `start`.

    Args:
        values: a number or an array.
        start, end: limits in the unit of the values; values outside are clipped.
    """
    return np.asarray(np.clip((values - start) / (end - start), 0, 1))


def smoothstep(values: Any, start: float, end: float) -> np.ndarray:
    """Rises from 0 at `start` to 1 at `end`, with a slope of 0 at both (Hermite's cubic)."""
    t = ramp(values, start, end)
    return np.asarray(t * t * (3 - 2 * t))
