"""Bodies of requests, within limits of size and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.requests import ClientDisconnect

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

#: Seconds until the next part of a body must be there, and until a whole JSON body must be.
PART_SECONDS: Final = 10.0
JSON_SECONDS: Final = 10.0
#: Bytes a second that an upload must bring on average, after `PATIENCE` seconds: a tenth of what
#: a slow mobile connection has.
LEAST_RATE: Final = 16 * 1024
PATIENCE: Final = 20.0


class TooLargeError(Exception):
    """A body has more bytes than its limit, or than its visitor may still send."""


class SlowError(Exception):
    """A body comes too slowly."""


async def read(receive: Receive, limit: int) -> bytes:
    """Reads a whole body of at most `limit` bytes.

    Raises:
        TooLargeError, SlowError: it is too large or too slow.
        ClientDisconnect: it broke off.
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
    """A `receive` that gives `body`, and then what comes after it: that the client leaves."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def paced(
    receive: Receive,
    limit: int,
    allow: Callable[[int], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Receive:
    """A `receive` that ends where a body is too large or too slow.

    Args:
        receive: of the request.
        limit: bytes of the whole body.
        allow: whether its visitor may send so many more bytes.
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
        if seconds > PATIENCE and size < LEAST_RATE * seconds:
            raise SlowError
        return message

    return next_part
