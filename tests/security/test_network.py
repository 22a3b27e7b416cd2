"""The server fetches nothing for a visitor."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.server import Server
from benchmarks.visitors import API, Visitor, file_data

Told = Callable[..., str]

#: Hosts that a server can reach and a visitor cannot: a cloud's metadata (RFC 3927, RFC 6598),
#: local and mapped networks.
INNER = (
    "169.254.169.254", "100.64.0.1", "10.0.0.1", "[fec0::1]",
    "[2002:7f00:1::]", "[::ffff:127.0.0.1]", "[fd00::1]", "0.0.0.0",
)  # fmt: skip


class Listener:
    """A web server that counts who comes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.came = self._socket.getsockname()[1], 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.came += 1
                connection.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    assert found.came == 0
    found.close()


def _urls(port: int) -> list[str]:
    hosts = (
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0.0.0.0",
        "a@127.0.0.1",
        "127.0.0.1.",
    )
    own = [f"{scheme}://{host}:{port}/x.png" for host in hosts for scheme in ("http", "https")]
    return [
        *own,
        f"HTTP://127.0.0.1:{port}/",
        f"http:/127.0.0.1:{port}",
        f"ftp://127.0.0.1:{port}/",
        f"//127.0.0.1:{port}/",
    ]


@pytest.mark.parametrize("way", ["file=", "file/", "proxy="])
def test_no_address_fetches(visitor: Visitor, listener: Listener, told: Told, way: str) -> None:
    for url in _urls(listener.port):
        told(visitor.get(f"{API}/{way}{url}"), 400, 403, 404)
        assert visitor.request("HEAD", f"{API}/{way}{url}").status in (400, 403, 404)


@pytest.mark.parametrize(
    "shape", [lambda url: {"path": url}, file_data, lambda url: {"path": "a", "url": url}, str]
)
def test_no_photo_is_fetched(
    stranger: Callable[[], Visitor], listener: Listener, told: Told, shape: Callable[[str], Any]
) -> None:
    visitor = stranger()
    for i, url in enumerate(_urls(listener.port)):
        visitor = stranger() if i % 8 == 0 else visitor
        told(visitor.call("detect", [shape(url)]))


def test_no_photo_of_the_page_is_fetched(
    visitor: Visitor, listener: Listener, photo: dict[str, Any]
) -> None:
    url = file_data(f"http://127.0.0.1:{listener.port}/x.png")
    for i in range(5):
        photos: list[Any] = [photo, None, None, photo, None]
        photos[i] = url
        visitor.fuse_on_page(*photos)
    for name in ("check", "check_1", "check_2", "check_3"):
        visitor.trigger(name, [url, None])
    visitor.trigger("check_target", [url])


@pytest.mark.parametrize("host", INNER)
def test_no_inner_host_is_asked(visitor: Visitor, server: Server, told: Told, host: str) -> None:
    done, seen = threading.Event(), set[str]()

    def look() -> None:
        while not done.is_set():
            seen.update(_connected(server))

    watching = threading.Thread(target=look)
    watching.start()
    try:
        told(visitor.get(f"{API}/file=http://{host}/latest/meta-data/"), 400, 403, 404)
        told(visitor.call("detect", [file_data(f"http://{host}/latest/meta-data/")]))
    finally:
        done.set()
        watching.join()
    assert not seen


def _connected(server: Server) -> list[str]:
    """Remote addresses of connections of this network namespace that begin: state SYN_SENT of
    /proc/net/tcp.
    """
    net = Path(f"/proc/{server.process.pid}/net")
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in (net / name).read_text().splitlines()[1:]
    ]
    return [row[2] for row in rows if row[3] == "02"]
