"""The queue: who may join, what is dropped, and how it is emptied."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio_client
import httpx
import pytest
from gradio_client import handle_file

import app
from facefusion.page import queue
from facefusion.page.files import INTERVAL, PROMISED
from facefusion.page.pending import PendingResults
from facefusion.words import say
from tests.waiting import becomes_true

MOST = 4  # fusions of one visitor, while few people are here


@pytest.fixture
def busy(
    server: Any, face_file: str, photo_file: str, tmp_path: Path
) -> Callable[[int], list[Any]]:
    """Fills the server with fusions that wait until the test lets them go on."""
    client = gradio_client.Client(server.url, verbose=False, download_files=tmp_path)

    def fill(count: int) -> list[Any]:
        server.watched.hold = threading.Event()
        files = [handle_file(path) for path in (face_file, photo_file)]
        jobs = [
            client.submit(*files, "fast", i_have_consent=True, api_name="/fuse")
            for _ in range(count)
        ]
        assert becomes_true(lambda: server.jobs.running + server.jobs.waiting() >= count)
        return jobs

    return fill


def _join(server: Any, data: dict[str, Any] | None = None) -> httpx.Response:
    body = data or {"data": [None, None, "fast", [], 0.5, 1, True]}
    return httpx.post(f"{server.url}gradio_api/call/fuse", json=body)


def test_one_visitor_has_a_few_fusions_in_the_queue(server: Any, busy: Any) -> None:
    jobs = busy(MOST)
    answer = _join(server)
    assert answer.status_code == 429 and answer.json()["error"] == say("error.too_many_jobs")
    server.watched.hold.set()
    assert [job.result(timeout=60)[2]["tier"] for job in jobs] == ["fast"] * MOST
    assert _join(server).status_code == 200


def test_a_full_queue_tells_programs_how_long(
    server: Any, busy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MAX_WAITING", 1)
    jobs = busy(app.FUSIONS_AT_ONCE + 1)
    answer = _join(server)
    assert answer.status_code == 503 and answer.json()["error"].startswith(
        "Many people are here: 1 "
    )
    server.watched.hold.set()
    for job in jobs:
        job.result(timeout=60)


def test_a_full_queue_keeps_everything_on_the_page(
    server: Any,
    visit: Callable[..., Any],
    busy: Any,
    face_file: str,
    photo_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    visitor = visit(390, "zh-CN")
    visitor.fuse_two_photos(face_file, photo_file)
    shown = visitor.page.get_attribute("#view .after", "src")
    monkeypatch.setattr(queue, "MAX_WAITING", 1)
    jobs = busy(app.FUSIONS_AT_ONCE + 1)
    visitor.page.click("#fuse")
    notice = visitor.page.wait_for_selector("#problem .notice")
    told = say("error.queue_full", visitor.language)
    assert notice.inner_text().startswith(told[: told.index("%")])
    assert "%" not in notice.inner_text()
    page = visitor.page
    assert page.is_enabled("#fuse") and page.inner_text("#fuse").strip() == visitor.say("fuse")
    assert page.get_attribute("#view .after", "src") == shown
    assert (
        page.locator("#source-photo img").count() == page.locator("#target-photo img").count() == 1
    )
    assert page.locator("#consent .wrap input:checked").count() == 2
    assert page.locator(".toast-wrap .toast-body").count() == 0
    server.watched.hold.set()
    for job in jobs:
        job.result(timeout=60)
    page.click("#fuse")
    page.wait_for_selector("#problem .notice", state="hidden")
    visitor.result()
    visitor.behaves()


def test_who_waits_in_line_is_told_so_and_gets_their_result(
    server: Any, visit: Callable[..., Any], busy: Any, face_file: str, photo_file: str
) -> None:
    visitor = visit(1280, "en-US")
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    jobs = busy(app.FUSIONS_AT_ONCE)
    visitor.consent()
    visitor.page.wait_for_selector("#state [data-testid=status-tracker]:has-text('queue')")
    server.watched.hold.set()
    visitor.result()
    visitor.behaves()
    assert [job.result(timeout=60)[2]["tier"] for job in jobs] == ["fast"] * app.FUSIONS_AT_ONCE


def test_a_fusion_that_waits_is_cancelled_at_once(
    server: Any, visit: Callable[..., Any], busy: Any, face_file: str, photo_file: str
) -> None:
    """Not only at its turn: those before it still run."""
    visitor = visit(390, "en-US")
    page = visitor.page
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    jobs = busy(app.FUSIONS_AT_ONCE)
    visitor.consent()
    assert becomes_true(lambda: server.jobs.waiting() == 1)
    page.click("#cancel")
    page.wait_for_selector("#cancel", state="hidden", timeout=10_000)
    page.wait_for_selector("#fuse:enabled")
    assert page.inner_text("#problem .notice.fine") == say("cancelled")
    assert page.locator(".notice.problem >> visible=true").count() == 0
    assert server.jobs.waiting() == 0 and server.jobs.running == app.FUSIONS_AT_ONCE
    assert server.watched.calls == ["fast"] * app.FUSIONS_AT_ONCE
    server.watched.hold.set()
    for job in jobs:
        job.result(timeout=60)
    page.click("#fuse")
    visitor.result()
    visitor.behaves()


def test_results_that_nobody_reads_are_dropped(server: Any) -> None:
    pending = server.demo._queue.pending_messages_per_session
    pending.clear()
    results = PendingResults(server.demo)
    assert _join(server).status_code == 200
    assert any(messages.qsize() for messages in pending.values())
    assert becomes_true(lambda: not server.demo._queue.event_ids_to_events)

    def look(seconds: float) -> int:
        return results.drop_unread(time.monotonic() + seconds)

    # A result is seen one look late, and dropped one look late.
    latest = PROMISED - 2 * INTERVAL
    dropped = look(0), look(latest - 5)
    assert dropped == (0, 0) and pending
    assert look(latest + 5) > 0 and not pending


@contextmanager
def _stopping(jobs: Any) -> Iterator[None]:
    try:
        yield
    finally:
        jobs.stopping = False


def test_who_comes_while_the_server_stops_is_told(server: Any, busy: Any) -> None:
    with _stopping(server.jobs):
        jobs = busy(1)
        assert not server.jobs.drain(0.2)
        answer = _join(server)
        assert answer.status_code == 503 and answer.json()["error"] == say("error.stopping")
        server.watched.hold.set()
        assert server.jobs.drain(30)
        assert jobs[0].result(timeout=60)[2]["tier"] == "fast"
