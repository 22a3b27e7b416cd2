"""Reads request bodies within limits of size and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

#: Longest wait in seconds for the next part of a body.
PART_SECONDS: Final = 10.0
#: Longest time in seconds for a whole JSON body.
JSON_SECONDS: Final = 10.0
#: Smallest average rate of an upload in bytes per second: a tenth of a slow mobile connection's.
MIN_RATE: Final = 16 * 1024
#: Seconds before `MIN_RATE` applies.
RATE_GRACE_SECONDS: Final = 20.0


class TooLargeError(Exception):
    """A body has more bytes than its limit, or than the visitor's remaining allowance."""


class SlowError(Exception):
    """A body comes too slowly."""


async def read(receive: Receive, limit: int) -> bytes:
    """Reads a whole body of at most `limit` bytes.

    Raises:
        TooLargeError, SlowError: the body is too large or too slow.
        ClientDisconnect: the client disconnected.
    """
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(JSON_SECONDS):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                parts.append(message.get("body", b""))
                if sum(map(len, parts)) > limit:
                    raise TooLargeError
                more = message.get("more_body", False)
    except TimeoutError:
        raise SlowError from None
    return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that gives `body`, and then waits for the client's disconnect."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def paced(
    receive: Receive,
    limit: int,
    allow: Callable[[int], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Receive:
    """Returns a `receive` that raises an error when a body is too large or too slow.

    Args:
        receive: ASGI `receive` of the request.
        limit: most bytes of the whole body.
        allow: returns whether the visitor may send this many more bytes.
        clock: seconds, monotonic.

    Raises (when called):
        TooLargeError, SlowError: the body is too large or too slow.
    """
    begun, size = clock(), 0

    async def next_part() -> Message:
        nonlocal size
        try:
            async with asyncio.timeout(PART_SECONDS):
                message = await receive()
        except TimeoutError:
            raise SlowError from None
        part = len(message.get("body", b""))
        size += part
        if size > limit or not allow(part):
            raise TooLargeError
        seconds = clock() - begun
        if seconds > RATE_GRACE_SECONDS and size < MIN_RATE * seconds:
            raise SlowError
        return message

    return next_part
