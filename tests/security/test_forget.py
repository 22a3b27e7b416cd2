"""Deleting one's files at once: only those that one can name, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.server import Server
from benchmarks.visitors import API, Answer, Visitor

Told = Callable[..., str]


def forget(visitor: Visitor, *paths: Any) -> Answer:
    return visitor.post(f"{API}/forget", {"paths": list(paths)})


def test_files_are_gone_at_once(visitor: Visitor, photo: dict[str, Any], told: Told) -> None:
    result = visitor.fuse(photo, photo).data[0]["path"]
    answer = forget(visitor, photo["path"], result)
    assert (answer.status, answer.data) == (200, {"deleted": 2})
    for path in (photo["path"], result):
        told(visitor.get(f"{API}/file={path}"), 404)
    assert forget(visitor, photo["path"], result).data == {"deleted": 0}


def test_nothing_else_is_deleted(
    stranger: Callable[[], Visitor], server: Server, outside: Path, photo: dict[str, Any]
) -> None:
    """Folders, files outside, the lock, examples, and others' files, whose names nobody can guess."""
    kept = set(server.files())
    folder = Path(photo["path"]).parent
    lock = folder.parents[1] / ".lock"
    assert lock.is_file()
    example = Path(__file__).resolve().parents[2] / "examples" / "portrait-1.jpg"
    names = [
        *(
            str(outside),
            str(example),
            str(folder),
            str(folder.parent),
            str(lock),
            "/",
            "",
            ".",
            "*",
        ),
        *(f"{folder}/*", f"{folder}/../../.lock", "\0", "http://127.0.0.1/a", "a" * 10_000),
    ]
    answer = forget(stranger(), *names)
    assert (answer.status, answer.data) == (200, {"deleted": 0})
    assert (
        outside.is_file() and lock.is_file() and example.is_file() and kept <= set(server.files())
    )


@pytest.mark.parametrize(
    "body",
    [{}, {"paths": None}, {"paths": "a"}, {"paths": [1]}, {"paths": [["a"]]}, [], 7]
    + [{"paths": [], "session": name} for name in (1, ["a"], {"a": "b"})],
)
def test_what_is_no_list_of_paths_or_no_session_is_refused(
    visitor: Visitor, told: Told, body: Any
) -> None:
    told(visitor.post(f"{API}/forget", body), 400)


def test_another_site_cannot_delete(visitor: Visitor, photo: dict[str, Any]) -> None:
    with visitor.connected() as connection:
        connection.request(
            "POST",
            f"{API}/forget",
            json.dumps({"paths": [photo["path"]]}),
            {"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"},
        )
        assert connection.getresponse().status == 403
    assert visitor.get(f"{API}/file={photo['path']}").status == 200
