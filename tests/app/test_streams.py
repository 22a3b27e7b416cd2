"""Answers to the page's calls, which Gradio sends by one stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message

from facefusion.page.answers import Answer


def test_a_call_is_answered_that_joins_while_its_stream_is_being_closed(
    visit: Callable[..., Any], face_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message that closes a stream may reach the browser after the answer to a later call."""
    send, late = Answer.__call__, []

    async def delayed(answer: Answer, message: Message) -> None:
        if answer.is_stream and b'"close_stream"' in message.get("body", b""):
            late.append(message)
            await asyncio.sleep(0.7)
        await send(answer, message)

    monkeypatch.setattr(Answer, "__call__", delayed)
    visitor = visit(1280, "en-US")
    visitor.choose("source", face_file)
    visitor.choose("target", face_file)
    # The check of the pair joins right after the one of the photo, whose end closes the stream.
    visitor.page.wait_for_selector(f"#pair-notice .notice:has-text('{visitor.say('pair.same')}')")
    assert late
    visitor.behaves()
