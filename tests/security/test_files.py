"""No request reads a file that is not the visitor's, or says whether one is there."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from benchmarks.hostile import face
from benchmarks.server import ROOT, Server, files_below
from benchmarks.visitors import API, Answer, Visitor, file_data

Told = Callable[..., str]

#: How a path is handed over.
SHAPES: Final[dict[str, Callable[[str], Any]]] = {
    "bare": lambda path: {"path": path},
    "named": file_data,
    "with an address": lambda path: {
        "path": path,
        "url": f"{API}/file={path}",
        "orig_name": "a.jpg",
    },
    "of an example": lambda path: {
        "path": path,
        "meta": {"_type": "gradio.FileData"},
        "is_stream": False,
        "size": 9,
    },
}
#: Where a photo goes in, and so where a path could be read.
CALLS: Final[dict[str, Callable[[Visitor, Any, Any], Answer]]] = {
    "fuse, the face": lambda visitor, mine, other: visitor.fuse(other, mine),
    "fuse, the photo": lambda visitor, mine, other: visitor.fuse(mine, other),
    "detect": lambda visitor, mine, other: visitor.call("detect", [other]),
    "page, the face": lambda visitor, mine, other: visitor.fuse_on_page(
        other, None, None, mine, None
    ),
    "page, a second picture": lambda visitor, mine, other: visitor.fuse_on_page(
        mine, other, None, mine, None
    ),
    "page, a third picture": lambda visitor, mine, other: visitor.fuse_on_page(
        mine, None, other, mine, None
    ),
    "page, the photo": lambda visitor, mine, other: visitor.fuse_on_page(
        mine, None, None, other, None
    ),
    "page, comparing": lambda visitor, mine, other: visitor.fuse_on_page(
        mine, None, None, other, None, listener="compare_on_page"
    ),
    **{
        f"page, {name}": lambda visitor, mine, other, name=name: visitor.trigger(
            name, [other, None]
        )
        for name in ("check", "check_1", "check_2", "check_3")
    },
    "page, check_target": lambda visitor, mine, other: visitor.trigger("check_target", [other]),
}


def _same(answer: Answer) -> tuple[Any, ...]:
    """What a visitor can tell apart."""
    data = {**answer.data, "duration": 0} if isinstance(answer.data, dict) else answer.data
    return answer.status, answer.event, data


def _places(server: Server, outside: Path) -> Iterator[str]:
    """Files that are there, and no visitor's."""
    swept = next(server.temporary.glob("facefusion-*"))
    yield str(outside)
    yield os.path.relpath(outside, ROOT)
    yield f"{swept}/../../../{'../' * 20}{outside}"
    yield f"{swept}{'/..' * (len(swept.parts) - 1)}{outside}"
    yield str(ROOT / "README.md")
    yield "/etc/passwd"
    yield "/proc/self/environ"
    yield "/proc/self/cwd/README.md"
    yield "/dev/zero"
    yield "/dev/stdin"
    yield str(swept)
    yield "/"
    yield "."


@pytest.mark.parametrize("call", CALLS)
def test_a_path_outside_is_as_one_that_is_not_there(
    visitor: Visitor, photo: dict[str, Any], server: Server, outside: Path, call: str
) -> None:
    swept = next(server.temporary.glob("facefusion-*"))
    ask = CALLS[call]
    expected = ask(visitor, photo, file_data(f"{swept}/{uuid.uuid4().hex}/photo.jpg"))
    assert not expected.has_result
    for shape in SHAPES.values():
        for path in (str(outside), f"{outside}.missing", os.path.relpath(outside, ROOT)):
            assert _same(ask(visitor, photo, shape(path))) == _same(expected)


def test_no_kind_of_path_is_read(
    stranger: Callable[[], Visitor], server: Server, outside: Path, told: Told
) -> None:
    visitor, swept = stranger(), next(server.temporary.glob("facefusion-*"))
    expected = visitor.call("detect", [file_data(f"{swept}/{uuid.uuid4().hex}/photo.jpg")])
    sentence = told(expected)
    for i, path in enumerate(_places(server, outside)):
        visitor = stranger() if i % 5 == 0 else visitor
        assert told(visitor.call("detect", [file_data(path)])) == sentence, path


def test_a_link_leads_nowhere(visitor: Visitor, server: Server, outside: Path, told: Told) -> None:
    """Whatever should once write links among the uploads: they are not followed."""
    folder = next(server.temporary.glob("facefusion-*")) / uuid.uuid4().hex
    folder.mkdir()
    (folder / "photo.jpg").symlink_to(outside)
    (folder / "further").symlink_to(outside.parent)
    try:
        for path in (folder / "photo.jpg", folder / "further" / outside.name):
            told(visitor.call("detect", [file_data(str(path))]))
            assert visitor.get(f"{API}/file={path}").status >= 400
    finally:
        (folder / "photo.jpg").unlink()
        (folder / "further").unlink()
        folder.rmdir()


@pytest.mark.parametrize(
    "value",
    [
        {"path": "/etc/passwd\0.jpg"},
        {"path": "a" * 5000},
        {"path": ["/etc/passwd"]},
        {"path": {"path": "/etc/passwd"}},
        {"path": 7},
        {"path": None},
        {"path": ""},
        {"url": "/etc/passwd"},
        {"orig_name": "/etc/passwd"},
        "/etc/passwd",
        ["/etc/passwd"],
        "file:///etc/passwd",
        {"path": "file:///etc/passwd"},
        {"path": "~/.ssh/id_rsa"},
        {"path": "data:image/png;base64,iVBORw0KGgo="},
        {"path": "\udcff"},
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_path_is_no_photo(visitor: Visitor, told: Told, value: Any) -> None:
    told(visitor.call("detect", [value]))


def test_faces_and_other_values_are_no_files(
    visitor: Visitor, photo: dict[str, Any], server: Server, outside: Path
) -> None:
    before = set(server.files())
    hidden = file_data(str(outside))
    for data in (
        [photo, photo, "fast", hidden, 0.5, 1, True],
        [photo, photo, hidden, [], 0.5, 1, True],
    ):
        assert visitor.call("fuse", data).refused
    added = [
        name for name in set(server.files()) - before if (server.temporary / name).stat().st_size
    ]
    assert not any((server.temporary / name).read_bytes() == outside.read_bytes() for name in added)


@pytest.mark.parametrize("way", ["file=", "file/"])
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/proc/self/environ",
        "README.md",
        "app.py",
        "weights/manifest.json",
        "../../../../../../etc/passwd",
        "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "/etc/passwd%00.jpg",
        "//etc/passwd",
        "C:\\Windows\\win.ini",
    ],
)
def test_no_address_loads_a_file_of_the_server(
    visitor: Visitor, told: Told, way: str, path: str
) -> None:
    told(visitor.get(f"{API}/{way}{path}"), 403, 404)


@pytest.mark.parametrize("folder", ["assets", "static", "svelte", f"{API[1:]}/static"])
@pytest.mark.parametrize(
    "path", ["../../../../../../etc/passwd", "..%2f..%2f..%2f..%2f..%2fetc/passwd", "%2fetc/passwd"]
)
def test_no_asset_is_a_file_of_the_server(visitor: Visitor, folder: str, path: str) -> None:
    answer = visitor.get(f"/{folder}/{path}")
    assert answer.status >= 400 and b"root:" not in answer.body


def test_files_of_the_directory_itself_are_not_served(
    visitor: Visitor, server: Server, told: Told
) -> None:
    swept = next(server.temporary.glob("facefusion-*"))
    for path in (swept, swept / "..", swept / f"../../{server.folder.name}/log"):
        told(visitor.get(f"{API}/file={quote(str(path))}"), 403, 404)


def test_only_the_owner_of_the_process_reads_the_directory(
    visitor: Visitor, photo: dict[str, Any], server: Server
) -> None:
    assert visitor.fuse(photo, photo).has_result
    swept = list(server.temporary.glob("facefusion-*"))
    assert len(swept) == 1
    for folder, _, _ in os.walk(swept[0]):
        # A directory of another visitor may be deleted meanwhile.
        with suppress(FileNotFoundError):
            assert os.stat(folder).st_mode & 0o077 == 0, os.path.relpath(folder, server.temporary)


def test_names_of_uploads_are_the_servers(visitor: Visitor, server: Server) -> None:
    swept = next(server.temporary.glob("facefusion-*")).resolve()
    for name in (
        "../../../../evil.jpg",
        "/etc/evil",
        "..\\..\\evil.jpg",
        "a" * 300 + ".jpg",
        "a\r\nX: y",
        "🎭.jpg",
        "",
    ):
        answer = visitor.send(face(), name=name)
        if answer.status == 200:
            path = Path(answer.data[0])
            assert path.resolve().is_relative_to(swept) and path.is_file()
            assert "evil" not in path.name
            assert "=" not in path.name and len(path.name) < 64
    assert not [name for name in files_below(server.folder) if Path(name).name.startswith("evil")]
