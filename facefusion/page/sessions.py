"""Drops what Gradio keeps of each session in memory; it holds pictures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from facefusion.page.files import kept_seconds
from facefusion.page.idle import IdleSessions, running_sessions

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
        self._unused = IdleSessions(demo)

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
        sessions: dict[str, Any] = dict(holder.session_data)
        for session in sessions.values():
            session.config_values.clear()
            session.STATE_TTL_WHEN_CLOSED = lifetime
        last_uses = {name: holder.time_last_used.get(name) for name in sessions}
        return sum(map(self.drop, self._unused.expired(last_uses, now)))

    async def end(self, name: str) -> bool:
        """Waits for a session's calls, which keep what they measure, and drops everything of it.

        Returns:
            Whether there was such a session.
        """
        for _ in range(round(MOST_WAIT / WAIT)):
            if name not in running_sessions(self._demo):
                break
            await asyncio.sleep(WAIT)
        return self.drop(name)

    def drop(self, name: str) -> bool:
        """Drops everything of a session, whose next call begins a new one; returns whether it was there."""
        self._demo.state_holder.time_last_used.pop(name, None)
        return self._demo.state_holder.session_data.pop(name, None) is not None
