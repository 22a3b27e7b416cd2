"""Caches measurements of photos in memory, so that the second use of a photo skips perception."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import numpy as np

from facefusion.types import Photo

Value = TypeVar("Value")

MAX_ENTRIES: Final = 128
MAX_BYTES: Final = 64 * 1024 * 1024
#: Seconds without use after which an entry is dropped: a face is personal data, and the page
#: promises ten minutes.
LIFETIME: Final = 600.0


def content_key(photo: Photo) -> bytes:
    """Returns the SHA-256 of a photo's shape and pixels."""
    digest = hashlib.sha256(repr(photo.shape).encode())
    digest.update(np.ascontiguousarray(photo).data)
    return digest.digest()


@dataclass
class _Entry:
    value: Any
    size: int
    used: float


class FeatureCache:
    """Least-recently-used cache in memory, bounded in entries and bytes; safe for concurrent use.

    Args:
        max_entries: largest number of values; 0 keeps none.
        max_bytes: largest number of bytes of array data.
        lifetime: seconds after which an unused entry is dropped, by a timer if there are no calls.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        *,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        lifetime: float = LIFETIME,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_entries, self.max_bytes, self.lifetime = max_entries, max_bytes, lifetime
        self._clock = clock
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def get(self, key: Hashable) -> Any | None:
        """Returns the value, or None if there is none."""
        with self._lock:
            self._drop_expired()
            entry = self._entries.get(key)
            if entry is None:
                return None
            entry.used = self._clock()
            self._entries.move_to_end(key)
            return entry.value

    def get_or_make(
        self, key: Hashable, make: Callable[[], Value], size: int | Callable[[Value], int]
    ) -> Value:
        """Returns the value, made and kept if there is none; concurrent calls may both make it.

        Args:
            key: photo and kind of the value.
            make: makes the value; its exceptions are passed on, and nothing is kept.
            size: bytes of the value, or a function that returns them.
        """
        cached = self.get(key)
        if cached is not None:
            return cast(Value, cached)
        value = make()
        self.put(key, value, size(value) if callable(size) else size)
        return value

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keeps `value` of `size` bytes and drops the least recently used beyond the limits.

        A value larger than `max_bytes` is not kept.
        """
        with self._lock:
            self._remove(key)
            if size > self.max_bytes or self.max_entries < 1:
                return
            self._entries[key] = _Entry(value, size, self._clock())
            self._bytes += size
            while len(self._entries) > self.max_entries or self._bytes > self.max_bytes:
                self._remove(next(iter(self._entries)))
            self._start_timer()

    def clear(self) -> None:
        """Drops all entries."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    @property
    def nbytes(self) -> int:
        """Bytes of all entries."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def _remove(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size

    def _drop_expired(self) -> None:
        oldest = self._clock() - self.lifetime
        # The entries are in the order of their last use.
        while self._entries and next(iter(self._entries.values())).used <= oldest:
            self._remove(next(iter(self._entries)))

    def _start_timer(self) -> None:
        """Starts a timer that drops old entries even without further calls, the oldest on time."""
        if self._timer is None:
            oldest = next(iter(self._entries.values()))
            seconds = max(oldest.used + self.lifetime - self._clock(), 0)
            self._timer = threading.Timer(seconds, self._on_timer)
            self._timer.daemon = True
            self._timer.start()

    def _on_timer(self) -> None:
        with self._lock:
            self._timer = None
            self._drop_expired()
            if self._entries:
                self._start_timer()
