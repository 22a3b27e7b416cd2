"""How long the server has worked for each visitor, so that whoever had the least goes next."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from facefusion.page.visitors import MAX_VISITORS

#: Seconds after which half of what a visitor used is forgotten.
HALF_LIFE: Final = 60.0
#: A photo that is refused counts so many times: it costs whoever sends it nothing.
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
        """Seconds of work for a visitor, those of long ago discounted."""
        with self._lock:
            return self._now(visitor)

    def add(self, visitor: str, seconds: float) -> None:
        """Counts work for a visitor."""
        with self._lock:
            used = self._now(visitor) + seconds
            self._used.pop(visitor, None)
            self._used[visitor] = (used, self._clock())
            if len(self._used) > MAX_VISITORS:
                self._used.popitem(last=False)

    def _now(self, visitor: str) -> float:
        used, since = self._used.get(visitor, (0.0, 0.0))
        return used * 0.5 ** ((self._clock() - since) / HALF_LIFE) if used else 0.0
