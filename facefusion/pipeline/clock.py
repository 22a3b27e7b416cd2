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
    """Seconds of the stages of one call.

    Attributes:
        progress: called at the beginning of each stage, or None.
        seconds: by stage.
        ended: when the last stage ended, as of `time.perf_counter`.
    """

    progress: Progress | None
    seconds: dict[str, float] = field(default_factory=dict)
    ended: float = field(default_factory=time.perf_counter)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Reports the beginning of a stage, and adds its seconds at its end."""
        self.report(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.ended = time.perf_counter()
            self._add(name, self.ended - start)

    def report(self, name: str) -> None:
        """Reports the beginning of a stage."""
        if self.progress is not None:
            self.progress(name, STAGES[name])

    def add_until(self, name: str, end: float) -> None:
        """Adds the seconds of a stage that ran in another thread, from the end of the last stage on.

        Args:
            name: of the stage.
            end: when it ended, as of `time.perf_counter`; no seconds are added if that was before
                the last stage ended.
        """
        self._add(name, max(end - self.ended, 0.0))
        self.ended = max(end, self.ended)

    @contextmanager
    def side_by_side(self) -> Iterator[tuple[Clock, Clock]]:
        """Yields two clocks for concurrent work, of which the first reports its progress.

        Each stage then gets its share of the elapsed time, so that the sum of all stages is the
        time of the call.
        """
        pair, start = (Clock(self.progress), Clock(None)), time.perf_counter()
        yield pair
        self.ended = time.perf_counter()
        passed = self.ended - start
        counted = sum(sum(each.seconds.values()) for each in pair)
        for each in pair:
            for name, seconds in each.seconds.items():
                self._add(name, seconds * min(passed / max(counted, 1e-9), 1.0))

    def seconds_without(self, stages: Collection[str]) -> float:
        """Returns the seconds of all stages but `stages`."""
        return sum(seconds for name, seconds in self.seconds.items() if name not in stages)

    def _add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
