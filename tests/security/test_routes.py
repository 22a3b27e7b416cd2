"""Addresses that the page does not use are not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import gradio as gr
import pytest

from benchmarks.hostile import face
from benchmarks.server import Server
from benchmarks.visitors import API, Visitor, page_form

Told = Callable[..., str]

#: Addresses of Gradio that the page and programs use, without the slash that some also take at the
#: end.
USED: Final = frozenset(
    (
        *(
            "/",
            "/config",
            "/static/{path:path}",
            "/svelte/{path:path}",
            "/assets/{path:path}",
            "/theme.css",
        ),
        *(
            "/favicon.ico",
            "/manifest.json",
            "/pwa_icon",
            "/robots.txt",
            f"{API}/theme.css",
            f"{API}/info",
        ),
        *(
            f"{API}/openapi.json",
            f"{API}/startup-events",
            f"{API}/app_id",
            f"{API}/upload",
            f"{API}/upload_progress",
        ),
        *(
            f"{API}/file={{path_or_url:path}}",
            f"{API}/file/{{path:path}}",
            f"{API}/heartbeat/{{session_hash}}",
        ),
        *(
            f"{API}/queue/join",
            f"{API}/queue/data",
            f"{API}/queue/status",
            f"{API}/cancel",
            f"{API}/reset",
        ),
        *(f"{API}/call/{{api_name}}", f"{API}/call/{{api_name}}/{{event_id}}"),
        *(f"{API}/call/v2/{{api_name}}", f"{API}/call/v2/{{api_name}}/{{event_id}}"),
        *(f"{API}/run/{{api_name}}", f"{API}/api/{{api_name}}"),
    )
)


def _unused() -> list[tuple[str, str]]:
    with gr.Blocks() as demo:
        gr.Image()
    found = set()
    for route in _leaves(gr.routes.App.create_app(demo).routes):
        path = route.path.rstrip("/") or "/"
        if path not in USED:
            found.update((method, path) for method in route.methods or () if method != "HEAD")
    return sorted(found)


def _leaves(routes: Any, prefix: str = "") -> list[Any]:
    """Routes of an application and of routers within it."""
    found = []
    for route in routes:
        inner = getattr(route, "routes", None)
        found += _leaves(inner) if inner else [route] if getattr(route, "methods", None) else []
    return found


@pytest.mark.parametrize(("method", "path"), _unused())
def test_what_the_page_does_not_use_is_not_there(
    visitor: Visitor, told: Told, method: str, path: str
) -> None:
    filled = path.replace("{", "").replace("}", "").replace(":path", "")
    body = json.dumps({"data": [], "component_id": 3, "session_hash": "a", "fn_name": "x"}).encode()
    told(
        visitor.request(
            method, filled, body if method == "POST" else None, Content_Type="application/json"
        ),
        404,
        405,
    )


@pytest.mark.parametrize(
    "path",
    [
        "/docs",
        "/redoc",
        "/openapi.json",
        "/monitoring",
        "/monitoring/summary",
        "/gradio_api/runs",
        "/gradio_api/run-history/buckets",
        "/gradio_api/proxy=http://example.com/x",
        "/gradio_api/proxy=https://huggingface.co/x",
        "/gradio_api/stream/a/1/2/playlist.m3u8",
        "/gradio_api/custom_component/a/client/component/index.js",
        "/gradio_api/deep_link?session_hash=a",
        "/gradio_api/vibe-code",
        "/gradio_api/token",
        "/gradio_api/user",
        "/gradio_api/dev/reload",
        "/gradio_api/mcp/",
        "/gradio_api/mcp/sse",
        "/.well-known/x",
        "/.git/config",
        "/app.py",
        "/login",
        "/logout",
        "/%00",
        "/" + "a" * 3000,
        "//config",
        "/gradio_api/../config",
    ],
)
def test_other_addresses_are_not_there(visitor: Visitor, told: Told, path: str) -> None:
    told(visitor.get(path), 400, 404, 405)


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"]
)
@pytest.mark.parametrize("path", ["/", "/config", f"{API}/upload", f"{API}/call/fuse"])
def test_methods_that_nobody_uses(visitor: Visitor, told: Told, method: str, path: str) -> None:
    told(visitor.request(method, path, b"{}"), 400, 404, 405)


@pytest.mark.parametrize(
    "path", [f"{API}/process_recording", f"{API}/component_server", f"{API}/upload?upload_id=../a"]
)
def test_recordings_and_parts_leave_nothing(
    visitor: Visitor, server: Server, told: Told, path: str
) -> None:
    before = server.files()
    body = (
        b'--x\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
        + face()
        + b"\r\n"
        b'--x\r\nContent-Disposition: form-data; name="component_id"\r\n\r\n3\r\n--x--\r\n'
    )
    told(visitor.request("POST", path, body, Content_Type="multipart/form-data; boundary=x"))
    assert not set(server.files()) - set(before)


def test_listeners_do_not_run_beside_the_queue(
    visitor: Visitor, photo: dict[str, Any], told: Told
) -> None:
    listeners = visitor.listeners()
    for name, data in (
        ("fuse", [photo, photo, "fast", [], 0.5, 1, True]),
        ("detect", [photo]),
        (
            "fuse_on_page",
            page_form(photo, None, None, photo, None),
        ),
    ):
        for way in ("run", "api"):
            for body in (
                {"data": data},
                {"data": data, "session_hash": "abc", "fn_index": listeners[name]},
            ):
                answer = visitor.post(f"{API}/{way}/{name}", body)
                told(answer)
                assert not answer.has_result


def test_private_listeners_are_no_endpoints(
    visitor: Visitor, photo: dict[str, Any], told: Told
) -> None:
    told(
        visitor.call(
            "fuse_on_page",
            page_form(photo, None, None, photo, None),
        )
    )
    told(visitor.call("reuse", [{"png": "/etc/passwd"}]))
