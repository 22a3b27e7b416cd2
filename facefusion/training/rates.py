"""Lowers a training's rate towards its end."""

from __future__ import annotations

import math
from typing import Final

#: Share of the rate that is left at the end.
LEAST_RATE: Final = 0.01


def cosine_decay(progress: float) -> float:
    """Returns the share of the rate at a progress from 0 to 1, from 1 down to `LEAST_RATE`."""
    fallen = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return LEAST_RATE + (1 - LEAST_RATE) * fallen
