"""Finds the sessions of Gradio in which nothing has happened for some time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from facefusion.page.files import kept_seconds

if TYPE_CHECKING:
    import gradio as gr


def running_sessions(demo: gr.Blocks) -> set[str]:
    """Returns the sessions with a call in work or in the queue."""
    return {event.session_hash for event in demo._queue.event_ids_to_events.values()}


class IdleSessions:
    """Tells since when the sessions have been as they are.

    Args:
        demo: the page.
    """

    def __init__(self, demo: gr.Blocks) -> None:
        self._demo = demo
        self._since: dict[str, tuple[Any, float]] = {}

    def expired(self, states: Mapping[str, Any], now: float) -> list[str]:
        """Returns sessions that have not changed for `kept_seconds()`, and in which no call runs.

        Args:
            states: by session, what differs from the call before wherever something happened.
            now: seconds, monotonic.
        """
        running = running_sessions(self._demo)
        since: dict[str, tuple[Any, float]] = {}
        for name, state in states.items():
            before, begun = self._since.get(name, (state, now))
            since[name] = (state, begun if before == state and name not in running else now)
        expired = [name for name, (_, begun) in since.items() if now - begun >= kept_seconds()]
        self._since = {name: each for name, each in since.items() if name not in expired}
        return expired
