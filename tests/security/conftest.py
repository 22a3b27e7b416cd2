"""A server process on the loopback, inside limits, and strangers who come to it, each from an
address of their own.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from benchmarks.hostile import face
from benchmarks.server import Server, serving, start_server
from benchmarks.visitors import Answer, Visitor
from facefusion.words import say

if sys.platform != "linux":
    collect_ignore_glob = [
        "test_*.py"
    ]  # limits of memory, /proc and a loopback of many addresses are Linux's

#: In the names of all uploads: the log must not hold it.
SECRET = "aunt-mabel-1987"

_addresses = (
    f"127.{a}.{b}.{c}" for a in range(10, 250) for b in range(1, 250) for c in range(1, 250)
)
_numbers = itertools.count()


@dataclass
class Attacked:
    """The server of the session.

    Attributes:
        server: runs; started again after an attack that ended it.
        rest: its memory after two fusions, in megabytes.
    """

    server: Server
    rest: float


@pytest.fixture(scope="session")
def first_server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The first server on this machine, which measured it, fused once, and was stopped."""
    with serving(tmp_path_factory.mktemp("first")) as server:
        visitor = Visitor(server.port, next(_addresses))
        photo = visitor.upload(face())
        assert visitor.fuse(photo, photo, "best").has_result
        server.end()
    return server


@pytest.fixture(scope="session")
def remembered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first start on this machine remembers, so that others need not measure again: one
    start for all processes of a test run.
    """
    if not hasattr(request.config, "workerinput"):
        return Path(request.getfixturevalue("first_server").folder / "cache")
    shared = tmp_path_factory.getbasetemp().parent / "remembered"
    with FileLock(f"{shared}.lock"):
        if not shared.is_dir():
            shutil.copytree(request.getfixturevalue("first_server").folder / "cache", shared)
    return shared


@pytest.fixture
def place(tmp_path: Path, remembered: Path) -> Path:
    """A directory for a server that is not the first on its machine."""
    shutil.copytree(remembered, tmp_path / "cache")
    return tmp_path


@pytest.fixture(scope="session")
def _attacked(
    tmp_path_factory: pytest.TempPathFactory, remembered: Path
) -> Iterator[Callable[[], Attacked]]:
    running: list[Attacked] = []

    def get() -> Attacked:
        if not running or not running[-1].server.alive:
            place = tmp_path_factory.mktemp("server")
            shutil.copytree(remembered, place / "cache")
            server = start_server(place)
            running.append(Attacked(server, 0.0))
            server.wait_until_up()
            visitor = Visitor(server.port, next(_addresses))
            photo = visitor.upload(face())
            for _ in range(2):
                assert visitor.fuse(photo, photo, "best").has_result
            running[-1].rest = server.memory()
        return running[-1]

    yield get
    for each in running:
        if each.server.alive:
            each.server.end()


@pytest.fixture
def attacked(_attacked: Callable[[], Attacked]) -> Iterator[Attacked]:
    """A server that must live through the test, and whose log must hold nothing of a visitor's
    afterwards.
    """
    found = _attacked()
    before = len(found.server.log)
    yield found
    assert found.server.alive
    written = found.server.log[before:]
    for word in (
        "Traceback",
        "ERROR",
        "CRITICAL",
        SECRET,
        str(found.server.temporary),
        ".jpg",
        ".png",
    ):
        assert word not in written, written[-3000:]


@pytest.fixture
def server(attacked: Attacked) -> Server:
    return attacked.server


@pytest.fixture
def stranger(server: Server) -> Callable[[], Visitor]:
    """Comes to the server from an address of its own."""
    return lambda: Visitor(server.port, next(_addresses))


@pytest.fixture
def visitor(stranger: Callable[[], Visitor]) -> Visitor:
    return stranger()


@pytest.fixture
def address() -> Callable[[], str]:
    """An address of the loopback that nobody has used."""
    return lambda: next(_addresses)


@pytest.fixture
def photo(visitor: Visitor) -> dict[str, Any]:
    """The visitor's own upload, of a face."""
    return visitor.upload(face(), name=f"{SECRET}.jpg")


@pytest.fixture
def secret() -> str:
    return SECRET


@pytest.fixture(scope="session")
def told() -> Callable[..., str]:
    """Checks that an answer refuses with a sentence that does not take the blame, and returns it."""

    def check(answer: Answer, *statuses: int) -> str:
        assert answer.refused, answer
        sentence = answer.sentence
        assert " " in sentence and sentence.endswith("."), (answer.status, answer.body[:300])
        assert sentence != say("error.unexpected")
        assert not any(
            word in sentence for word in ("/", "\\", "Error", "Exception", "Traceback", "<", "{")
        )
        assert not statuses or answer.status in statuses
        if answer.status >= 400:
            assert 400 <= answer.status < 500 or answer.status == 503
            assert answer.headers["content-type"].startswith("application/json")
        return sentence

    return check


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A photo of a face on the server's disk that nobody has uploaded."""
    path = tmp_path / f"outside-{next(_numbers)}.jpg"
    path.write_bytes(face())
    os.chmod(path, 0o644)
    return path
