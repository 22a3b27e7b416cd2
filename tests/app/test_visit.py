"""The strip of this visit's results in a browser: each is opened again, and continued from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from facefusion.words import say

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def fuse_twice(visitor: Any) -> list[str]:
    """Makes a result, and another one with less strength; returns the addresses of both."""
    visitor.choose("source", str(EXAMPLES / "portrait-3.jpg"))
    visitor.choose("target", str(EXAMPLES / "portrait-1.jpg"))
    visitor.consent()
    first = visitor.result()

    assert not visitor.page.is_visible("#visit")  # the only result is in the view
    visitor.open("fine")
    visitor.page.click("#tier label:nth-of-type(2)")
    return [first, visitor.result()]


def test_the_strip_opens_earlier_results(visit: Callable[..., Any]) -> None:
    visitor = visit(390, "zh-CN")
    page, asked = visitor.page, []
    results = fuse_twice(visitor)
    page.wait_for_selector("#visit .strip button:nth-of-type(2)")
    buttons = page.locator("#visit .strip button")
    assert buttons.count() == 2
    names = [buttons.nth(i).get_attribute("aria-label") for i in (0, 1)]
    assert names == [visitor.say("visit.open").replace("%(number)d", str(i)) for i in (1, 2)]
    assert page.locator("#visit [aria-current=true]").inner_text() == "2"
    page.on("request", lambda request: asked.append(request.url))
    for i, address in ((0, results[0]), (1, results[1]), (0, results[0])):
        buttons.nth(i).click()
        page.wait_for_selector(f"#view .view[data-file='{address}']")
    assert page.locator("#visit [aria-current=true]").inner_text() == "1"
    with page.expect_download() as download:
        page.click("#jpeg")
    with Image.open(download.value.path()) as image, Image.open(EXAMPLES / "portrait-1.jpg") as own:
        assert image.size == own.size
    assert not [url for url in asked if url.startswith("http")]
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    visitor.fits()
    visitor.behaves()
    page.reload()
    page.wait_for_selector("#state li")
    assert page.locator("#visit .strip button").count() == 0


def test_the_next_fusion_continues_from_an_earlier_result(
    visit: Callable[..., Any], server: Any
) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    first, _ = fuse_twice(visitor)
    page.locator("#visit .strip button").first.click()
    page.wait_for_selector(f"#view .view[data-file='{first}']")
    wanted = page.evaluate(
        "async () => [...new Uint8Array(await view.shown.after.arrayBuffer())].slice(-64)"
    )
    before = visitor.target
    page.click("#reuse")
    assert page.inner_text("#view .told") == say("reused")
    page.wait_for_function(
        "src => { const now = document.querySelector('#target-photo img')?.src; return now && !now.endsWith(src); }",
        arg=before,
    )
    page.wait_for_selector("#target-notice .notice >> visible=true")
    page.wait_for_timeout(600)
    assert len(server.watched.calls) == 2  # this result has this face already
    given = page.evaluate(
        """async () => [...new Uint8Array(await (await fetch(
        document.querySelector('#target-photo img').src)).arrayBuffer())].slice(-64)"""
    )
    assert given == wanted
    page.click("#tier label:nth-of-type(3)")
    visitor.result()
    assert page.locator("#visit .strip button").count() == 3
    assert len(server.watched.calls) == 3
    visitor.behaves()


def test_the_strip_is_bounded(visit: Callable[..., Any]) -> None:
    """The oldest results go, and so do the bytes that a phone has no room for."""
    page = visit(390, "en-US").page
    assert page.evaluate(
        """() => {
          const blob = (size) => new Blob([new Uint8Array(size)]);
          addEventListener('unhandledrejection', (event) => event.preventDefault());
          const labels = () => [...document.querySelectorAll('#visit .strip button')]
            .map((e) => e.textContent);
          for (let i = 0; i < 14; i++) visit.add({ address: `${i}`, before: blob(1), after: blob(1) });
          const many = labels();
          visit.add({ address: 'large', before: blob(1), after: blob(149999999) });
          return [many.length, many[0], labels(), visit.of('0') === undefined, visit.of('large') !== undefined];
        }"""
    ) == [12, "3", ["15"], True, True]


def test_a_full_strip_scrolls_by_itself(visit: Callable[..., Any]) -> None:
    visitor = visit(320, "en-US")
    page = visitor.page
    page.click("#example-3")
    page.wait_for_selector("#view .view[data-state=result]")
    page.evaluate(
        "() => { for (let i = 0; i < 11; i++) visit.add({ ...view.shown, address: `${i}` }); }"
    )
    for width in (320, 1280):
        visitor.resize(width)
        last = page.locator("#visit .strip button").last.bounding_box()
        assert last["x"] + last["width"] <= width and last["width"] >= 44 and last["height"] >= 44
        visitor.fits()
