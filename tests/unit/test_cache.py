"""The cache of features: bounded, forgetful, and asked by content."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from facefusion.pipeline.cache import FeatureCache, content_key
from tests.waiting import becomes_true


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_key_is_the_content(make_photo) -> None:
    photo = make_photo(40, 30)
    assert content_key(photo) == content_key(photo.copy()) == content_key(np.asfortranarray(photo))
    changed = photo.copy()
    changed[3, 4, 1] ^= 1
    assert content_key(changed) != content_key(photo)
    assert content_key(photo.reshape(30, 40, 3)) != content_key(photo)


def test_a_value_is_made_once() -> None:
    cache, made = FeatureCache(), []
    for _ in range(3):
        assert cache.get_or_make("a", lambda: made.append(1) or 7, 10) == 7
    assert len(made) == 1 and len(cache) == 1 and cache.nbytes == 10
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make("b", lambda: 1 // 0, 10)
    assert cache.get("b") is None


def test_the_least_recently_used_goes_first() -> None:
    cache = FeatureCache(max_entries=3)
    for key in "abc":
        cache.put(key, key, 1)
    assert cache.get("a") == "a"
    cache.put("d", "d", 1)
    assert cache.get("b") is None and [cache.get(k) for k in "acd"] == ["a", "c", "d"]


def test_bytes_are_bounded_and_what_is_too_large_is_not_kept() -> None:
    cache = FeatureCache(max_bytes=100)
    cache.put("a", "a", 60)
    cache.put("a", "A", 50)
    assert cache.nbytes == 50 and cache.get("a") == "A"
    cache.put("b", "b", 60)
    assert cache.get("a") is None and cache.nbytes == 60
    cache.put("c", "c", 101)
    assert cache.get("c") is None and cache.get("b") == "b"
    none = FeatureCache(max_entries=0)
    none.put("a", "a", 1)
    assert len(none) == 0


def test_entries_are_forgotten_when_they_are_old() -> None:
    clock = Clock()
    cache = FeatureCache(lifetime=10, clock=clock)
    cache.put("a", 1, 1)
    cache.put("b", 2, 1)
    clock.now = 6
    assert cache.get("a") == 1
    clock.now = 11
    assert cache.get("b") is None and cache.get("a") == 1
    clock.now = 30
    assert cache.get("a") is None and len(cache) == 0 and cache.nbytes == 0


def test_old_entries_go_although_nobody_asks() -> None:
    cache = FeatureCache(lifetime=0.02)
    cache.put("a", 1, 5)
    assert becomes_true(lambda: len(cache) == 0) and cache.nbytes == 0


def test_no_entry_outlives_its_lifetime(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer that follows another waits for the oldest entry alone."""
    clock, timers = Clock(), []

    class Timer:
        def __init__(self, seconds: float, on_end: Callable[[], None]) -> None:
            timers.append((clock.now + seconds, on_end))

        def start(self) -> None: ...

    monkeypatch.setattr(threading, "Timer", Timer)
    cache = FeatureCache(lifetime=10, clock=clock)
    cache.put("a", 1, 1)
    clock.now = 1
    cache.put("b", 2, 1)
    clock.now = 6
    cache.get("a")
    for left in (2, 1, 0):  # at 10, 11 and 16
        clock.now, on_end = timers[-1]
        on_end()
        assert len(cache) == left
    assert [end for end, _ in timers] == [10, 11, 16]


def test_clear_forgets_everything_at_once() -> None:
    cache = FeatureCache()
    cache.put("a", 1, 5)
    cache.clear()
    assert cache.get("a") is None and len(cache) == 0 and cache.nbytes == 0


def test_many_threads_leave_a_consistent_cache() -> None:
    cache = FeatureCache(max_entries=20, max_bytes=150)

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for key in rng.integers(0, 40, 300):
            assert (
                cache.get_or_make(int(key), lambda k=int(key): k * 2, int(key) % 13 + 1) == key * 2
            )

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(cache) <= 20 and 0 < cache.nbytes <= 150
    assert cache.nbytes == sum(entry.size for entry in cache._entries.values())
