"""Admits calls to Gradio's queue, orders it, and drains it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread
from gradio.queueing import EventQueue

from facefusion.machine.process import release_memory
from facefusion.page.files import kept_seconds
from facefusion.page.pending import PendingResults
from facefusion.page.sessions import Sessions
from facefusion.page.usage import Usage
from facefusion.page.visitors import visitor_of

if TYPE_CHECKING:
    import gradio as gr

#: Queue of visitors who ask for a fusion on the page.
ADMISSIONS: Final = "admission"
#: Queue of all fusions.
FUSIONS: Final = "fusion"
#: Queue of the checks of a photo just chosen.
CHECKS: Final = "check"
#: Queue of both for large photos: one at a time, so that they do not delay other visitors.
LARGE: Final = "large"
#: Queue of fusions that were stopped before they began, without a limit: they end at once.
STOPPED: Final = "stopped"
#: Name of the page's fusions.
FUSE_ON_PAGE: Final = "fuse_on_page"
#: Pixels of a call's photos, together, from which on they are large: two of 12 megapixels are not.
LARGE_FROM: Final = 30_000_000
#: Most waiting fusions; the next visitor is told their number.
MAX_WAITING: Final = 32
#: Most waiting or running fusions of one visitor, by the number of waiting ones: fewer in a longer
#: queue.
MAX_JOBS: Final = ((16, 1), (8, 2), (0, 4))
#: Most waiting or running calls of one visitor, checks of photos included.
MAX_CALLS: Final = 16
#: Seconds between two searches for unread results and old sessions.
INTERVAL: Final = 15.0
#: Seconds between two orderings of the queue.
ARRANGE_INTERVAL: Final = 0.1
#: Weight of work for a visitor who has left.
LEFT_WEIGHT: Final = 4.0
#: Assumed time of a fusion in seconds before one was measured.
ASSUMED_SECONDS: Final = 1.0

log = logging.getLogger("facefusion.app")


@dataclass(frozen=True)
class Refusal:
    """Reason why a call may not join the queue: HTTP status, key of `words`, values for it."""

    status: int
    key: str
    values: dict[str, Any] = field(default_factory=dict)


def queued(queue: str, at_once: int) -> dict[str, Any]:
    """Makes the options of a listener that reads photos.

    Args:
        queue: `FUSIONS` or `CHECKS`.
        at_once: most calls that run at once.
    """
    # Raw uploads (`preprocess=False`): Gradio's own decoding answers a damaged file with a
    # traceback that holds the file's name. The guard has checked that the path is an upload.
    return {"concurrency_id": queue, "concurrency_limit": at_once, "preprocess": False}


class Jobs:
    """Waiting and running calls in Gradio's queue of a page.

    Args:
        demo: the page.
        at_once: most fusions that run at once.
        usage: seconds of work by visitor.

    Attributes:
        at_once: most fusions that run at once.
        pending: results that wait for their visitors.
        sessions: what Gradio keeps of them.
        stopping: whether no more calls are taken.
    """

    def __init__(self, demo: gr.Blocks, at_once: int, usage: Usage) -> None:
        self.at_once = at_once
        self._demo, self._usage = demo, usage
        self.pending, self.sessions = PendingResults(demo), Sessions(demo)
        self._joining: Counter[tuple[str, str]] = Counter()
        self._worked = False  # since memory was last released
        self.stopping = False

    @property
    def _queue(self) -> Any:
        return self._demo._queue

    def waiting(self) -> int:
        """Counts waiting fusions and waiting checks of large photos."""
        queues = self._queue.event_queue_per_concurrency_id
        return sum(len(queues[name].queue) for name in (FUSIONS, LARGE) if name in queues)

    @property
    def running(self) -> int:
        """Number of running calls."""
        return len(self._running_events())

    def seconds_to_wait(self) -> float:
        """Estimates the seconds until a fusion that joined now would begin."""
        times = [
            self._queue.process_time_per_fn[fn].avg_time
            for fn in self._demo.fns.values()
            if fn.concurrency_id == FUSIONS and fn in self._queue.process_time_per_fn
        ]
        known = [each for each in times if each > 0]
        return (self.waiting() + 1) * (max(known) if known else ASSUMED_SECONDS) / self.at_once

    def is_full(self) -> bool:
        """Returns whether the queue of fusions is full."""
        found = self._queue.event_queue_per_concurrency_id.get(FUSIONS)
        free = self.at_once - (found.current_concurrency if found is not None else 0)
        joining = sum(n for (_, queue), n in self._joining.items() if queue == FUSIONS)
        return self.waiting() + joining - max(free, 0) >= MAX_WAITING

    def admit(self, visitor: str, index: int, pixels: int) -> Refusal | Callable[[], None]:
        """Counts a call as joining, or returns why it may not join.

        Args:
            visitor: `visitor_of` its request.
            index: of its listener.
            pixels: of its photos, together.

        Returns:
            A refusal, or a function to call once Gradio has taken or refused the call.
        """
        fn = self._demo.fns[index]
        if self.stopping:
            return Refusal(503, "error.stopping")
        refusal = self._refusal(visitor, fn) if fn.queue else None
        if refusal is not None:
            return refusal
        key = (visitor, str(fn.concurrency_id))
        self._joining[key] += 1
        joining = True

        def joined() -> None:
            nonlocal joining
            if joining:
                joining = False
                self._joining[key] -= 1
                self._joining += Counter()  # removes zeros
                if fn.queue and pixels >= LARGE_FROM:
                    self._move_to_large(visitor, fn)
                self.arrange()

        return joined

    def _move_to_large(self, visitor: str, fn: Any) -> None:
        """Moves a visitor's newest call, which has just joined, to the queue of large photos."""
        queues = self._queue.event_queue_per_concurrency_id
        for event in reversed(
            queues[fn.concurrency_id].queue if fn.concurrency_id in queues else ()
        ):
            if event.fn is fn and visitor_of(event.request.scope) == visitor:
                queues[fn.concurrency_id].queue.remove(event)
                event.concurrency_id = LARGE
                queues.setdefault(LARGE, EventQueue(LARGE, 1)).queue.append(event)
                return

    def end_waiting(self, session: str | None) -> None:
        """Lets a session's waiting fusions begin, so that a stopped one ends before its turn.

        Gradio's queues are changed by its event loop alone: call this there.
        """
        queues = self._queue.event_queue_per_concurrency_id
        for name in (FUSIONS, LARGE):
            for event in list(queues[name].queue) if name in queues else ():
                if event.session_hash == session and event.fn.api_name == FUSE_ON_PAGE:
                    queues[name].queue.remove(event)
                    event.concurrency_id = STOPPED
                    queues.setdefault(STOPPED, EventQueue(STOPPED, None)).queue.append(event)

    def arrange(self) -> None:
        """Orders waiting calls: visitors with the least work first, in turns of one call each."""
        queues = self._queue.event_queue_per_concurrency_id
        running = Counter(visitor_of(event.request.scope) for event in self._running_events())
        for name in (FUSIONS, CHECKS, LARGE):
            if name in queues and len(queues[name].queue) > 1:
                before = running.copy()
                order: dict[str, tuple[float, float]] = {}
                for event in sorted(queues[name].queue, key=lambda event: event.enqueue_time):
                    visitor = visitor_of(event.request.scope)
                    used = self._usage.of(visitor) + before[visitor] * ASSUMED_SECONDS
                    order[event._id] = used, event.enqueue_time
                    before[visitor] += 1
                queues[name].queue.sort(key=lambda event: order[event._id])

    def count_work(self, seconds: float) -> None:
        """Counts the running calls as work for their visitors.

        The time is multiplied by the number of the visitor's calls here, and by more for visitors
        who have left: sending many calls at once brings no larger share.

        Args:
            seconds: since the last count.
        """
        calls = Counter(
            visitor_of(event.request.scope) for event in self._queue.event_ids_to_events.values()
        )
        for event in self._running_events():
            self._worked = True
            visitor = visitor_of(event.request.scope)
            weight = calls[visitor] * (1.0 if event.alive else LEFT_WEIGHT)
            self._usage.add(visitor, weight * seconds)

    def _running_events(self) -> list[Any]:
        return [event for events in self._queue.active_jobs for event in events or ()]

    async def keep_arranged(self) -> None:
        """Counts work and orders waiting calls every `ARRANGE_INTERVAL`."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(ARRANGE_INTERVAL)
            now = time.monotonic()
            self.count_work(now - before)
            self.arrange()
            before = now

    def _refusal(self, visitor: str, fn: Any) -> Refusal | None:
        calls = Counter(
            str(event.fn.concurrency_id)  # the listener's queue: large photos count as well
            for event in self._queue.event_ids_to_events.values()
            if visitor_of(event.request.scope) == visitor
        )
        for (joining, queue), count in self._joining.items():
            calls[queue] += count if joining == visitor else 0
        if calls.total() >= MAX_CALLS:
            return Refusal(429, "error.too_many_jobs")
        if fn.concurrency_id != FUSIONS:
            return None
        most = next(jobs for waiting, jobs in MAX_JOBS if self.waiting() >= waiting)
        if calls[FUSIONS] >= most:
            return Refusal(429, "error.too_many_jobs")
        return Refusal(503, *self.refusal()) if self.is_full() else None

    def refusal(self) -> tuple[str, dict[str, int]]:
        """Returns key and numbers of the sentence about a full queue."""
        seconds = max(1, round(self.seconds_to_wait()))
        return "error.queue_full", {"waiting": self.waiting(), "seconds": seconds}

    async def keep_dropping(self) -> None:
        """Drops unread results and old sessions, which hold pictures, every `INTERVAL`."""
        while True:
            await asyncio.sleep(min(INTERVAL, kept_seconds() / 4))
            try:
                self.pending.drop_unread(time.monotonic())
                self.sessions.drop_old(time.monotonic())
                if self._worked and not self._running_events():
                    self._worked = False
                    await to_thread.run_sync(release_memory)
            except Exception as error:  # the task must go on
                log.error("Results were not dropped: %s", type(error).__name__)

    def drain(self, seconds: float) -> bool:
        """Takes no more calls, and waits until the present ones have ended.

        Args:
            seconds: longest time to wait.

        Returns:
            Whether no call is left.
        """
        self.stopping = True
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.running and not self._queue.event_ids_to_events:
                return True
            time.sleep(0.05)
        return False
