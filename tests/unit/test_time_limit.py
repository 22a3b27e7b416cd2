"""The time that a fusion through the API may take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from facefusion import Tier
from facefusion.errors import NoFaceError
from facefusion.page import jobs
from facefusion.page.api import Api
from facefusion.page.jobs import MAX_SECONDS
from facefusion.words import say


@pytest.mark.parametrize(("seconds", "ended"), [(1.0, False), (MAX_SECONDS + 1, True)])
def test_the_limit_of_a_fusion_is_on_the_fusion_alone(
    monkeypatch: pytest.MonkeyPatch, seconds: float, ended: bool
) -> None:
    """Waiting for other photos and decoding come before it."""
    now = 0.0

    def later(more: float) -> None:
        nonlocal now
        now += more

    @contextmanager
    def hold(*_: Any) -> Iterator[None]:
        later(MAX_SECONDS - 1)
        yield

    def read(*_: Any) -> tuple[None, None]:
        later(MAX_SECONDS - 1)
        return None, None

    def stream(*_: Any, progress: Any, **__: Any) -> Iterator[None]:
        progress("detect", 0.0)
        later(seconds)
        progress("warp", 0.5)
        yield
        raise NoFaceError("target")

    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: now))
    pipeline: Any = SimpleNamespace(stream=stream, tiers=[Tier.FAST])
    photos: Any = SimpleNamespace(hold=hold, open=read)
    request: Any = SimpleNamespace(headers={})
    with pytest.raises(gr.Error) as refused:
        Api(pipeline, photos).fuse(None, None, Tier.FAST, None, None, None, True, request)
    expected = say("error.too_slow") if ended else str(NoFaceError("target"))
    assert refused.value.message == expected
