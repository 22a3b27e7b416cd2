"""What a server leaves when it is stopped, killed, or stopped while it starts."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.hostile import face
from benchmarks.server import Server, serving, start_server
from benchmarks.visitors import Answer, Visitor, fuse_arguments

#: Side in pixels of a photo that keeps a fusion busy for a second or more.
SIDE = 2400

#: Exit codes of a server that is stopped before it has said what it does then, and afterwards.
NOT_YET, STOPPED = -signal.SIGTERM, 0


def _left(server: Server) -> list[str]:
    """Directories and files in the temporary directory that are of a visitor, or may be."""
    return [
        str(path)
        for path in server.temporary.rglob("*")
        if path.name.startswith("facefusion-") or path.is_file()
    ]


@pytest.fixture
def busy(place: Path, address: Callable[[], str]) -> Iterator[tuple[Server, list[Future[Answer]]]]:
    """A server with six fusions in work or in its queue, and their answers when they come."""
    with serving(place) as server, ThreadPoolExecutor(8) as pool:
        visitors = [Visitor(server.port, address()) for _ in range(3)]
        calls = [
            fuse_arguments(visitor.upload(face()), visitor.upload(face(SIDE)))
            for visitor in visitors
        ]
        orders = [visitors[i % 3].submit("fuse", calls[i % 3]) for i in range(6)]
        assert not any(order.refused for order in orders)
        events = [order.data["event_id"] for order in orders]
        answers = [pool.submit(visitors[i % 3].result, "fuse", events[i]) for i in range(6)]
        yield server, answers


def test_stopped_while_fusions_run(busy: tuple[Server, list[Future[Answer]]]) -> None:
    server, answers = busy
    assert server.end() == STOPPED
    assert _left(server) == [] and server.orphans == 0
    assert "Traceback" not in server.log and "Segmentation" not in server.log
    made = 0
    for answer in answers:
        with suppress(OSError, RuntimeError):  # the connection may have ended
            made += answer.result().has_result
    assert made


def test_killed_while_fusions_run(busy: tuple[Server, list[Future[Answer]]]) -> None:
    server, _ = busy
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    assert server.orphans == 0
    assert _left(server)  # nobody can help that, until the next start
    with serving(server.folder) as again:
        assert again.files(1000) == []
        assert len(list(again.temporary.glob("facefusion-*"))) == 1
    assert _left(again) == []


def test_a_directory_in_use_is_left_alone(place: Path, address: Callable[[], str]) -> None:
    """Two servers share a temporary directory: neither deletes what the other's visitors have."""
    with serving(place) as first:
        visitor = Visitor(first.port, address())
        photo = visitor.upload(face())
        with serving(place) as second:
            assert len(list(second.temporary.glob("facefusion-*"))) == 2
            assert visitor.fuse(photo, photo).has_result
            assert second.end() == STOPPED
        assert visitor.fuse(photo, photo).has_result


def test_what_only_looks_like_a_directory_of_ours_is_not_followed(
    place: Path, tmp_path: Path
) -> None:
    others = tmp_path / "others"
    others.mkdir()
    (others / "precious.txt").write_text("keep")
    (place / "tmp").mkdir()
    (place / "tmp" / "facefusion-link").symlink_to(others)
    with serving(place):
        pass
    assert (others / "precious.txt").read_text() == "keep"


@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.5, 3.5])
def test_stopped_during_the_first_start(tmp_path: Path, seconds: float) -> None:
    """With nothing remembered, engines are compared first, and the machine is measured."""
    server = start_server(tmp_path)
    time.sleep(seconds)
    assert server.end() in (STOPPED, NOT_YET)
    assert server.orphans == 0 and _left(server) == []
    assert "Traceback" not in server.log


def test_stopped_after_the_first_start(first_server: Server) -> None:
    assert first_server.process.returncode == STOPPED
    assert _left(first_server) == [] and first_server.orphans == 0


def test_stopped_by_many_signals_at_once(place: Path) -> None:
    with serving(place) as server:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            server.process.send_signal(signal.SIGINT)
            server.process.send_signal(signal.SIGTERM)
        assert server.end() == STOPPED
    assert _left(server) == [] and server.orphans == 0
    assert "Traceback" not in server.log


def test_stopped_with_open_streams(place: Path, address: Callable[[], str]) -> None:
    """Tabs that are open, and uploads that are half done, do not hold the end up."""
    with serving(place) as server:
        visitor = Visitor(server.port, address(), timeout=30)
        with visitor.connected() as beat, visitor.connected() as half:
            beat.request("GET", "/gradio_api/heartbeat/abc")
            beat.getresponse().read(1)
            half.connect()
            half.sock.sendall(
                b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
                b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
                + bytes(2_000_000)
            )
            assert server.end() == STOPPED
    assert _left(server) == [] and server.orphans == 0
