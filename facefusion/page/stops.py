"""Stops the fusion of a session where it is, so that it ends like any other and nothing comes late.

Gradio's own cancelling leaves the running thread alone and reports a failure once that has ended.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

#: Most sessions in memory; the one that stopped longest ago is forgotten first.
MAX_SESSIONS: Final = 1000


class StoppedError(Exception):
    """The visitor stopped the fusion."""


class Stops:
    """Sessions whose present fusion is to be stopped; safe for concurrent use."""

    def __init__(self) -> None:
        self._stopped: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, session: str | None) -> None:
        """Forgets that an earlier fusion was stopped."""
        with self._lock:
            self._stopped.pop(session or "", None)

    def stop(self, session: str | None) -> None:
        """Stops the present fusion at its next step, or as soon as it begins."""
        with self._lock:
            self._stopped[session or ""] = None
            if len(self._stopped) > MAX_SESSIONS:
                self._stopped.popitem(last=False)

    def check(self, session: str | None) -> None:
        """Raises `StoppedError` if the present fusion is to be stopped."""
        with self._lock:
            if (session or "") in self._stopped:
                raise StoppedError
