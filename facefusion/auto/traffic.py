"""Counts running and queued fusions of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(eq=False)
class RunningCall:
    """A fusion that runs.

    Attributes:
        alone: whether no other has run at the same time so far.
    """

    alone: bool


class Traffic:
    """Counter of running and queued fusions; safe for concurrent use.

    The pipeline counts its running fusions. A server with a queue sets `set_queue_counter`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[RunningCall] = []
        self._waiting: Callable[[], int] = int

    def set_queue_counter(self, waiting: Callable[[], int]) -> None:
        """Sets the function that returns the number of queued fusions."""
        self._waiting = waiting

    @contextmanager
    def running_one(self) -> Iterator[RunningCall]:
        """Counts one fusion as running while the context lasts."""
        with self._lock:
            for other in self._running:
                other.alone = False
            call = RunningCall(alone=not self._running)
            self._running.append(call)
        try:
            yield call
        finally:
            with self._lock:
                self._running.remove(call)

    @property
    def running(self) -> int:
        """Number of running fusions."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Number of queued fusions."""
        return max(0, self._waiting())
