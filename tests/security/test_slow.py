"""Sockets that come slowly, stay silent, or do not read, all at once: each is closed, and nobody
else waits.
"""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from benchmarks.hostile import face
from benchmarks.server import HOST, Server
from benchmarks.visitors import API, Visitor
from tests.waiting import becomes_true

#: Seconds after which each of these sockets must be closed.
PATIENCE = 40
_END = "HTTP/1.1\r\nHost: x\r\nContent-Type: "
_UPLOAD = (
    f"POST {API}/upload {_END}multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n\r\n"
)
_CALL = f"POST {API}/call/detect {_END}application/json\r\nContent-Length: 60000\r\n\r\n"
_PART = '--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'

#: What is sent at once, and what is sent again and again, every half second.
SLOW: dict[str, tuple[bytes, bytes]] = {
    "silence": (b"", b""),
    "a header byte by byte": (b"GET / HTTP/1.1\r\nX: ", b"a"),
    "headers without end": (b"GET / HTTP/1.1\r\n", b"X: a\r\n"),
    "half a request": (b"GET / HT", b""),
    "a JSON body that stops": (_CALL.encode() + b'{"data": [', b""),
    "a JSON body byte by byte": (_CALL.encode() + b'{"data": [', b" "),
    "an upload that stops": ((_UPLOAD + _PART).encode() + b"~" * 1000, b""),
    "an upload byte by byte": ((_UPLOAD + _PART).encode(), b"~"),
}


@pytest.fixture(scope="module")
def lives() -> dict[str, float]:
    """Seconds after which each of the slow sockets was closed."""
    return {}


@pytest.fixture
def closed(
    server: Server, address: Callable[[], str], lives: dict[str, float]
) -> Iterator[dict[str, float]]:
    """Opens all of them at once, the first time, and looks after them until each is closed."""
    if not lives:
        begin = time.monotonic()
        sockets = {}
        for name, (first, _) in SLOW.items():
            sockets[name] = socket.create_connection(
                (HOST, server.port), source_address=(address(), 0)
            )
            sockets[name].sendall(first)
            sockets[name].settimeout(0.01)
        while sockets and time.monotonic() - begin < PATIENCE:
            time.sleep(0.5)
            for name in list(sockets):
                if _is_closed(sockets[name], SLOW[name][1]):
                    lives[name] = time.monotonic() - begin
                    sockets.pop(name).close()
        lives.update(dict.fromkeys(sockets, float("inf")))
        for each in sockets.values():
            each.close()
    yield lives


def _is_closed(each: socket.socket, more: bytes) -> bool:
    """Whether the other side has ended the connection, or answered and reads no more."""
    try:
        each.sendall(more)
        with suppress(TimeoutError):
            return each.recv(65_536) == b""
    except OSError:
        return True
    return False


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_socket_is_closed(closed: dict[str, float], name: str) -> None:
    assert closed[name] < PATIENCE


def test_slow_uploads_leave_nothing(closed: dict[str, float], server: Server) -> None:
    assert becomes_true(lambda: not _parts(server), 10), _parts(server)


def _parts(server: Server) -> list[str]:
    """Files of the slow uploads: nothing but tildes."""
    found = []
    for name in server.files():
        with suppress(OSError):
            if (server.temporary / name).read_bytes().strip(b"~") == b"" and (
                server.temporary / name
            ).stat().st_size:
                found.append(name)
    return found


def test_sockets_of_one_address_lock_nobody_out(
    server: Server, address: Callable[[], str], stranger: Callable[[], Visitor]
) -> None:
    """Seven hundred, which is more than the server takes from everybody."""
    mine, sockets = address(), []
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most[1]), most[1]))
    try:
        for _ in range(700):
            with suppress(OSError):
                sockets.append(socket.create_connection((HOST, server.port), 2, (mine, 0)))
                sockets[-1].sendall(b"GET / HTTP/1.1\r\nX: ")
        other = stranger()
        photo = other.upload(face())
        assert other.fuse(photo, photo).has_result
    finally:
        for each in sockets:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, most)


def test_results_that_are_not_read_lock_nobody_out(
    server: Server, address: Callable[[], str], stranger: Callable[[], Visitor]
) -> None:
    """A hundred streams are opened that nobody reads, of as many sessions."""
    greedy = stranger()
    photo = greedy.upload(face())
    sockets = []
    try:
        for _ in range(100):
            try:
                ordered = greedy.submit("detect", [photo])
            except ConnectionError:  # one address may have only so many connections
                continue
            if ordered.refused:
                continue
            each = socket.create_connection((HOST, server.port), 2, (greedy.address, 0))
            each.sendall(
                f"GET {API}/call/detect/{ordered.data['event_id']} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            )
            sockets.append(each)
        assert sockets
        other = stranger()
        mine = other.upload(face())
        assert other.fuse(mine, mine).has_result
    finally:
        for each in sockets:
            each.close()


def test_a_picture_that_is_read_slowly_locks_nobody_out(
    server: Server, visitor: Visitor, photo: dict[str, Any], stranger: Callable[[], Visitor]
) -> None:
    result = visitor.fuse(photo, photo)
    path = result.data[0]["path"]
    sockets = []
    try:
        for _ in range(40):
            each = socket.socket()
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            each.bind((visitor.address, 0))
            each.connect((HOST, server.port))
            each.sendall(f"GET {API}/file={path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            sockets.append(each)
        other = stranger()
        mine = other.upload(face())
        assert other.fuse(mine, mine).has_result
    finally:
        for each in sockets:
            each.close()
