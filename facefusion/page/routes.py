"""Routes that the page, its browser code and programs use; all others are refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final


class Kind(StrEnum):
    """Kind of a request, which decides how it is checked."""

    PAGE = auto()
    ASSET = auto()
    OWN = auto()
    INFO = auto()
    FILE = auto()
    UPLOAD = auto()
    CALL = auto()
    CANCEL = auto()
    FORGET = auto()
    STREAM = auto()


@dataclass(frozen=True)
class Route:
    """A served address.

    Attributes:
        kind: how it is checked.
        methods: HTTP methods.
        pattern: of the whole path; its group, if any, is passed on.
    """

    kind: Kind
    methods: tuple[str, ...]
    pattern: re.Pattern[str]


_READ: Final = ("GET", "HEAD")
_API: Final = "/gradio_api"
ROUTES: Final = tuple(
    Route(kind, methods, re.compile(pattern))
    for kind, methods, pattern in (
        (Kind.PAGE, _READ, r"/"),
        (Kind.PAGE, _READ, r"/config/?"),
        (Kind.INFO, _READ, rf"{_API}/(?:info/?|openapi\.json)"),
        (Kind.ASSET, _READ, r"/(?:assets|static|svelte)/.+"),
        (Kind.ASSET, _READ, rf"(?:{_API})?/theme\.css"),
        (Kind.ASSET, _READ, r"/robots\.txt"),
        (Kind.OWN, _READ, r"/(?:favicon\.ico|manifest\.json|preview\.jpg|icon\.svg|icon-\d+\.png)"),
        (Kind.INFO, _READ, rf"{_API}/(?:startup-events|app_id/?|queue/status)"),
        (Kind.FILE, _READ, rf"{_API}/file[=/](.+)"),
        (Kind.UPLOAD, ("POST",), rf"{_API}/upload"),
        (Kind.STREAM, _READ, rf"{_API}/upload_progress"),
        (Kind.STREAM, _READ, rf"{_API}/heartbeat/([A-Za-z0-9_-]+)"),
        (Kind.STREAM, _READ, rf"{_API}/queue/data"),
        (Kind.STREAM, _READ, rf"{_API}/call/(?:v2/)?[A-Za-z0-9_]+/([A-Za-z0-9_-]+)"),
        (Kind.CALL, ("POST",), rf"{_API}/queue/join"),
        (Kind.CALL, ("POST",), rf"{_API}/run/([A-Za-z0-9_]+)"),
        (Kind.CALL, ("POST",), rf"{_API}/call/((?:v2/)?[A-Za-z0-9_]+)/?"),
        (Kind.FORGET, ("POST",), rf"{_API}/forget"),
        (Kind.CANCEL, ("POST",), rf"{_API}/(?:cancel|reset)/?"),
    )
)


def find(method: str, path: str) -> tuple[Route, str] | None:
    """Finds the route of a request and its pattern's group, or None."""
    for route in ROUTES:
        if method in route.methods and (match := route.pattern.fullmatch(path)):
            return route, (match.group(1) or "") if match.re.groups else ""
    return None
