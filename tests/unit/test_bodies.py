"""Bodies of requests are bounded in size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from facefusion.page import bodies
from facefusion.page.bodies import SlowError, TooLargeError, paced, read, replayed
from tests.unit.conftest import run_coroutine


def _sends(parts: Sequence[bytes], *, ends: bool = True) -> Receive:
    left = list(parts)

    async def receive() -> dict[str, Any]:
        if not left:
            if ends:
                return {"type": "http.disconnect"}
            await asyncio.sleep(60)
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left) or not ends}

    return receive


def test_a_whole_body_is_read() -> None:
    assert run_coroutine(read(_sends([b"ab", b"", b"c"]), 3)) == b"abc"


def test_a_large_body_is_not_read_to_its_end() -> None:
    with pytest.raises(TooLargeError):
        run_coroutine(read(_sends([b"ab"] * 1000, ends=False), 3))


def test_a_body_that_stops_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "JSON_SECONDS", 0.05)
    with pytest.raises(SlowError):
        run_coroutine(read(_sends([b"a"], ends=False), 3))


def test_a_visitor_who_leaves() -> None:
    async def left() -> None:
        receive = _sends([b"a"])
        await receive()
        await read(receive, 3)

    with pytest.raises(ClientDisconnect):
        run_coroutine(left())


def test_a_body_is_given_again_once() -> None:
    async def run() -> list[Any]:
        receive = replayed(b"abc", _sends([]))
        return [await receive(), await receive()]

    first, second = run_coroutine(run())
    assert first == {"type": "http.request", "body": b"abc", "more_body": False}
    assert second["type"] == "http.disconnect"


def _all(receive: Receive) -> int:
    async def run() -> int:
        size = 0
        while (message := await receive()).get("more_body"):
            size += len(message["body"])
        return size + len(message["body"])

    return run_coroutine(run())


def test_an_upload_within_limits_passes() -> None:
    taken: list[int] = []
    parts = [b"x" * 10] * 5
    assert _all(paced(_sends(parts), 50, lambda size: taken.append(size) is None)) == 50
    assert taken == [10] * 5


def test_an_upload_is_bounded_in_bytes() -> None:
    with pytest.raises(TooLargeError):
        _all(paced(_sends([b"x" * 10] * 6), 50, lambda size: True))
    with pytest.raises(TooLargeError):
        _all(paced(_sends([b"x"]), 50, lambda size: False))


def test_an_upload_that_stops_or_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 5.0
        return now

    with pytest.raises(SlowError):
        _all(paced(_sends([b"x" * 100] * 100), 100_000, lambda size: True, clock))
    now = 0.0
    enough = [b"x" * (6 * bodies.MIN_RATE)] * 20
    assert _all(paced(_sends(enough), 10**9, lambda size: True, clock)) == sum(map(len, enough))
    monkeypatch.setattr(bodies, "PART_SECONDS", 0.05)
    with pytest.raises(SlowError):
        _all(paced(_sends([b"x"], ends=False), 100, lambda size: True))
