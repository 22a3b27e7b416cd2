"""How many fusions there are at this moment: those that run in this process, and those that wait
for their turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Load:
    """Counts fusions; safe for concurrent use.

    The pipeline counts what it runs. Who holds callers back, such as a server with a queue, says by
    `watch` how many wait.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._waiting: Callable[[], int] = int

    def set_queue_counter(self, waiting: Callable[[], int]) -> None:
        """Asks `waiting` from now on how many fusions wait that have not begun."""
        self._waiting = waiting

    @contextmanager
    def running_one(self) -> Iterator[None]:
        """Counts one fusion as running while the context lasts."""
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    @property
    def running(self) -> int:
        """Fusions that run."""
        return self._running

    @property
    def waiting(self) -> int:
        """Fusions that wait."""
        return max(0, self._waiting())
