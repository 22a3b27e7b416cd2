"""Files of a visit are deleted by a press and by the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from facefusion.errors import NoFaceError
from facefusion.page.files import LIFETIME_VARIABLE, kept_seconds
from facefusion.page.photos import DeletedPhotoError
from facefusion.words import Language, say
from tests.page_visitor import PageVisitor
from tests.waiting import becomes_true


def remembered(server: Any) -> int:
    """Counts the sessions whose states hold pictures, of the tiers."""
    sessions = list(server.demo.state_holder.session_data.values())
    return sum("data:image" in str(each.state_data) for each in sessions)


def wait_until_forgotten(page: Any) -> None:
    """Waits for the empty page that says that all was deleted."""
    page.wait_for_selector(f".notice.fine:has-text('{say('forgotten')}')")


@pytest.fixture
def fused(visit: Callable[..., Any], face_file: str, photo_file: str) -> PageVisitor:
    """A visitor who has a result of two photos."""
    visitor: PageVisitor = visit(1280, "en-US")
    visitor.fuse_two_photos(face_file, photo_file)
    return visitor


def test_delete_my_photos_now(
    visit: Callable[..., Any],
    serve_page: Any,
    pipeline: Any,
    tmp_path: Path,
    face_file: str,
    photo_file: str,
) -> None:
    """Every file of the visit is gone at once, what was measured in them too, and the page is empty."""
    with serve_page(pipeline, tmp_path / "cache") as server:
        visitor = visit(390, "en-US", url=server.url)
        page = visitor.page
        visitor.choose("source", photo_file)
        visitor.fuse_two_photos(face_file, photo_file)
        assert "min" in page.inner_text("#view .left") and len(server.files()) >= 6
        assert remembered(server) == 1 and len(pipeline.cache) > 0
        calls = list(server.watched.calls)
        page.click("#forget")
        wait_until_forgotten(page)
        # Files of visitors lie in folders; Matplotlib's list of fonts, if this page is the first, not.
        assert {name for name in server.files() if "/" in name} == set()
        assert remembered(server) == len(pipeline.cache) == pipeline.cache.nbytes == 0
        assert server.watched.calls == calls  # nor is anything made anew
        page.wait_for_selector("#state li")
        assert page.locator("#source-photo img, #target-photo img").count() == 0
        assert not page.is_visible("#jpeg") and "#" not in page.url
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
        visitor.behaves()


def test_the_clock_deletes_uploads_and_results(
    visit: Callable[..., Any],
    serve_page: Any,
    pipeline: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    face_file: str,
    photo_file: str,
    text_file: str,
) -> None:
    """Also after an error; the result stays in the browser, and it is said what to do."""
    monkeypatch.setenv(LIFETIME_VARIABLE, "4")  # files are looked at twice a second
    with serve_page(pipeline, tmp_path / "cache") as server:
        server.sweeper.lifetime = 600  # and kept until the page has shown the result
        visitor = visit(390, "en-US", url=server.url)
        visitor.choose("source", face_file)
        visitor.choose("target", text_file)
        visitor.choose("target", photo_file)  # before the run, which hides what is said about it
        visitor.consent()
        visitor.result()
        assert {Path(name).suffix for name in server.files()} >= {".png", ".jpg"} and len(
            server.files()
        ) >= 5
        server.sweeper.lifetime = 0
        assert becomes_true(lambda: server.files() == set()), server.files()
        with visitor.page.expect_download() as download:
            visitor.page.click("#jpeg")
        with Image.open(download.value.path()) as image:
            assert image.format == "JPEG"
        visitor.page.click("#png")
        visitor.page.wait_for_selector(f"#view .told:has-text('{say('gone')[:40]}')")
        visitor.page.click("#fuse")
        told = str(DeletedPhotoError("source"))
        visitor.page.wait_for_selector(f"#source-notice .notice:has-text('{told}')")
        assert visitor.page.is_visible("#jpeg")


def test_no_picture_stays_in_memory_and_an_idle_page_goes_on(
    fused: PageVisitor, server: Any, photo_file: str, landscape_file: str
) -> None:
    """Gradio would keep the last value of each output until 200 more visitors came."""
    visitor, page = fused, fused.page
    sessions = server.demo.state_holder.session_data
    server.jobs.sessions.drop_old(time.monotonic())
    assert not any("data:image" in str(each.config_values) for each in sessions.values())
    server.jobs.sessions.drop_old(time.monotonic() + kept_seconds() + 1)
    assert not sessions  # an hour later

    visitor.open("details")
    page.click("#compare")
    page.wait_for_selector("#tiers figure:nth-of-type(3)")
    visitor.open("fine")
    page.click("#tier label:nth-of-type(2)")
    visitor.result()
    sessions.clear()
    page.click("[data-language=zh]")
    page.wait_for_selector(f"#fuse:has-text('{say('fuse', Language.CHINESE)}')")
    visitor.choose("target", landscape_file)
    assert visitor.notice("target") == NoFaceError("target").sentence(Language.CHINESE)
    calls = list(server.watched.calls)
    page.click("#consent .wrap label:nth-of-type(1)")
    visitor.choose("target", photo_file)
    assert visitor.needs() == [say("need.consent", Language.CHINESE)]
    assert server.watched.calls == calls
    visitor.consent()
    visitor.result()
    visitor.behaves()


def test_no_run_begins_while_photos_are_being_deleted(fused: PageVisitor, server: Any) -> None:
    """Not even one that a change had asked for: its result would stay."""
    visitor, page = fused, fused.page
    visitor.open("fine")
    server.watched.look = threading.Event()
    page.click("#tier label:nth-of-type(2)")
    page.wait_for_selector("#cancel")
    page.click("#tier label:nth-of-type(3)")
    page.wait_for_timeout(400)
    page.route("**/forget", lambda route: (time.sleep(1), route.continue_()))  # the way is long
    page.click("#forget")
    server.watched.look.set()
    wait_until_forgotten(page)
    assert "balanced" not in server.watched.calls
    visitor.behaves()


def test_a_delete_that_fails_takes_nothing_away(fused: PageVisitor, server: Any) -> None:
    """Pressed beside a draft: the run that it stopped begins anew, and the next press deletes."""
    visitor, page = fused, fused.page
    visitor.open("fine")
    page.route("**/forget", lambda route: route.fulfill(status=503, body="busy"))
    server.watched.hold = threading.Event()
    page.click("#tier label:nth-of-type(2)")
    page.wait_for_selector("#view .view[data-state=draft]")
    page.click("#forget")
    server.watched.hold.set()
    page.wait_for_selector("#view .told:not(:empty)")
    server.watched.hold = None
    visitor.result()
    assert server.watched.calls == ["auto", "fast", "fast"]
    page.unroute("**/forget")
    page.click("#forget")
    wait_until_forgotten(page)


def test_all_files_of_a_long_visit_are_deleted(fused: PageVisitor) -> None:
    """Also what arrives while the first of them are being deleted."""
    page = fused.page
    asked: list[dict[str, Any]] = []

    def note(route: Any) -> None:
        asked.append(route.request.post_data_json)
        if len(asked) == 1:  # hundreds of results later
            page.evaluate(
                """() => { const data = document.querySelector("#made data").dataset;
                window.later = Array.from({length: 300}, (_, i) => `${location.href}file=/a/${i}`);
                const step = () => { if (!later.length) return; data.before = later.pop();
                  document.querySelector("#made data").setAttribute("src", later.length);
                  setTimeout(step); };
                step(); }"""
            )
            page.wait_for_function("later.length === 0")
        route.continue_()

    page.route("**/forget", note)
    page.click("#forget")
    wait_until_forgotten(page)
    assert len(asked) >= 2 and all(len(each["paths"]) <= 200 for each in asked)
    assert len({path for each in asked for path in each["paths"]}) >= 300
