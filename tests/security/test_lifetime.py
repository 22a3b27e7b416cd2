"""What visitors send and get is gone after its time, read or not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.hostile import face
from benchmarks.server import HOST, Server, serving
from benchmarks.visitors import API, Visitor
from tests.waiting import becomes_true

#: Seconds that this server keeps files at most, instead of ten minutes, and half of it at least:
#: long enough to upload and fuse on a busy machine.
LIFETIME = 20


@pytest.fixture(scope="module")
def forgetful(remembered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that deletes soon, and that has a proxy in front of it."""
    place = tmp_path_factory.mktemp("forgetful")
    shutil.copytree(remembered, place / "cache")
    variables = {"FACEFUSION_LIFETIME": str(LIFETIME), "FORWARDED_ALLOW_IPS": HOST}
    with serving(place, **variables) as server:
        yield server


def test_files_are_gone(
    forgetful: Server, address: Callable[[], str], told: Callable[..., str]
) -> None:
    visitor = Visitor(forgetful.port, address())
    photo = visitor.upload(face())
    result = visitor.fuse(photo, photo).data[0]["path"]
    assert visitor.get(f"{API}/file={result}").status == 200
    unread = visitor.submit("fuse", [photo, photo, "fast", [], 0.5, 1, True]).data["event_id"]
    assert becomes_true(lambda: not _kept(forgetful), 3 * LIFETIME), _kept(forgetful)
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
    forgetful: Server, address: Callable[[], str], told: Callable[..., str]
) -> None:
    """Behind a proxy each visitor has places of their own, and the proxy's address has none."""
    proxy, stranger = Visitor(forgetful.port), Visitor(forgetful.port, address())
    source, target = proxy.upload(face()), proxy.upload(face(1600))
    body = {"data": [source, target, "best", [], 0.5, 1, True]}
    path = f"{API}/call/fuse"
    through = [proxy.post(path, body, X_Forwarded_For=f"203.0.113.{i}") for i in range(12)]
    assert not any(answer.refused for answer in through)
    forged = [stranger.post(path, body, X_Forwarded_For=f"203.0.113.{i}") for i in range(100, 112)]
    assert told(next(answer for answer in forged if answer.refused), 429)
