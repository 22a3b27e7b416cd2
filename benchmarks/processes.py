"""Memory and children of other processes, from Linux's /proc."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

#: Seconds between two measurements of `PeakMemory`.
INTERVAL: Final = 0.05


def memory_mb(pid: int) -> dict[str, float]:
    """Reads a process's resident memory `now` and at its `peak`, in megabytes of 10^6 bytes.

    Empty where there is no /proc.
    """
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return {}
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return {
        name: int(fields[key].split()[0]) * 1024 / 1e6
        for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))
    }


def running_processes() -> dict[int, int]:
    """Lists the processes that run, with the id of the parent of each."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            state, parent, *_ = stat.read_text().rpartition(")")[2].split()
            if state != "Z":
                parents[int(stat.parent.name)] = int(parent)
    return parents


@dataclass
class PeakMemory:
    """Records the highest of repeated measurements while a `with` block runs.

    Attributes:
        measure: returns the memory in megabytes.
        highest: so far, in megabytes.
    """

    measure: Callable[[], float]
    highest: float = 0.0
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.highest = self.measure()
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _record(self) -> None:
        while not self._done.wait(INTERVAL):
            self.highest = max(self.highest, self.measure())
