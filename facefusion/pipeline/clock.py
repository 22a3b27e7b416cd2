"""Times the stages of a fusion and reports its progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

#: Callback with the stage that begins and the share of the work already done, in [0, 1].
Progress = Callable[[str, float], None]

#: Stages in their order, with the share of the work before each; estimates for progress bars.
STAGES: Final = {
    "detect": 0.0, "mesh": 0.2, "identity": 0.35, "coverings": 0.38, "warp": 0.4, "coarse": 0.5, "draft": 0.53,
    "refine": 0.55, "compose": 0.8, "check": 0.95,
}  # fmt: skip


@dataclass
class Clock:
    """Seconds of the stages of one call."""

    progress: Progress | None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Reports the beginning of a stage, and adds its seconds at its end."""
        if self.progress is not None:
            self.progress(name, STAGES[name])
        start = time.perf_counter()
        try:
            yield
        finally:
            self._add(name, time.perf_counter() - start)

    @contextmanager
    def side_by_side(self) -> Iterator[tuple[Clock, Clock]]:
        """Yields two clocks for concurrent work, of which the first reports its progress.

        Each stage then gets its share of the elapsed time, so that the sum of all stages is the
        time of the call.
        """
        pair, start = (Clock(self.progress), Clock(None)), time.perf_counter()
        yield pair
        passed, counted = (
            time.perf_counter() - start,
            sum(sum(each.seconds.values()) for each in pair),
        )
        for each in pair:
            for name, seconds in each.seconds.items():
                self._add(name, seconds * min(passed / max(counted, 1e-9), 1.0))

    def seconds_without(self, stages: Collection[str]) -> float:
        """Returns the seconds of all stages but `stages`."""
        return sum(seconds for name, seconds in self.seconds.items() if name not in stages)

    def _add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
