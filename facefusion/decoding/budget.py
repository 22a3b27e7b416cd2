"""How many pixels may be worked on at once: large photos queue, small ones go side by side."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Pixels of all photos that are decoded, fused and written at a time. They take 10 to 17 bytes
#: each: of 65 megapixels 1.0 GB, which leaves 0.2 GB for the small photos that go beside it.
PIXELS: Final = 76_000_000
#: Pixels that one job may have: the rest is left to small photos of others.
JOB_PIXELS: Final = 66_000_000
#: Seconds that a job waits for its turn.
SECONDS: Final = 10.0


class BusyError(Exception):
    """The pixels were not free in time."""


class TooManyPixelsError(Exception):
    """A job has more than `JOB_PIXELS`."""


@dataclass(eq=False)
class _Turn:
    """One who waits: for how many pixels, and until when others may overtake."""

    wanted: int
    patient_until: float


class PixelBudget:
    """A semaphore that counts pixels, first come, first served. Safe for concurrent use.

    What fits may overtake what does not fit yet, until that has waited for half of its time: a
    large photo delays no small ones at once, and is not put off for ever.

    Args:
        pixels: that may be held at a time.
    """

    def __init__(self, pixels: int = PIXELS) -> None:
        if pixels < 1:
            raise ValueError(f"a budget has at least one pixel, not {pixels}")
        self.pixels = pixels
        self._free = pixels
        self._waiting: deque[_Turn] = deque()
        self._changed = threading.Condition()

    @property
    def free(self) -> int:
        """Pixels that nobody holds."""
        return self._free

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    @contextlib.contextmanager
    def hold(self, pixels: int, seconds: float = SECONDS) -> Iterator[None]:
        """Holds pixels for the duration of a `with` block, and waits until they are free.

        Args:
            pixels: how many; more than the whole budget count as all of it.
            seconds: to wait at most.

        Raises:
            BusyError: they were not free in time.
        """
        wanted = min(max(pixels, 0), self.pixels)
        self._take(wanted, time.monotonic() + seconds)
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()

    def _take(self, wanted: int, until: float) -> None:
        now = time.monotonic()
        turn = _Turn(wanted, now + (until - now) / 2)
        with self._changed:
            self._waiting.append(turn)
            try:
                while not self._may_go(turn):
                    left = until - time.monotonic()
                    if left <= 0:
                        raise BusyError(f"{wanted} pixels were not free in time")
                    self._changed.wait(left)
                self._free -= wanted
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()

    def _may_go(self, turn: _Turn) -> bool:
        """Whether it fits, and nobody before it fits too or has waited for too long."""
        if self._free < turn.wanted:
            return False
        now = time.monotonic()
        before = itertools.takewhile(lambda each: each is not turn, self._waiting)
        return all(each.wanted > self._free and now < each.patient_until for each in before)
