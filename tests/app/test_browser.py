"""The page in a real browser. Skipped where Playwright or Chromium is missing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest

import app
from facefusion import words
from facefusion.errors import EmptyPhotoError, UnreadablePhotoError

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Visitor:
    """Somebody with a phone who looks at a page, and what the page does behind their back."""

    def __init__(self, browser: Any, url: str) -> None:
        self.page = browser.new_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
        self.strangers: list[str] = []
        self.errors: list[str] = []
        own = (url, "data:", "blob:")
        self.page.on("request", lambda r: None if r.url.startswith(own) else self.strangers.append(r.url))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.goto(url)
        self.page.wait_for_selector("#fuse")

    def choose(self, which: str, path: str) -> None:
        remove = self.page.locator(f"#{which}-photo [aria-label='Remove Image']")
        if remove.count():
            remove.click()
        self.page.set_input_files(f"#{which}-photo input[type=file]", path)
        self.page.wait_for_selector(f"#{which}-photo img", state="attached")

    def fuse(self) -> None:
        self.page.click("#fuse")
        self.page.wait_for_selector("#fuse:disabled")
        self.page.wait_for_selector("#fuse:enabled", timeout=120_000)

    def notice(self, which: str) -> str:
        return str(self.page.inner_text(f"#{which}-notice .notice"))


@pytest.fixture
def visitor(browser: Any, server: Any) -> Iterator[Visitor]:
    visitor = Visitor(browser, server.url)
    yield visitor
    visitor.page.close()


def test_fuses_and_toggles_without_computing_again(visitor: Visitor, server: Any, face_file: str, photo_file: str) -> None:
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    visitor.fuse()
    page = visitor.page
    page.wait_for_selector("#result-image img")
    assert page.get_attribute("#result-image img", "alt") == words.RESULT_ALT
    assert "Identity match" in page.inner_text("#report")
    refined = page.get_attribute("#result-image img", "src")
    assert server.watched.calls == ["auto"]

    page.click(f"#view label:has-text('{words.VIEWS[1][0]}')")
    page.wait_for_selector("#draft-image img")
    assert not page.is_visible("#result-image")
    assert page.get_attribute("#draft-image img", "src") != refined
    page.click(f"#view label:has-text('{words.VIEWS[0][0]}')")
    page.wait_for_selector("#result-image img")
    assert page.get_attribute("#result-image img", "src") == refined
    assert server.watched.calls == ["auto"]

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert visitor.strangers == []
    assert visitor.errors == []


def test_an_error_stands_beside_its_photo_and_takes_the_old_result_away(
    visitor: Visitor, server: Any, face_file: str, photo_file: str, text_file: str
) -> None:
    visitor.fuse()
    assert visitor.notice("source") == str(EmptyPhotoError("source"))
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    visitor.page.wait_for_selector("#source-notice .notice", state="hidden")
    visitor.fuse()
    visitor.page.wait_for_selector("#result-image img")

    visitor.choose("target", text_file)
    visitor.fuse()
    assert visitor.notice("target") == str(UnreadablePhotoError("target"))
    assert not visitor.page.is_visible("#outcome")
    server.watched.failure = ZeroDivisionError("in /secret/place")
    visitor.choose("target", photo_file)
    visitor.fuse()
    assert visitor.page.inner_text("#problem .notice") == words.UNEXPECTED
    assert visitor.page.locator("#result-image img").count() == 0


def test_a_screen_reader_tells_the_uploads_apart(visitor: Visitor) -> None:
    names = {
        which: visitor.page.locator(f"#{which}-photo button[aria-dropeffect]").get_attribute("aria-label")
        for which in ("source", "target")
    }
    assert names == {"source": words.SOURCE_AREA, "target": words.TARGET_AREA}


def test_the_clock_deletes_uploads_and_results(
    browser: Any,
    serve_page: Any,
    pipeline: Any,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    face_file: str,
    photo_file: str,
    text_file: str,
) -> None:
    """Also after an error and a look at the draft: both could make Gradio lose sight of the files it has to delete."""
    monkeypatch.setattr(app, "DELETE_CACHE", (1, 15))
    monkeypatch.setattr(app, "EXAMPLES", tmp_path)  # examples stay, by intention
    with serve_page(pipeline, tmp_path / "cache") as server:
        visitor = Visitor(browser, server.url)
        visitor.choose("source", face_file)
        visitor.choose("target", text_file)
        visitor.fuse()
        visitor.choose("target", photo_file)
        visitor.fuse()
        visitor.page.click(f"#view label:has-text('{words.VIEWS[1][0]}')")
        visitor.page.wait_for_selector("#draft-image img")
        assert len(list(server.cache.rglob("image.png"))) >= 2
        deadline = time.monotonic() + 60
        while server.files() and time.monotonic() < deadline:
            time.sleep(0.5)
        assert server.files() == set()

        visitor.fuse()
        assert "deleted" in visitor.notice("source")
        visitor.page.close()
