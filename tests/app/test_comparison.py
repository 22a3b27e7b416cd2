"""The comparison of all tiers, and small things of the page's look, in a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facefusion.page.photos import DeletedPhotoError
from facefusion.words import say

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def opened(visit: Callable[..., Any], width: int, locale: str) -> Any:
    """A visitor with a result and its details open."""
    visitor = visit(width, locale)
    visitor.choose("source", str(EXAMPLES / "portrait-3.jpg"))
    visitor.choose("target", str(EXAMPLES / "portrait-1.jpg"))
    visitor.consent()
    visitor.result()
    visitor.open("details")
    return visitor


def is_on_screen(visitor: Any, selector: str) -> bool:
    box = visitor.page.locator(selector).bounding_box()
    return bool(box and box["y"] >= 0 and box["y"] + box["height"] <= 844)


def test_a_comparison_says_that_it_runs(visit: Callable[..., Any], server: Any) -> None:
    visitor = opened(visit, 390, "zh-CN")
    page, tell = visitor.page, visitor.say
    server.watched.hold = threading.Event()
    page.click("#compare")
    page.wait_for_selector(f"#compare:disabled:has-text('{tell('comparing')}')")
    server.watched.hold.set()
    page.wait_for_selector("#tiers figure:nth-of-type(3)")
    page.wait_for_selector(f"#compare:enabled:has-text('{tell('compare')}')")
    assert page.evaluate("document.activeElement.id") == "compare"
    assert page.locator("#compare-notice .notice").count() == 0
    visitor.behaves()


def test_what_a_comparison_lacks_is_said_at_its_button(
    visit: Callable[..., Any], server: Any, shape: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure, a full queue, deleted photos: on the screen, and the button can be pressed again."""
    visitor = opened(visit, *shape)
    page = visitor.page

    def is_told(expected: str) -> None:
        page.click("#compare")
        page.wait_for_selector(f"#compare-notice .notice.problem:has-text('{expected}')")
        assert is_on_screen(visitor, "#compare-notice .notice")
        page.wait_for_selector(f"#compare:enabled:has-text('{visitor.say('compare')}')")
        assert page.locator("#problem .notice >> visible=true").count() == 0

    server.watched.failure = RuntimeError("private words")
    is_told(visitor.say("error.unexpected"))
    server.watched.failure = None
    with monkeypatch.context() as patch:
        patch.setattr(server.jobs, "is_full", lambda: True)
        is_told(visitor.say("error.queue_full")[:8])
    uploads = [
        name for name in server.files() if Path(name).name.startswith(("portrait-", "photo."))
    ]
    assert uploads
    for name in uploads:
        (server.cache / name).unlink(missing_ok=True)
    is_told(DeletedPhotoError("source").sentence(visitor.language))


def test_the_api_is_offered_at_every_width(visit: Callable[..., Any]) -> None:
    for width in (390, 320):
        page = visit(width, "en-US").page
        assert page.is_visible("footer .show-api")
        assert page.locator("footer .show-api").bounding_box()["height"] >= 44
        page.click("footer .show-api")
        page.wait_for_selector(".api-docs h2 >> visible=true")


def test_the_title_of_the_consent_is_no_button(visit: Callable[..., Any]) -> None:
    visitor = visit(390, "en-US")
    page = visitor.page
    style = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
    border = "e => getComputedStyle(e).border"
    for scheme in ("light", "dark"):
        visitor.show(scheme)
        ground, ink = page.eval_on_selector("#consent [data-testid=block-info]", style)
        assert ground == "rgba(0, 0, 0, 0)" and ink == page.eval_on_selector("body", style)[1]
        assert page.inner_text("#consent .label-text") == say("consent.all")
        edge = page.eval_on_selector("#consent .select-all-checkbox", border)
        assert edge.startswith("1px solid") and ground not in edge


def test_titles_of_sections_begin_at_the_left(visit: Callable[..., Any]) -> None:
    """Also where they take two lines."""
    page = visit(320, "en-US").page
    for label in page.locator(".label-wrap").all():
        assert label.evaluate("e => getComputedStyle(e).textAlign") == "left"
