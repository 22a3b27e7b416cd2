"""The page by keyboard, to a screen reader, on small screens and in both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from facefusion.words import Language, say


def test_both_languages_and_no_key_is_left(
    visit: Callable[..., Any], shape: tuple[int, str]
) -> None:
    visitor = visit(*shape)
    text = visitor.page.inner_text("body")
    assert "i18n" not in text and "[object" not in text
    other = Language.ENGLISH if visitor.language is Language.CHINESE else Language.CHINESE
    for key in (
        "fuse",
        "consent.rights",
        "consent.decent",
        "need",
        "examples",
        "swap",
        "more",
    ):
        assert visitor.say(key) in text and say(key, other) not in text


def test_the_keyboard_alone(visit: Callable[..., Any], server: Any) -> None:
    """Tab and Space reach an example, a setting, the ticks and the result; focus is always seen."""
    visitor = visit(1280, "en-US")
    page = visitor.page

    def reach(selector: str, key: str) -> None:
        page.evaluate("document.activeElement?.blur()")
        for _ in range(120):
            page.keyboard.press(key)
            if page.evaluate(
                "selector => document.activeElement?.matches(selector) ?? false", selector
            ):
                style = page.evaluate(
                    """() => { const e = document.activeElement;
                    const s = getComputedStyle(e.closest("#view .frame") ?? e);
                    return s.outlineStyle !== 'none' || s.boxShadow !== 'none'; }"""
                )
                assert style, f"the focus on {selector} cannot be seen"
                return
        raise AssertionError(f"{selector} cannot be reached")

    reach("#example-2", "Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#view .view[data-state=result]")
    for i in (1, 2):
        reach(f"#consent .wrap label:nth-of-type({i}) input", "Tab")
        page.keyboard.press("Space")
    reach("#fine > button", "Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tier input:checked")
    visitor.painted()
    reach("#tier input:checked", "Tab")
    page.keyboard.press("ArrowRight")
    visitor.result()
    assert server.watched.calls == ["fast"]
    reach("#fuse", "Tab")
    page.keyboard.press("Enter")
    visitor.result()
    reach("#details > button", "Tab")
    page.keyboard.press("Enter")
    for name in ("#view .frame input", "#jpeg", "#png", "#enlarge", "#reuse", "#compare"):
        reach(name, "Tab")
    visitor.behaves()


@pytest.mark.parametrize(("locale", "scheme"), [("en-US", "light"), ("zh-CN", "dark")])
def test_axe_finds_nothing_serious(visit: Callable[..., Any], locale: str, scheme: str) -> None:
    visitor = visit(390, locale, scheme)
    page = visitor.page
    visitor.fuse_two_photos()
    for section in ("fine", "more-photos", "details", "how"):
        visitor.open(section)
    page.click("#report summary")
    assert visitor.barriers() == []
    visitor.fits()


def test_nothing_scrolls_sideways_and_everything_is_large_enough_to_press(
    visit: Callable[..., Any],
) -> None:
    visitor = visit(360, "en-US")
    page = visitor.page
    visitor.fuse_two_photos()
    for section in ("fine", "more-photos", "details"):
        visitor.open(section)
    for width in (360, 1280):
        visitor.resize(width)
        visitor.fits()
        small = page.evaluate(
            """() => [...document.querySelectorAll('main button, main label, main summary, main input[type=range]')]
            .filter((e) => e.checkVisibility() && !e.closest('[aria-hidden=true]') && e.getBoundingClientRect().width > 0)
            .filter((e) => !e.matches('label:has(> [type=range]), label.container, .head label, label.float'))
            .map((e) => [e.getBoundingClientRect(), e])
            .filter(([box]) => box.height < 43.5 || box.width < 43.5)
            .map(([box, e]) => `${e.tagName} ${e.className} ${e.ariaLabel ?? e.innerText} ${box.width}x${box.height}`)"""
        )
        assert small == []


def test_a_screen_reader_tells_the_uploads_apart(
    visit: Callable[..., Any], shape: tuple[int, str]
) -> None:
    visitor = visit(*shape)
    visitor.page.click("#more-photos button")
    names = {
        place: visitor.page.locator(f"#{place}-photo button[aria-dropeffect]").get_attribute(
            "aria-label"
        )
        for place in ("source", "target", "second", "third")
    }
    keys = {"source": "source", "target": "target", "second": "source2", "third": "source3"}
    for place, key in keys.items():
        assert str(names[place]).startswith(f"{visitor.say(key)}: ")
        assert visitor.say("extra.hint").removeprefix("# ") in str(names[place])
