"""How many pixels may be worked on at once: large photos queue, small ones go side by side."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

#: Pixels of all photos that are decoded, fused and written at a time. A photo of 65 megapixels alone
#: takes most of the 1.2 GB that this work may take.
PIXELS: Final = 65_000_000
#: Seconds that a job waits for its turn.
SECONDS: Final = 10.0


class BusyError(Exception):
    """The pixels were not free in time."""


class PixelBudget:
    """A semaphore that counts pixels, first come, first served. Safe for concurrent use.

    Args:
        pixels: that may be held at a time.
    """

    def __init__(self, pixels: int = PIXELS) -> None:
        if pixels < 1:
            raise ValueError(f"a budget has at least one pixel, not {pixels}")
        self.pixels = pixels
        self._free = pixels
        self._waiting: deque[object] = deque()
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
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                free = self._changed.wait_for(
                    lambda: self._waiting[0] is turn and self._free >= wanted, until - time.monotonic()
                )
                if not free:
                    raise BusyError(f"{wanted} pixels were not free in time")
                self._free -= wanted
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
