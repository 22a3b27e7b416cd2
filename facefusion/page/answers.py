"""Sends answers: Gradio's with the guard's headers, and sentences instead of its errors."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.types import Message, Send

from facefusion.page import headers
from facefusion.page.own_files import OwnFile
from facefusion.words import Language, say

#: Longest time in seconds for a client to read one part of an answer.
SEND_SECONDS: Final = 60.0
#: Errors in Gradio's event streams that give no reason.
_NO_REASON: Final = b'"error": null', b'"error":null'
#: Keys of the sentences that replace Gradio's refusals, by HTTP status; others count as malformed.
_SENTENCES: Final = {
    403: "error.no_such_address",
    404: "error.no_such_address",
    500: "error.unexpected",
    503: "error.stopping",
}

log = logging.getLogger("facefusion.app")


class Answer:
    """An answer with the guard's headers, sent within a time limit for the client.

    Args:
        send: ASGI `send` of the request.
        added: headers of every answer.
        language: of sentences.

    Attributes:
        cacheable: whether a browser may keep the answer.
        is_stream: whether it is an event stream, whose errors get a reason.
        on_start: called when Gradio begins to answer.
    """

    def __init__(self, send: Send, added: headers.Headers, language: Language) -> None:
        self._send, self._added, self._language = send, added, language
        self.cacheable = self.is_stream = False
        self.on_start: Callable[[], None] = lambda: None
        self._begun = self._own = self._replaced = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.on_start()
            if message["status"] >= 400 and not self._own:
                status = message["status"]
                await self.refuse(status, _SENTENCES.get(status, "error.malformed"))
                self._replaced = True
                return
            self._begun = True
            sent = headers.filter_answer(
                message.get("headers", ()), self._added, cacheable=self.cacheable
            )
            message = {**message, "headers": sent}
        elif self._replaced:
            return
        elif message["type"] == "http.response.body" and self.is_stream:
            message = {**message, "body": self._with_reason(message.get("body", b""))}
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(message)
        except TimeoutError:
            raise ClientDisconnect from None

    async def json(self, status: int, content: Any, *added: tuple[bytes, bytes]) -> None:
        """Sends a whole JSON answer, with further headers."""
        self._own = True
        body = json.dumps(content, ensure_ascii=False).encode()
        sent = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            *added,
        ]
        await self({"type": "http.response.start", "status": status, "headers": sent})
        await self({"type": "http.response.body", "body": body})

    async def file(self, file: OwnFile, *, body: bool) -> None:
        """Sends one of the page's own files, or its headers alone.

        Args:
            file: what is sent.
            body: whether its content is sent.
        """
        sent = [
            (b"content-type", file.media_type.encode()),
            (b"content-length", str(len(file.content)).encode()),
            (b"cache-control", b"public, max-age=86400"),
        ]
        await self({"type": "http.response.start", "status": 200, "headers": sent})
        await self({"type": "http.response.body", "body": file.content if body else b""})

    async def refuse(self, status: int, key: str, **values: Any) -> None:
        """Sends a sentence unless an answer has begun; Gradio's page reads it from `detail`."""
        if self._begun:
            return
        log.info("Refused: %s", key)
        sentence = say(key, self._language) % values
        # Closes the connection: otherwise the rest of the request's body would be read.
        content = {"error": sentence, "detail": sentence}
        await self.json(status, content, (b"connection", b"close"))

    def _with_reason(self, body: bytes) -> bytes:
        reason = json.dumps({"error": say("error.unexpected", self._language)}).encode()[1:-1]
        for each in _NO_REASON:
            body = body.replace(each, reason)
        return body
