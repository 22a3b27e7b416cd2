"""Headers of answers, and what is made of those of requests."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.server import HOST, Server
from benchmarks.visitors import API, Answer, Visitor
from facefusion.words import Language, say

Told = Callable[..., str]

EVIL = "https://evil.example"


@pytest.fixture
def result(visitor: Visitor, photo: dict[str, Any]) -> str:
    """The address of a result."""
    return f"{API}/file={visitor.fuse(photo, photo).data[0]['path']}"


def _answers(visitor: Visitor, result: str, **headers: str) -> dict[str, Answer]:
    return {
        "page": visitor.get("/", **headers),
        "config": visitor.get("/config", **headers),
        "info": visitor.get(f"{API}/info", **headers),
        "result": visitor.get(result, **headers),
        "nothing": visitor.get("/nothing", **headers),
        "icon": visitor.get("/icon.svg", **headers),
        "preview": visitor.get("/preview.jpg", **headers),
        "call": visitor.post(f"{API}/call/detect", {"data": [None]}, **headers),
        "bad call": visitor.post(f"{API}/call/detect", {"data": 7}, **headers),
        "upload": visitor.send(b"x"),
        "bad file": visitor.get(f"{API}/file=/etc/passwd", **headers),
    }


def test_every_answer_has_them(visitor: Visitor, result: str) -> None:
    for name, answer in _answers(visitor, result).items():
        policy = dict(
            part.strip().partition(" ")[::2]
            for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] in ("'self'", "'none'"), name
        assert policy["object-src"] == "'none'" and policy["base-uri"] in ("'self'", "'none'")
        assert "frame-ancestors" in policy
        assert not any("*" in sources or "http" in sources for sources in policy.values())
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] in ("no-referrer", "same-origin", "strict-origin")
        devices = answer.headers["permissions-policy"]
        assert "camera=(self)" in devices and "microphone=()" in devices
        assert not any(header.startswith("access-control-") for header in answer.headers), name


def test_photos_and_results_are_not_stored(
    visitor: Visitor, photo: dict[str, Any], result: str
) -> None:
    for address in (result, f"{API}/file={photo['path']}", "/", "/config"):
        answer = visitor.get(address)
        assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers or "no-store" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "origin", [EVIL, "null", "http://127.0.0.1:7860", "http://localhost", "chrome-extension://a"]
)
def test_no_other_site_may_read(visitor: Visitor, result: str, origin: str) -> None:
    for host in (
        f"{HOST}:{visitor.port}",
        "fusion.example",
    ):  # a page on the loopback is another case for Gradio
        for name, answer in _answers(
            visitor, result, Origin=origin, Cookie="a=b", Host=host
        ).items():
            assert not any(header.startswith("access-control-") for header in answer.headers), name
            assert EVIL.encode() not in answer.body


def test_no_other_site_is_asked_beforehand(visitor: Visitor) -> None:
    answer = visitor.request(
        "OPTIONS",
        f"{API}/upload",
        Origin=EVIL,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="x",
    )
    assert answer.status >= 400 and not any(
        header.startswith("access-control-") for header in answer.headers
    )


def test_another_site_may_not_send(visitor: Visitor, photo: dict[str, Any], told: Told) -> None:
    """A form on another site can send text/plain without asking; browsers say where it comes from."""
    body = json.dumps({"data": [photo]}).encode()
    for path in ("call/detect", "queue/join", "cancel"):
        told(
            visitor.request(
                "POST",
                f"{API}/{path}",
                body,
                Content_Type="text/plain",
                Origin=EVIL,
                Sec_Fetch_Site="cross-site",
            )
        )


@pytest.mark.parametrize(
    "value",
    [
        "bytes=0-99",
        "bytes=0-0,2-2,4-4",
        "bytes=-1",
        "bytes=99999999-",
        "lines=1",
        "bytes=" + "0-1," * 2000,
    ],
)
def test_a_range_sends_no_header_back(visitor: Visitor, result: str, value: str) -> None:
    secrets = {
        "Cookie": "session=cookie-of-mine",
        "Authorization": "Basic secret-of-mine",
        "X_Custom": "custom-of-mine",
    }
    answer = visitor.get(result, Range=value, **secrets)
    told = json.dumps(answer.headers)
    assert (
        answer.status in (200, 206, 416, 431, 400)
        and "of-mine" not in told
        and b"of-mine" not in answer.body
    )
    assert not {"cookie", "authorization", "x-custom", "range", "host"} & set(answer.headers)


def test_the_host_of_a_stranger_does_not_stay(stranger: Callable[[], Visitor]) -> None:
    evil, honest = stranger(), stranger()
    for path in (
        "/",
        "/config",
        f"{API}/info",
        f"{API}/openapi.json",
        "/manifest.json",
        "/robots.txt",
    ):
        evil.get(
            path,
            Host="evil.example",
            X_Forwarded_Host="evil.example",
            X_Forwarded_Proto="https",
            X_Gradio_Server=EVIL,
        )
        answer = honest.get(path)
        assert b"evil" not in answer.body and "evil" not in json.dumps(answer.headers)


@pytest.mark.parametrize(
    "header", ["X_Forwarded_Host", "X_Gradio_Server", "Forwarded", "Referer", "X_Forwarded_Prefix"]
)
def test_a_host_that_is_only_said_is_not_believed(
    visitor: Visitor, photo: dict[str, Any], header: str
) -> None:
    for path in ("/", "/config", f"{API}/info"):
        assert b"evil.example" not in visitor.get(path, **{header: EVIL}).body
    ordered = visitor.submit("detect", [photo], **{header: EVIL})
    assert b"evil.example" not in visitor.result("detect", ordered.data["event_id"]).body


def test_the_chosen_language_is_that_of_the_sentences(visitor: Visitor) -> None:
    english, chinese = (
        visitor.get(f"/nothing{query}", Accept_Language="en").data["error"]
        for query in ("", "?language=zh")
    )
    assert (english, chinese) == (
        say("error.no_such_address"),
        say("error.no_such_address", Language.CHINESE),
    )


def test_deep_links_hold_nothing(visitor: Visitor, photo: dict[str, Any], told: Told) -> None:
    session = "abc123"
    visitor.fuse_on_page(photo, None, None, photo, None)
    told(visitor.get(f"{API}/deep_link?session_hash={session}"), 404)
    plain = visitor.get("/config").data
    for link in ("a", "../../etc/passwd", "/etc/passwd", "a" * 3000):
        config = visitor.get(f"/config?deep_link={link}")
        assert config.status == 200 and config.data["dependencies"] == plain["dependencies"]
        assert visitor.get(f"/?deep_link={link}").status == 200


@pytest.mark.parametrize(
    "request_text",
    [
        "GET / HTTP/1.1\r\nHost: x\r\nX: " + "a" * 200_000 + "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n" + "X: a\r\n" * 20_000 + "\r\n",
        "GET /" + "a" * 200_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /config HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x",
        "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: a\r\n\r\n",
    ],
    ids=range(10),
)
def test_what_is_hardly_http(server: Server, visitor: Visitor, request_text: str) -> None:
    with socket.create_connection((HOST, server.port), 20, (visitor.address, 0)) as raw:
        try:
            raw.sendall(request_text.encode())
            raw.shutdown(socket.SHUT_WR)
            answer = raw.recv(1 << 16)
        except OSError:
            answer = b""
    assert b"Traceback" not in answer and b"evil.example" not in answer
    assert visitor.get("/config").status == 200
