"""Looks up the results that wait in Gradio's queue, and drops those that nobody reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facefusion.page.idle import IdleSessions

if TYPE_CHECKING:
    import gradio as gr


class PendingResults:
    """Messages of calls that their visitors have not read; they hold pictures.

    Args:
        demo: the page.
    """

    def __init__(self, demo: gr.Blocks) -> None:
        self._demo = demo
        self._unread = IdleSessions(demo)

    @property
    def _queue(self) -> Any:
        return self._demo._queue

    def has_session(self, session: str) -> bool:
        """Returns whether a session has pending messages."""
        return session in self._queue.pending_messages_per_session

    def has_event(self, event: str) -> bool:
        """Returns whether an event has pending messages, or will have."""
        queue = self._queue
        return event in queue.event_ids_to_events or any(
            event in events for events in queue.pending_event_ids_session.values()
        )

    def drop_unread(self, now: float) -> int:
        """Drops the messages of sessions in which nothing was read for `kept_seconds()`.

        Args:
            now: seconds, monotonic.

        Returns:
            The number of sessions dropped.
        """
        queue = self._queue
        waiting = dict(queue.pending_messages_per_session)
        sizes = {session: messages.qsize() for session, messages in waiting.items()}
        dropped = self._unread.expired(sizes, now)
        for session in dropped:
            queue.pending_messages_per_session.pop(session, None)
            queue.pending_event_ids_session.pop(session, None)
        for names in self._demo.temp_file_sets:  # the sweeper does not use Gradio's list
            names.clear()
        return len(dropped)
