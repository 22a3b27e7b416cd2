"""The page on a phone: a small copy of the result while the result is out of sight, and 320 px."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
IS_IN_SIGHT = """() => {
  const { top, bottom } = document.querySelector("#view .frame").getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
}"""


def fuse(visitor: Any) -> None:
    """Makes a result, and opens the settings below it."""
    visitor.choose("source", str(EXAMPLES / "portrait-3.jpg"))
    visitor.choose("target", str(EXAMPLES / "portrait-1.jpg"))
    visitor.consent()
    visitor.result()
    visitor.open("fine")


def test_a_copy_of_the_result_follows_a_slider(visit: Callable[..., Any]) -> None:
    visitor = visit(390, "zh-CN")
    page = visitor.page
    assert not page.is_visible("#peek")
    fuse(visitor)
    slider = page.locator("#likeness input[type=range]")
    slider.evaluate("(each) => each.scrollIntoView({ block: 'center' })")
    page.wait_for_selector("#peek")
    shown = page.get_attribute("#peek img", "src")
    assert shown == page.get_attribute("#view .after", "src")
    slider.press("ArrowRight")
    visitor.result()
    assert page.is_visible("#peek"), "the page has not moved"
    assert page.get_attribute("#peek img", "src") == page.get_attribute("#view .after", "src")
    assert page.get_attribute("#peek img", "src") != shown
    assert page.inner_text("#peek") == visitor.say("peek")
    visitor.fits()
    page.focus("#peek")
    page.keyboard.press("Enter")
    page.wait_for_function(IS_IN_SIGHT)
    page.wait_for_selector("#peek", state="hidden")
    assert page.evaluate("document.activeElement.matches('#view .view')")
    visitor.behaves()


def test_the_copy_hides_nothing_that_has_the_focus(visit: Callable[..., Any]) -> None:
    """What the keyboard reaches backwards scrolls to below the copy."""
    visitor = visit(390, "en-US")
    page = visitor.page
    fuse(visitor)
    page.locator("#blend input[type=range]").focus()
    page.wait_for_selector("#peek")
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        hidden = page.evaluate(
            """() => {
            const copy = document.querySelector("#peek").getBoundingClientRect();
            const { top, bottom, left, right } = document.activeElement.getBoundingClientRect();
            return copy.height > 0 && top >= copy.top && bottom <= copy.bottom
              && left >= copy.left && right <= copy.right; }"""
        )
        assert not hidden, page.evaluate("document.activeElement.outerHTML")


def test_axe_finds_nothing_serious_at_the_copy(visit: Callable[..., Any]) -> None:
    visitor = visit(390, "en-US")
    fuse(visitor)
    visitor.page.locator("#likeness input[type=range]").scroll_into_view_if_needed()
    visitor.page.wait_for_selector("#peek")
    assert visitor.barriers() == []


def test_a_laptop_needs_no_copy(visit: Callable[..., Any]) -> None:
    visitor = visit(1280, "en-US")
    fuse(visitor)
    visitor.page.locator("#notes").scroll_into_view_if_needed()
    visitor.page.wait_for_timeout(300)
    assert not visitor.page.is_visible("#peek")


def test_nothing_is_cut_off_at_320_px(visit: Callable[..., Any]) -> None:
    visitor = visit(320, "en-US")
    page = visitor.page
    for place in ("source", "target"):
        box = page.locator(f"#{place}-photo").bounding_box()
        title, text = (page.locator(f"#{place}-photo {tag}").bounding_box() for tag in ("h2", "p"))
        icons = page.locator(f"#{place}-photo .source-selection button")
        first, last = icons.first.bounding_box(), icons.last.bounding_box()
        assert title["y"] >= box["y"] and text["y"] + text["height"] <= first["y"]
        assert first["x"] >= box["x"] and last["x"] + last["width"] <= box["x"] + box["width"]
    visitor.fits()
