"""Requests that are too large, too many, or not what an endpoint takes."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

import pytest

from benchmarks.hostile import face
from benchmarks.server import HOST, Server
from benchmarks.visitors import API, Answer, Visitor, file_data, page_form
from tests.waiting import becomes_true

Told = Callable[..., str]
MB: Final = 1_000_000


_DEEP: Final = "[" * 100 + "]" * 100
_VERY_DEEP: Final = "[" * 30_000 + "]" * 30_000


def _of_fuse(place: int, value: Any) -> Callable[[Any], list[Any]]:
    """The values of a call of `/fuse`, one of them another."""

    def values(photo: Any) -> list[Any]:
        data = [photo, photo, "fast", [], 0.5, 1, True]
        data[place] = value
        return data

    return values


_WRONG: Final[dict[int, list[Any]]] = {
    0: [7, "x", [], {}, True, [{}], {"path": 1}, "a" * 50_000],
    1: [7, "x", [], {}, True, [{}], {"path": 1}],
    2: [
        7,
        None,
        [],
        {},
        True,
        "",
        "best ",
        "a" * 50_000,
        "fast\0",
        "studio",
        "../fast",
        ["fast"],
        float("nan"),
    ],
    3: [
        7,
        0,
        "",
        {},
        False,
        "x",
        True,
        {"a": 1},
        [True],
        [1.0],
        ["1"],
        [-1],
        [0],
        [10**30],
        [[1]],
        [None],
        list(range(20_000)),
        "[1]",
    ],
    4: ["x", True, [], {}, -1, 2, 1e308, float("nan"), float("inf"), "0.5", 10**400],
    5: ["x", True, [], {}, -1, 2, 1e308, float("nan"), float("-inf"), "1", 10**400],
    6: [False, None, 0, 1, "true", "True", "yes", [], [True], {}, {"i": True}, 1.0],
}


@pytest.mark.parametrize("place", _WRONG)
def test_a_value_of_a_wrong_type_is_the_visitors_fault(
    stranger: Callable[[], Visitor], told: Told, place: int
) -> None:
    visitor = stranger()
    photo = visitor.upload(face())
    for value in _WRONG[place]:
        answer = visitor.call("fuse", _of_fuse(place, value)(photo))
        assert told(answer), (place, repr(value)[:40])


@pytest.mark.parametrize("listener", ["fuse_on_page", "compare_on_page"])
def test_a_wrong_value_from_the_page(
    visitor: Visitor, photo: dict[str, Any], told: Told, listener: str
) -> None:
    good = page_form(photo, None, None, photo, None)
    wrong = {
        0: [7, "x", [], {"path": []}],
        2: [7, {"a": 1}, [[1]], [{"path": "/etc/passwd"}], "1" * 1000],
        4: [7, "x", [], {"path": []}],
        8: [7, "rights", {"rights": 1}, [[]], None],
        9: [7, [], {}, "a" * 1000],
        10: ["x", [], {}, 1e308, float("nan")],
        11: ["x", [], {}, True],
    }
    for place, values in wrong.items():
        for value in values:
            data = list(good)
            data[place] = value
            answer = visitor.trigger(listener, data)
            assert not answer.has_result and b'"error":null' not in answer.body.replace(
                b" ", b""
            ), (
                place,
                value,
            )
            if answer.refused:
                told(answer)


def test_states_are_the_servers(visitor: Visitor, photo: dict[str, Any], outside: Any) -> None:
    """What the page remembers of a visitor, such as the tiers to compare, is not taken from a
    request.
    """
    forged = {"key": "a", "png": str(outside), "tiers": {"fast": ["/etc/passwd", 1.0]}}
    for listener, data in (
        ("check", [photo, ["forged"]]),
        (
            "compare_on_page",
            page_form(photo, None, None, photo, None, consented=["x"], made=forged),
        ),
    ):
        answer = visitor.trigger(listener, data)
        assert b"passwd" not in answer.body and str(outside).encode() not in answer.body
        assert b'"error":null' not in answer.body.replace(b" ", b"")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"{}",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": "x"}',
        b'{"data": []}',
        b'{"data": [null, null, null, null, null, null, null, null, null]}',
        b'{"data": [NaN]}',
        b'{"data": [1e999]}',
        b'{"data": [%s]}' % (b"9" * 10_000),
        b'{"data": %s}' % _DEEP.encode(),
        b'{"data": %s}' % _VERY_DEEP.encode(),
        b"[" * 60_000,
        b'{"data": ["\xff\xfe"]}',
        b'{"data": ["\\ud800"]}',
        b'{"data": ["a\\u0000b"]}',
        json.dumps({"data": [], "fn_index": -1, "session_hash": ["a"]}).encode(),
        b'{"data": [null], "session_hash": "' + b"a" * 20_000 + b'"}',
        b"--x\r\nnot json",
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.parametrize(
    "path",
    ["call/detect", "call/fuse", "call/v2/detect", "queue/join", "cancel", "run/fuse", "reset"],
)
def test_a_body_that_is_no_call(visitor: Visitor, told: Told, path: str, body: bytes) -> None:
    answer = visitor.post(f"{API}/{path}", body)
    if answer.status == 200 and path in ("cancel", "reset"):  # of nothing, nothing is cancelled
        assert json.loads(body or b"{}") == {} or "data" in json.loads(body)
        return
    if answer.status == 200:  # it was put into the queue, and is refused there
        answer = visitor.result(path.rpartition("/")[2], answer.data["event_id"])
    told(answer, 200, 400, 404, 413, 422)


@pytest.mark.parametrize("index", [-1, 10**6, "0", None, 0.5, True, [], 10**30])
def test_a_listener_that_is_not_there(visitor: Visitor, told: Told, index: Any) -> None:
    told(
        visitor.post(f"{API}/queue/join", {"fn_index": index, "data": [], "session_hash": "abc"}),
        400,
        404,
        422,
    )


@pytest.mark.parametrize(
    "name", ["nothing", "../fuse", "fuse%2f..", "", "a" * 500, "__init__", "0"]
)
def test_an_endpoint_that_is_not_there(visitor: Visitor, told: Told, name: str) -> None:
    told(visitor.submit(name, []), 400, 404, 405)


@pytest.mark.parametrize("event", ["nothing", "a" * 5000, "../../config", "0", "%00"])
def test_a_result_that_is_not_there(visitor: Visitor, told: Told, event: str) -> None:
    told(visitor.get(f"{API}/call/fuse/{event}"), 400, 404)
    told(visitor.get(f"{API}/queue/data?session_hash={event}"), 400, 404)


def test_large_json_is_refused_at_once(
    server: Server, stranger: Callable[[], Visitor], told: Told
) -> None:
    """16 MB of JSON froze everybody for 46 seconds."""
    large = b'{"data": [' + b'{"a":[1,2]},' * (16 * MB // 12) + b"0]}"
    asked, answered = threading.Event(), []

    def others() -> None:
        other = stranger()
        while not asked.is_set():
            begin = time.monotonic()
            assert other.get("/config").status == 200
            answered.append(time.monotonic() - begin)

    watching = threading.Thread(target=others)
    watching.start()
    visitor = stranger()
    try:
        for path in ("call/detect", "queue/join", "cancel"):
            told(visitor.post(f"{API}/{path}", large), 413)
            told(visitor.post(f"{API}/{path}", b'{"data": ["' + b"a" * 70_000 + b'"]}'), 413)
    finally:
        asked.set()
        watching.join()
    assert answered and max(answered) < visitor.timeout / 10  # frozen, not merely slow


def test_a_body_without_a_length_is_counted(
    server: Server, address: Callable[[], str], told: Told
) -> None:
    visitor = Visitor(server.port, address())
    with visitor.connected() as connection:
        connection.connect()
        sent = 0
        try:
            head = (
                f"POST {API}/call/detect HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n"
            )
            connection.sock.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n")
            while sent < 64 * MB:
                connection.sock.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                sent += 65_536
        except OSError:
            pass  # refused while it was sent
    assert sent < 64 * MB
    assert visitor.get("/config").status == 200


def test_an_upload_of_many_files(visitor: Visitor, server: Server, told: Told) -> None:
    before = server.files()
    told(visitor.send(*[b"x"] * 1000), 400, 413)
    told(visitor.send(*[b"x"] * 6), 400, 413)
    assert not set(server.files()) - set(before)


def test_a_large_upload(visitor: Visitor, server: Server, told: Told) -> None:
    before = server.files()
    told(visitor.send(bytes(32 * MB)), 413)
    assert not set(server.files()) - set(before)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x"),
        ("multipart/form-data; boundary=x", b"--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nbody\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n--x--\r\n',
        ),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: " + b"a" * 50_000 + b"\r\n\r\n\r\n--x--\r\n",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 5000,
        ),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=" + "x" * 5000, b"--x--"),
        ("application/json", b"{}"),
        ("", b"abc"),
    ],
    ids=range(11),
)
def test_what_is_no_upload(
    visitor: Visitor, server: Server, told: Told, kind: str, body: bytes
) -> None:
    before = server.files()
    told(visitor.request("POST", f"{API}/upload", body, Content_Type=kind), 400, 413, 415)
    assert not set(server.files()) - set(before)


def test_an_upload_that_breaks_off_leaves_nothing(visitor: Visitor, server: Server) -> None:
    sent = secrets.token_bytes(32)  # other visitors' files come and go meanwhile

    def left() -> list[str]:
        found = []
        for name in server.files():
            with suppress(OSError):  # it was deleted meanwhile
                if sent in (server.temporary / name).read_bytes():
                    found.append(name)
        return found

    held = False
    for path in ("upload", "component_server", "process_recording"):
        with visitor.connected() as connection:
            connection.connect()
            head = (
                f"POST {API}/{path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 20000000\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
                '--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
            )
            connection.sock.sendall(head.encode() + sent * (3 * MB // len(sent)))
            held = held or becomes_true(left, 2)
    assert held, "no endpoint writes an upload to the disk as it comes"
    assert becomes_true(lambda: not left(), 20), left()


def test_a_flood_from_one_address_does_not_lock_others_out(
    stranger: Callable[[], Visitor], photo: dict[str, Any], told: Told
) -> None:
    flooding = stranger()

    def ask(_: int) -> Answer:
        return flooding.submit("detect", [file_data("/nothing")])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(1500)))
    refused = [answer for answer in answers if answer.status == 429]
    assert refused and told(refused[-1])
    other = stranger()
    mine = other.upload(face())
    assert other.fuse(mine, mine).has_result


def test_bytes_of_one_address_are_bounded(
    stranger: Callable[[], Visitor], server: Server, told: Told
) -> None:
    """And what another visitor has uploaded before is not pushed out."""
    other = stranger()
    theirs = other.upload(face())
    flooding, large = [stranger(), stranger(), stranger()], bytes(29 * MB)

    def flood(visitor: Visitor) -> Answer:
        answers = [visitor.send(large) for _ in range(12)]
        return next((answer for answer in answers if answer.refused), answers[-1])

    with ThreadPoolExecutor(3) as pool:
        for answer in pool.map(flood, flooding):
            told(answer, 413, 429, 503)
    held = sum((server.temporary / name).stat().st_size for name in server.files())
    assert held <= 512 * 1024 * 1024
    assert other.fuse(theirs, theirs).has_result
