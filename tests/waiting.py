"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def becomes_true(condition: Callable[[], object], seconds: float = 30) -> bool:
    """Asks again and again until the condition holds, and returns whether it did in time."""
    end = time.monotonic() + seconds
    while not (met := bool(condition())) and time.monotonic() < end:
        time.sleep(0.01)
    return met
