"""What the page's own scripts do in the browser: camera, radio groups, focus, paste and drop."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facefusion.words import Language, say

#: Makes a File of a picture in the page, for events of the clipboard and of dragging.
FILE = """([content, name]) => {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type: name.endsWith('.txt') ? 'text/plain' : 'image/png' }));
  return data;
}"""


def bring(page: Any, event: str, place: str, path: str, name: str = "a.png") -> bool:
    """Pastes or drops a file onto an element, and returns whether the browser was kept from it."""
    content = base64.b64encode(Path(path).read_bytes()).decode()
    data = page.evaluate_handle(FILE, [content, name])
    field = "clipboardData" if event == "paste" else "dataTransfer"
    kind = "ClipboardEvent" if event == "paste" else "DragEvent"
    return bool(
        page.evaluate(
            f"""([data, place]) => !document.querySelector(place).dispatchEvent(new {kind}(
            '{event}', {{ {field}: data, bubbles: true, cancelable: true }}))""",
            [data, place],
        )
    )


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_picture_that_is_brought_anywhere_goes_into_the_first_empty_box(
    visit: Callable[..., Any], face_file: str, photo_file: str, event: str
) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    assert bring(page, event, "#notes", face_file)
    page.wait_for_selector("#source-notice .notice >> visible=true")
    assert page.locator("#target-photo img").count() == 0
    assert bring(page, event, "h1", photo_file)
    page.wait_for_selector("#target-notice .notice >> visible=true")
    first, second = (page.get_attribute(f"#{box}-photo img", "src") for box in ("source", "target"))
    assert first != second
    # Both are full: nothing is lost, and the page says what to do.
    assert bring(page, event, "#notes", face_file)
    page.wait_for_selector(f".browser-notice:has-text('{say('paste.full')}')")
    assert page.get_attribute("#source-photo img", "src") == first
    assert page.get_attribute("#target-photo img", "src") == second
    visitor.behaves()


def test_a_picture_that_is_dropped_on_a_full_box_takes_its_place(
    visit: Callable[..., Any], face_file: str, photo_file: str
) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    visitor.choose("source", face_file)
    before = page.get_attribute("#source-photo img", "src")
    assert bring(page, "drop", "#source-photo img", photo_file)
    page.wait_for_function(
        "src => document.querySelector('#source-photo img')?.src !== src", arg=before
    )
    assert page.locator("#target-photo img").count() == 0


def test_what_is_no_picture_is_left_alone(visit: Callable[..., Any], text_file: str) -> None:
    page = visit(1280, "en-US").page
    assert not bring(page, "paste", "#notes", text_file, "a.txt")
    assert bring(page, "drop", "#notes", text_file, "a.txt")  # the browser would open it
    page.wait_for_timeout(300)
    assert page.locator("#source-photo img, .browser-notice").count() == 0


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_camera_that_is_refused_is_explained_beside_its_box(
    visit: Callable[..., Any], face_file: str, locale: str
) -> None:
    """Chromium without a camera, and without anybody to allow it, refuses."""
    visitor = visit(390, locale)
    page = visitor.page
    page.click("#source-photo .source-selection button:nth-of-type(2)")
    page.click("#source-photo video ~ div button")
    notice = page.wait_for_selector("#source-photo + .browser-notice")
    known = {visitor.say(f"camera.{name}") for name in ("refused", "missing", "busy")}
    assert notice.inner_text() in known and notice.get_attribute("role") == "alert"
    page.click("#source-photo .source-selection button:nth-of-type(1)")
    assert page.locator(".browser-notice").count() == 0
    visitor.choose("source", face_file)
    visitor.behaves()


def test_the_arrow_keys_move_within_a_group_of_radios(visit: Callable[..., Any]) -> None:
    page = visit(1280, "en-US").page
    page.click("#fine > button")
    page.wait_for_selector("#tier label:has-text('·')")
    page.wait_for_function(
        "new Set([...document.querySelectorAll('#tier input')].map((e) => e.name)).size === 1"
    )
    page.focus("#tier input:checked")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#tier label.selected:has-text('" + say("tier.fast") + "')")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#tier label.selected:has-text('" + say("tier.balanced") + "')")


def test_the_focus_stays_at_the_button_that_fuses(
    visit: Callable[..., Any], face_file: str, photo_file: str
) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    visitor.fuse_two_photos(face_file, photo_file)
    page.focus("#fuse")
    page.evaluate(
        """() => { window.lost = 0; setInterval(() => { window.lost += document.activeElement === document.body; }, 20); }"""
    )
    page.keyboard.press("Enter")
    visitor.result()
    page.wait_for_function("document.activeElement.id === 'fuse'")
    assert page.evaluate("lost") <= 2


def test_everything_begins_at_one_edge_and_a_box_has_one_title(
    visit: Callable[..., Any], face_file: str
) -> None:
    visitor = visit(390, "en-US")
    page = visitor.page
    visitor.choose("source", face_file)
    places = (
        "#lead h1",
        "#lead-text p",
        "h2.step",
        "#source-photo",
        "#source-notice .notice",
        "#fuse",
        "#notes p",
    )
    for width in (390, 1280):
        visitor.resize(width)
        edges = [page.locator(place).first.bounding_box()["x"] for place in places]
        assert max(edges) - min(edges) <= 1, dict(zip(places, edges, strict=True))
    text = page.inner_text("#source")
    assert text.count(say("source")) == 1
    dots = page.evaluate(
        """() => [...document.querySelectorAll('.icon-button-wrapper, footer .divider')]
        .filter((e) => e.checkVisibility() && !e.querySelector('button')).length"""
    )
    assert dots == 0


def test_gradio_does_not_open_its_settings(visit: Callable[..., Any], server: Any) -> None:
    """It would offer languages that the page does not have; other parameters stay."""
    visitor = visit(1280, "en-US", url=f"{server.url}?view=settings&language=zh")
    assert "settings" not in visitor.page.url and visitor.page.url.endswith("?language=zh")
    assert visitor.page.locator(".api-docs").count() == 0
    assert visitor.page.inner_text("#fuse").strip() == say("fuse", Language.CHINESE)
