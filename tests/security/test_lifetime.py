"""What visitors send and get is gone after its time, read or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.hostile import face
from benchmarks.server import Server, serving
from benchmarks.visitors import API, Visitor
from tests.waiting import becomes_true

#: Seconds that this server keeps files, instead of ten minutes.
LIFETIME = 6


@pytest.fixture
def forgetful(place: Path) -> Iterator[Server]:
    with serving(place, FACEFUSION_LIFETIME=str(LIFETIME)) as server:
        yield server


def test_files_are_gone(
    forgetful: Server, address: Callable[[], str], told: Callable[..., str]
) -> None:
    visitor = Visitor(forgetful.port, address())
    photo = visitor.upload(face())
    result = visitor.fuse(photo, photo).data[0]["path"]
    assert visitor.get(f"{API}/file={result}").status == 200
    unread = visitor.submit("fuse", [photo, photo, "fast", [], 0.5, 1, True]).data["event_id"]
    assert becomes_true(lambda: not _kept(forgetful), 10 * LIFETIME), _kept(forgetful)
    told(visitor.get(f"{API}/file={result}"), 404)
    told(visitor.call("detect", [photo]))
    answer = visitor.result("fuse", unread)
    assert (
        not answer.has_result or visitor.get(f"{API}/file={answer.data[0]['path']}").status == 404
    )


def _kept(server: Server) -> list[str]:
    """Photos and results on the disk."""
    return [name for name in server.files() if (server.temporary / name).stat().st_size > 100]


def test_forwarded_addresses_count_where_the_proxy_is_named(
    place: Path, address: Callable[[], str], told: Callable[..., str]
) -> None:
    """Behind a proxy each visitor has places of their own, and the proxy's address has none."""
    with serving(place, FORWARDED_ALLOW_IPS="127.0.0.1") as server:
        proxy, stranger = Visitor(server.port), Visitor(server.port, address())
        source, target = proxy.upload(face()), proxy.upload(face(2400))
        body = {"data": [source, target, "best", [], 0.5, 1, True]}
        path = f"{API}/call/fuse"
        through = [proxy.post(path, body, X_Forwarded_For=f"203.0.113.{i}") for i in range(12)]
        assert not any(answer.refused for answer in through)
        forged = [
            stranger.post(path, body, X_Forwarded_For=f"203.0.113.{i}") for i in range(100, 112)
        ]
        assert told(next(answer for answer in forged if answer.refused), 429)
