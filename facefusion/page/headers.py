"""Sets the HTTP headers of every answer, and filters those of requests before Gradio sees them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

Headers = list[tuple[bytes, bytes]]

#: Environment variable with the sites that may show the page in a frame, a CSP source list.
FRAME_VARIABLE: Final = "FACEFUSION_FRAME_ANCESTORS"
#: Sites that show the page in a frame on Hugging Face.
SPACES_ANCESTORS: Final = "'self' https://huggingface.co https://*.huggingface.co"
#: uvicorn's environment variable with the proxies whose `X-Forwarded-*` headers are trusted.
PROXY_VARIABLE: Final = "FORWARDED_ALLOW_IPS"
#: Private networks (RFC 1918): on Hugging Face only its proxies reach the container.
SPACES_PROXIES: Final = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
#: Content Security Policy Level 3: the page's own files, the inline and generated scripts and
#: styles of Gradio, and pictures held by the browser.
_POLICY: Final = (
    "default-src 'self'",
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    "font-src 'self' data:",
    "connect-src 'self' data: blob:",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'none'",
)
#: Permissions policy: the page uses only the camera.
_PERMISSIONS: Final = (
    "camera=(self), microphone=(), geolocation=(), display-capture=(), payment=(), usb=(), "
    "serial=(), midi=(), accelerometer=(), gyroscope=(), magnetometer=()"
)
#: Request headers that are removed: with them Gradio would answer another site (Origin), send the
#: request's headers back (Range), or trust the client about its own address (the rest).
_HIDDEN: Final = frozenset((b"origin", b"range", b"if-range", b"cookie", b"x-gradio-server"))
_FORWARDED: Final = frozenset(
    (b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-for", b"forwarded")
)
_CORS: Final = b"access-control-"


def on_space() -> bool:
    """Returns whether this process runs on Hugging Face Spaces."""
    return bool(os.environ.get("SPACE_ID"))


def trusted_proxies() -> str:
    """Returns the addresses and networks of trusted proxies, separated by commas, or ""."""
    return os.environ.get(PROXY_VARIABLE, SPACES_PROXIES if on_space() else "")


def frame_ancestors() -> str:
    """Returns the sites that may show the page in a frame, a CSP source list."""
    chosen = os.environ.get(FRAME_VARIABLE, "").strip()
    return chosen or (SPACES_ANCESTORS if on_space() else "'self'")


def security_headers() -> Headers:
    """Returns the headers of every answer."""
    ancestors = frame_ancestors()
    headers = {
        "content-security-policy": "; ".join((*_POLICY, f"frame-ancestors {ancestors}")),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "permissions-policy": _PERMISSIONS,
        "cross-origin-resource-policy": "same-origin",
    }
    if ancestors == "'self'":
        headers["x-frame-options"] = "SAMEORIGIN"
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def filter_answer(
    headers: Iterable[tuple[bytes, bytes]], added: Headers, *, cacheable: bool
) -> Headers:
    """Replaces the cross-site headers of an answer by `added`.

    Args:
        headers: as Gradio made them.
        added: `security_headers`.
        cacheable: whether a browser or proxy may keep the answer.
    """
    names = {name for name, _ in added} | (set() if cacheable else {b"cache-control"})
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in names and not name.lower().startswith(_CORS)
    ]
    return [*kept, *added, *([] if cacheable else [(b"cache-control", b"no-store")])]


def filter_request(headers: Iterable[tuple[bytes, bytes]], *, proxied: bool) -> Headers:
    """Filters the headers of a request for Gradio.

    Args:
        headers: as received.
        proxied: whether the server is behind a trusted proxy.
    """
    hidden = _HIDDEN if proxied else _HIDDEN | _FORWARDED
    return [(name, value) for name, value in headers if name.lower() not in hidden]
