"""Checks every request before Gradio sees it.

Refused with one JSON sentence: unused addresses, large or slow bodies, calls that match no
listener, paths and URLs that are not the visitor's, and more than one visitor's share. Headers of
the answers keep browsers from storing or leaking them.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from facefusion.page import calls, headers, routes
from facefusion.page.answers import Answer
from facefusion.page.bodies import SlowError, TooLargeError, paced, read, replayed
from facefusion.page.head import page_language
from facefusion.page.own_files import own_files
from facefusion.page.photos import Photos
from facefusion.page.queue import Jobs, Refusal
from facefusion.page.routes import Kind
from facefusion.page.uploads import MAX_FILE_BYTES, MAX_FILES, UploadRefusedError
from facefusion.page.visitors import Allowance, visitor_of

if TYPE_CHECKING:
    import gradio as gr

#: Most bytes of a JSON body; a call of the page has below 4 kB.
MAX_JSON: Final = 64 * 1024
#: Most bytes of an upload: its files and the multipart overhead.
MAX_UPLOAD: Final = MAX_FILES * MAX_FILE_BYTES + 64 * 1024
#: Most bytes that one visitor uploads within a minute: one upload of the largest size.
BYTES_A_MINUTE: Final = MAX_UPLOAD
#: Most requests of one visitor within a minute: for 60 pages, and for the about 70 files of each, which
#: a browser keeps. A school or an office is one visitor.
ALLOWED: Final = {Kind.PAGE: 60, Kind.ASSET: 6000, Kind.OWN: 600}
#: Kinds of answers that a browser may keep.
CACHEABLE: Final = (Kind.ASSET, Kind.OWN)
#: Most other requests of one visitor within a minute.
ALLOWED_OTHERS: Final = 600
#: Weight of a refused request in `ALLOWED_OTHERS`.
REFUSED: Final = 10
#: Most open answers of one visitor; each tab of the page holds two.
MAX_OPEN: Final = 48
log = logging.getLogger("facefusion.app")


class RefusedRequestError(Exception):
    """A request that is not served.

    Attributes:
        status: HTTP status code.
        key: of the sentence in `words`.
        values: for the sentence.
    """

    def __init__(self, status: int, key: str, **values: Any) -> None:
        super().__init__(key)
        self.status, self.key, self.values = status, key, values


class Guard:
    """An ASGI application around Gradio's that checks every request.

    Args:
        app: Gradio's application.
        demo: the page.
        photos: reads uploads.
        jobs: the page's queue.
    """

    def __init__(self, app: ASGIApp, demo: gr.Blocks, photos: Photos, jobs: Jobs) -> None:
        self._app, self._photos, self.jobs = app, photos, jobs
        self._compressed = GZipMiddleware(app)  # Gradio compresses only what has a file's ending
        self._uploads = photos.uploads
        self._calls = calls.Calls(demo, photos.uploads)
        self._headers = headers.security_headers()
        self._own_files = own_files(demo.title)
        self._proxied = bool(headers.trusted_proxies())
        self._bytes = Allowance(BYTES_A_MINUTE)
        self._others = Allowance(ALLOWED_OTHERS)
        self._allowances = {kind: Allowance(amount) for kind, amount in ALLOWED.items()}
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request, or refuses it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        answer = Answer(send, self._headers, page_language(Request(scope)))
        visitor = visitor_of(scope)
        try:
            found = routes.find(scope["method"], scope["path"])
            if found is None:
                raise RefusedRequestError(404, "error.no_such_address")
            route, part = found
            with self._counted(visitor, route.kind):
                await self._serve(scope, receive, answer, route.kind, part, visitor)
        except RefusedRequestError as refused:
            self._others.take(visitor, REFUSED)
            await answer.refuse(refused.status, refused.key, **refused.values)
        except ClientDisconnect:
            log.info("Refused: the visitor left")
        except Exception as error:  # its message may hold file names
            log.error("No answer: %s", type(error).__name__)
            await answer.refuse(500, "error.unexpected")

    @contextmanager
    def _counted(self, visitor: str, kind: Kind) -> Iterator[None]:
        if not self._allowances.get(kind, self._others).take(visitor):
            raise RefusedRequestError(429, "error.too_many_requests")
        if self._open[visitor] >= MAX_OPEN:
            raise RefusedRequestError(429, "error.too_many_requests")
        self._open[visitor] += 1
        try:
            yield
        finally:
            self._open[visitor] -= 1
            if self._open[visitor] <= 0:
                del self._open[visitor]

    async def _serve(
        self, scope: Scope, receive: Receive, answer: Answer, kind: Kind, part: str, visitor: str
    ) -> None:
        if kind is not Kind.PAGE and Headers(scope=scope).get("sec-fetch-site") == "cross-site":
            raise RefusedRequestError(403, "error.no_such_address")
        filtered = headers.filter_request(scope["headers"], proxied=self._proxied)
        scope = {**scope, "headers": filtered}
        answer.cacheable, answer.is_stream = kind in CACHEABLE, kind is Kind.STREAM
        if kind is Kind.OWN:
            file = self._own_files.get(scope["path"])
            if file is None:
                raise RefusedRequestError(404, "error.no_such_address")
            await answer.file(file, body=scope["method"] != "HEAD")
            return
        if kind is Kind.UPLOAD:
            await self._upload(scope, receive, answer, visitor)
            return
        if kind in (Kind.CALL, Kind.CANCEL, Kind.FORGET):
            body = parsed(await self._body(receive, MAX_JSON))
            if kind is Kind.FORGET:
                await answer.json(200, {"deleted": await self._forget(body)})
                return
            if kind is Kind.CALL:
                await self._call(scope, receive, answer, body, part, visitor)
                return
            body_bytes = _cancel_body(body)
            await self._app(_with_body(scope, body_bytes), replayed(body_bytes, receive), answer)
            return
        if kind is Kind.FILE and self._uploads.find(part) is None:
            raise RefusedRequestError(404, "error.no_such_address")
        if kind is Kind.STREAM and not self._is_known(scope, part):
            raise RefusedRequestError(404, "error.no_such_address")
        if kind is Kind.INFO:
            scope["app"].api_info = None  # Gradio would keep the first visitor's `Host` in it
        if kind is Kind.PAGE:
            scope["query_string"] = _without_deep_link(scope["query_string"])
            await self._compressed(scope, receive, answer)
            return
        await self._app(scope, receive, answer)

    async def _body(self, receive: Receive, limit: int) -> bytes:
        try:
            return await read(receive, limit)
        except TooLargeError:
            raise RefusedRequestError(413, "error.request_too_large") from None
        except SlowError:
            raise RefusedRequestError(408, "error.slow") from None

    async def _forget(self, body: dict[str, Any]) -> int:
        paths, session = body.get("paths"), body.get("session") or ""
        if not calls.is_texts(paths) or not isinstance(session, str):
            raise RefusedRequestError(400, "error.malformed")
        known = await self.jobs.sessions.end(session)
        return await to_thread.run_sync(partial(self._uploads.forget, paths, known=known))

    async def _upload(self, scope: Scope, receive: Receive, answer: Answer, visitor: str) -> None:
        if self.jobs.stopping:
            raise RefusedRequestError(503, "error.stopping")
        length = Headers(scope=scope).get("content-length")
        if length is not None and (not length.isdigit() or int(length) > MAX_UPLOAD):
            raise RefusedRequestError(413, "error.file_too_large")

        declared = int(length or 0)
        if not self._bytes.take(visitor, declared):
            raise RefusedRequestError(429, "error.too_many_requests")

        def allow(size: int) -> bool:
            return bool(declared) or self._bytes.take(visitor, size)

        query = parse_qs(scope["query_string"].decode("latin-1"))
        upload_id = query.get("upload_id", [""])[0]
        if upload_id and not calls.SESSION.fullmatch(upload_id):
            raise RefusedRequestError(400, "error.malformed")
        try:
            async with self._uploads.reserved(declared or MAX_UPLOAD):
                request = Request(scope, paced(receive, declared or MAX_UPLOAD, allow))
                paths = await self._uploads.receive(request, visitor, upload_id or None)
            paths = [await self._photos.previews.replace(path, visitor) for path in paths]
        except UploadRefusedError as refused:
            raise RefusedRequestError(refused.status, refused.key) from None
        except TooLargeError:
            raise RefusedRequestError(413, "error.file_too_large") from None
        except SlowError:
            raise RefusedRequestError(408, "error.slow") from None
        await answer.json(200, paths)

    async def _call(
        self,
        scope: Scope,
        receive: Receive,
        answer: Answer,
        body: dict[str, Any],
        name: str,
        visitor: str,
    ) -> None:
        program = "/call/" in scope["path"]
        named = name.startswith("v2/")
        name = name.removeprefix("v2/")
        try:
            call = (
                self._calls.of_program(body, name, named=named)
                if program
                else self._calls.of_page(body, name or None)
            )
        except calls.MalformedError as error:
            raise RefusedRequestError(400, error.key) from None
        except calls.FetchError:
            raise RefusedRequestError(400, "error.no_fetching") from None
        if self._calls.is_queued(call.listener) != ("/run/" not in scope["path"]):
            raise RefusedRequestError(404, "error.no_such_address")
        if named:
            path = scope["path"].replace("/call/v2/", "/call/", 1)
            scope = {**scope, "path": path, "raw_path": path.encode()}
        photos = call.photos
        pixels = await to_thread.run_sync(self._photos.pixels, photos) if photos else 0
        admitted = self.jobs.admit(visitor, call.listener, pixels)
        if isinstance(admitted, Refusal):
            raise RefusedRequestError(admitted.status, admitted.key, **admitted.values)
        answer.on_start = admitted
        try:
            await self._app(_with_body(scope, call.body), replayed(call.body, receive), answer)
        finally:
            admitted()

    def _is_known(self, scope: Scope, part: str) -> bool:
        """Returns whether a stream has messages; Gradio begins an answer before it checks."""
        if scope["path"].endswith("/queue/data"):
            query = parse_qs(scope["query_string"].decode("latin-1"))
            return self.jobs.pending.has_session(query.get("session_hash", [""])[0])
        return "/call/" not in scope["path"] or self.jobs.pending.has_event(part)


def parsed(body: bytes) -> dict[str, Any]:
    """Parses the JSON object of a body.

    Raises:
        RefusedRequestError: the body is no JSON object.
    """
    try:
        return calls.parse(body)
    except calls.MalformedError:
        raise RefusedRequestError(400, "error.malformed") from None


def _with_body(scope: Scope, body: bytes) -> Scope:
    kept = [
        (name, value)
        for name, value in scope["headers"]
        if name not in (b"content-length", b"content-type", b"transfer-encoding")
    ]
    length = str(len(body)).encode()
    added = [(b"content-type", b"application/json"), (b"content-length", length)]
    return {**scope, "headers": [*kept, *added]}


def _cancel_body(body: dict[str, Any]) -> bytes:
    texts = [body.get(name, "") for name in ("session_hash", "event_id")]
    index = body.get("fn_index", 0)
    valid = all(isinstance(text, str) and len(text) <= calls.MAX_TEXT for text in texts)
    if not valid or type(index) is not int:
        raise RefusedRequestError(400, "error.malformed")
    return json.dumps({"session_hash": texts[0], "event_id": texts[1], "fn_index": index}).encode()


def _without_deep_link(query: bytes) -> bytes:
    parts = [part for part in query.split(b"&") if not part.startswith(b"deep_link")]
    return b"&".join(parts)
