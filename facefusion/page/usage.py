"""Counts the server's work for each visitor; the visitor with the least goes next."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from facefusion.page.visitors import MAX_VISITORS

#: Seconds in which a visitor's counted work halves.
HALF_LIFE: Final = 60.0
#: Weight of the time of a refused photo, because sending one costs nothing.
REFUSED: Final = 4.0


class Usage:
    """Seconds of work by visitor; safe for concurrent use.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def of(self, visitor: str) -> float:
        """Returns the seconds of work for a visitor, with exponential decay."""
        with self._lock:
            return self._now(visitor)

    def add(self, visitor: str, seconds: float) -> None:
        """Adds seconds of work for a visitor."""
        with self._lock:
            used = self._now(visitor) + seconds
            self._used.pop(visitor, None)
            self._used[visitor] = (used, self._clock())
            if len(self._used) > MAX_VISITORS:
                self._used.popitem(last=False)

    def _now(self, visitor: str) -> float:
        used, since = self._used.get(visitor, (0.0, 0.0))
        return used * 0.5 ** ((self._clock() - since) / HALF_LIFE) if used else 0.0
