"""Drops what Gradio keeps of each session in memory; it holds pictures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from facefusion.page.files import kept_seconds

if TYPE_CHECKING:
    import gradio as gr

#: Seconds that the end of a session waits for its calls at most, and between two looks at them.
MOST_WAIT: Final = 5.0
WAIT: Final = 0.1


class Sessions:
    """Values that Gradio keeps of each session: the last value of every output, and the states.

    Gradio's event loop owns them: call the methods there.

    Args:
        demo: the page.
    """

    def __init__(self, demo: gr.Blocks) -> None:
        self._demo = demo
        self._used: dict[str, tuple[Any, float]] = {}

    def drop_old(self, now: float) -> int:
        """Drops the values of outputs, and every session that was not used for `kept_seconds()`.

        Only Gradio's deep links read the values of outputs, and the guard refuses those. The states
        of a closed session live as long as those of an open one, instead of Gradio's hour: a
        browser that was offline counts as closed, and its page is still there.

        Args:
            now: seconds, monotonic.

        Returns:
            The number of sessions dropped.
        """
        holder, lifetime = self._demo.state_holder, kept_seconds()
        running = self._running()
        used: dict[str, tuple[Any, float]] = {}
        dropped = 0
        sessions: dict[str, Any] = dict(holder.session_data)
        for name, session in sessions.items():
            session.config_values.clear()
            session.STATE_TTL_WHEN_CLOSED = lifetime
            last = holder.time_last_used.get(name)
            before = self._used.get(name, (last, now))
            since = before[1] if before[0] == last and name not in running else now
            if now - since < lifetime:
                used[name] = (last, since)
                continue
            self.drop(name)
            dropped += 1
        self._used = used
        return dropped

    async def end(self, name: str) -> bool:
        """Waits for a session's calls, which keep what they measure, and drops everything of it.

        Returns:
            Whether there was such a session.
        """
        for _ in range(round(MOST_WAIT / WAIT)):
            if name not in self._running():
                break
            await asyncio.sleep(WAIT)
        known = name in self._demo.state_holder.session_data
        self.drop(name)
        return known

    def _running(self) -> set[str]:
        """Returns the sessions with a call in work or in the queue."""
        return {event.session_hash for event in self._demo._queue.event_ids_to_events.values()}

    def drop(self, name: str) -> None:
        """Drops everything of a session; its next call begins a new one."""
        self._demo.state_holder.session_data.pop(name, None)
        self._demo.state_holder.time_last_used.pop(name, None)
