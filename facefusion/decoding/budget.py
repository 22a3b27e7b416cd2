"""Limits the pixels in work at a time: large photos queue, small ones run side by side."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Pixels of all photos that are decoded, fused and written at a time, at 10 to 17 bytes each:
#: 65 megapixels take 1.0 GB and leave 0.2 GB for small photos beside them.
PIXELS: Final = 76_000_000
#: Most pixels of one job; the rest of `PIXELS` is left to small photos of others.
JOB_PIXELS: Final = 66_000_000
#: Longest wait of a job for its pixels, in seconds.
SECONDS: Final = 10.0


class BusyError(Exception):
    """The pixels were not free in time."""


class TooManyPixelsError(Exception):
    """A job has more than `JOB_PIXELS`."""


@dataclass(eq=False)
class _WaitingJob:
    """A waiting job: its pixels, and the time until which later jobs may overtake it."""

    pixels: int
    overtaken_until: float


class PixelBudget:
    """A semaphore that counts pixels, first come, first served; safe for concurrent use.

    A job that fits may overtake an earlier one that does not fit yet, until the earlier one has
    waited half of its time: a large photo does not delay small ones at once, and is not delayed
    without end.

    Args:
        pixels: most pixels held at a time.
    """

    def __init__(self, pixels: int = PIXELS) -> None:
        if pixels < 1:
            raise ValueError(f"a budget has at least one pixel, not {pixels}")
        self.pixels = pixels
        self._free = pixels
        self._waiting: deque[_WaitingJob] = deque()
        self._changed = threading.Condition()

    @property
    def free(self) -> int:
        """Pixels that are not held."""
        return self._free

    @property
    def waiting(self) -> int:
        """Number of waiting jobs."""
        return len(self._waiting)

    @contextlib.contextmanager
    def hold(self, pixels: int, seconds: float = SECONDS) -> Iterator[None]:
        """Waits until pixels are free, and holds them for the duration of a `with` block.

        Args:
            pixels: how many; more than the whole budget count as all of it.
            seconds: longest wait.

        Raises:
            BusyError: the pixels were not free in time.
        """
        held = min(max(pixels, 0), self.pixels)
        self._acquire(held, time.monotonic() + seconds)
        try:
            yield
        finally:
            with self._changed:
                self._free += held
                self._changed.notify_all()

    def _acquire(self, pixels: int, until: float) -> None:
        now = time.monotonic()
        job = _WaitingJob(pixels, now + (until - now) / 2)
        with self._changed:
            self._waiting.append(job)
            try:
                while not self._may_start(job):
                    remaining = until - time.monotonic()
                    if remaining <= 0:
                        raise BusyError(f"{pixels} pixels were not free in time")
                    self._changed.wait(remaining)
                self._free -= pixels
            finally:
                self._waiting.remove(job)
                self._changed.notify_all()

    def _may_start(self, job: _WaitingJob) -> bool:
        """Returns whether it fits, and no earlier job fits too or has waited for too long."""
        if self._free < job.pixels:
            return False
        now = time.monotonic()
        earlier = itertools.takewhile(lambda other: other is not job, self._waiting)
        return all(other.pixels > self._free and now < other.overtaken_until for other in earlier)
