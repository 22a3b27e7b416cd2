"""The page's language in a browser: the browser's, the one that is chosen, and what follows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facefusion.errors import NoFaceError
from facefusion.words import Language, say
from tests.waiting import becomes_true

ENGLISH, CHINESE = Language.ENGLISH, Language.CHINESE


@pytest.mark.parametrize("locale", ["zh", "zh-TW", "zh-Hans-SG", "de-CH"])
def test_every_chinese_browser_gets_chinese(
    visit: Callable[..., Any], landscape_file: str, locale: str
) -> None:
    visitor = visit(1280, locale)
    page, language = visitor.page, visitor.language
    assert language is (CHINESE if locale.startswith("zh") else ENGLISH)
    assert page.inner_text("#fuse") == say("fuse", language)
    assert page.get_attribute("html", "lang") == ("zh-CN" if language is CHINESE else "en")
    visitor.choose("target", landscape_file)
    assert visitor.notice("target") == NoFaceError("target").sentence(language)
    visitor.behaves()


def test_the_switch_changes_the_whole_page_and_keeps_the_photos(
    visit: Callable[..., Any], server: Any, face_file: str, photo_file: str, landscape_file: str
) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    visitor.choose("source", face_file)
    visitor.choose("target", landscape_file)
    photo = visitor.target
    assert page.get_attribute("[data-language=en]", "aria-pressed") == "true"
    page.click("[data-language=zh]")
    page.wait_for_selector(f"#fuse:has-text('{say('fuse', CHINESE)}')")
    assert page.get_attribute("[data-language=zh]", "aria-pressed") == "true"
    assert page.get_attribute("[data-language=en]", "aria-pressed") == "false"
    assert visitor.target == photo
    # What the server had said before, and what it says from now on.
    expected = NoFaceError("target").sentence(CHINESE)
    page.wait_for_function(
        "text => document.querySelector('#target-notice .notice').innerText === text", arg=expected
    )
    assert visitor.notice("source") == say("ok.source", CHINESE)
    visitor.choose("target", photo_file)
    assert visitor.notice("target") == say("ok.target", CHINESE)
    visitor.consent()
    visitor.result()
    visitor.open("details")
    assert say("match", CHINESE) in page.inner_text("#report")

    page.click("[data-language=en]")
    page.wait_for_selector(f"#fuse:has-text('{say('fuse')}')")
    page.wait_for_function("!/[\\u4e00-\\u9fff]/.test(document.querySelector('#report').innerText)")
    assert say("match") in page.inner_text("#report")
    visitor.behaves()


def test_the_chosen_language_survives_a_reload_and_nothing_is_stored(
    visit: Callable[..., Any],
) -> None:
    visitor = visit(390, "en-US")
    page = visitor.page
    page.click("[data-language=zh]")
    page.wait_for_url("**/?language=zh")
    page.reload()
    page.wait_for_selector(f"#fuse:has-text('{say('fuse', CHINESE)}')")
    assert page.get_attribute("[data-language=zh]", "aria-pressed") == "true"
    assert page.context.cookies() == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    visitor.fits()


def test_the_switch_works_with_the_keyboard_and_is_large_enough(visit: Callable[..., Any]) -> None:
    page = visit(1280, "zh-CN").page
    for button in page.locator("[data-language]").all():
        box = button.bounding_box()
        assert box["width"] >= 44 and box["height"] >= 44
    page.focus("[data-language=en]")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#fuse:has-text('{say('fuse')}')")
    assert page.locator("footer button:visible").count() == 1  # no settings beside the API


def test_the_switch_is_beside_the_title(visit: Callable[..., Any]) -> None:
    visitor = visit(320, "en-US")
    for width in (320, 390, 1280):
        visitor.resize(width)
        title, switch = (visitor.page.locator(place).bounding_box() for place in ("h1", ".switch"))
        assert title["x"] + title["width"] <= switch["x"]
        assert title["height"] < 50  # one line
        assert abs(title["y"] + title["height"] / 2 - switch["y"] - switch["height"] / 2) <= 6
        visitor.fits()


def test_the_layout_is_as_wide_in_both_languages(visit: Callable[..., Any]) -> None:
    visitor = visit(390, "en-US")
    page, widths = visitor.page, []
    for language in (CHINESE, ENGLISH):
        page.click(f"[data-language={language}]")
        page.wait_for_selector(f"#fuse:has-text('{say('fuse', language)}')")
        for width in (390, 768, 1024, 1280):
            visitor.resize(width)
            shown = page.evaluate("document.querySelector('main').getBoundingClientRect().width")
            assert shown >= min(0.8 * width, 1040)
            widths.append(shown)
    assert widths[:4] == widths[4:]


ENGLISH_LEFT = """() => [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility()).flatMap((e) => [
  ...['aria-label', 'title', 'alt'].map((name) => e.getAttribute(name)),
  ...[...e.childNodes].filter((n) => n.nodeType === 3 && !e.matches('script, style')).map((n) => n.data.trim()),
]).filter((text) => text && /[A-Za-z]{3}/.test(text) && !/[\\u4e00-\\u9fff]/.test(text))"""
#: What is the same in both languages: names, and the values of the check boxes.
SAME = {"FaceFusion", "rights", "decent"}


def test_no_english_of_gradio_is_left_on_the_chinese_page(
    visit: Callable[..., Any], face_file: str, photo_file: str
) -> None:
    visitor = visit(1280, "zh-CN")
    page = visitor.page
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    page.click("#more-photos button")
    page.click("#second-photo .source-selection button:nth-of-type(2)")
    page.wait_for_selector("#second-photo [title='打开摄像头']")

    def english_left() -> set[str]:
        return set(page.evaluate(ENGLISH_LEFT)) - SAME

    assert english_left() == set()
    visitor.consent()
    visitor.result()
    visitor.open("details")
    assert becomes_true(lambda: english_left() == set(), 5), english_left()
    page.click("[data-language=en]")
    page.wait_for_selector("#second-photo [title='grant webcam access']")


def test_the_switch_works_in_a_frame(
    visit: Callable[..., Any], server: Any, landscape_file: str
) -> None:
    """As on Spaces, where a cookie of the page would not reach the server."""
    page = visit(1280, "en-US").page
    page.set_content(f"<iframe src='{server.url}' width='1200' height='800'></iframe>")
    frame = page.frame_locator("iframe")
    frame.locator("[data-language=zh]").click()
    frame.locator(f"#fuse:has-text('{say('fuse', CHINESE)}')").wait_for()
    frame.locator("#target-photo input[type=file]").set_input_files(landscape_file)
    notice = frame.locator("#target-notice .notice").inner_text()
    assert notice == NoFaceError("target").sentence(CHINESE)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_toasts_are_sentences_in_the_language_of_the_page(
    visit: Callable[..., Any], tmp_path: Path, face_file: str, locale: str
) -> None:
    visitor = visit(390, locale)
    page = visitor.page

    def told(path: str | Path) -> str:
        page.set_input_files("#source-photo input[type=file]", path)
        text = str(page.wait_for_selector(".toast-message-text").inner_text())
        page.click("[data-testid=toast-close]")
        page.wait_for_selector(".toast-message-text", state="detached")
        return text

    plain, large = tmp_path / "a.txt", tmp_path / "a.png"
    plain.write_text("x")
    large.write_bytes(b"x" * (30 * 1024 * 1024 + 1))
    assert told(plain) == visitor.say("error.no_picture_file")
    assert told(large) == visitor.say("error.file_too_large")
    # What the guard answers to too many uploads, with the language that the request asked for.
    asked = []

    def refuse(route: Any) -> None:
        asked.append(route.request.headers["accept-language"])
        sentence = visitor.say("error.many_uploads")
        route.fulfill(status=503, json={"error": sentence, "detail": sentence})

    page.route("**/gradio_api/upload*", refuse)
    assert told(face_file) == visitor.say("error.many_uploads")
    assert set(asked) == {{"en-US": "en", "zh-CN": "zh-CN"}[locale]}
