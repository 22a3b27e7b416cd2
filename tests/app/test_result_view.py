"""The result on the page in a browser, and the photos beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from facefusion.words import say


def split(page: Any) -> float:
    """Percent of the view that show the photo before."""
    return float(
        page.eval_on_selector(
            "#view .frame", "e => parseFloat(e.style.getPropertyValue('--split'))"
        )
    )


def test_before_and_after_by_pointer_and_keyboard(visit: Callable[..., Any]) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    visitor.fuse_two_photos()
    begin = split(page)
    assert 6 <= begin <= 50  # the new face is seen whole
    box = page.locator("#view .frame").bounding_box()
    x, y = box["x"] + 0.8 * box["width"], box["y"] + 0.3 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.wait_for_selector("#view .frame.held")
    clip = "getComputedStyle(document.querySelector('#view .before')).clipPath"
    assert page.evaluate(clip) == "none" and split(page) == begin
    page.mouse.up()
    assert page.locator("#view .frame.held").count() == 0 and split(page) == begin
    page.mouse.click(x, y)
    assert split(page) == pytest.approx(80, abs=1)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], y, steps=4)
    page.mouse.up()
    assert split(page) == pytest.approx(30, abs=1)
    page.focus("#view .frame input")
    page.keyboard.press("ArrowRight")
    assert split(page) == pytest.approx(31, abs=1)
    page.keyboard.press("End")
    assert split(page) == 100
    ring = "getComputedStyle(document.querySelector('#view .frame')).outlineStyle"
    assert page.evaluate(ring) == "solid"
    assert page.get_attribute("#view .frame input", "aria-label") == say("handle")
    frame = page.locator("#view .frame").bounding_box()
    for chip in page.locator("#view .chip").all():  # labels lie below the picture, not on it
        assert chip.bounding_box()["y"] >= frame["y"] + frame["height"]
    page.click("#enlarge")
    assert page.locator("#view .frame").bounding_box()["width"] > 1.3 * frame["width"]
    page.keyboard.press("Escape")
    page.wait_for_selector("#view .view:not(.large)")
    visitor.behaves()


def test_what_is_wrong_with_the_picture_is_said_below_it(
    visit: Callable[..., Any], soft_file: str
) -> None:
    """In the visitor's language, also when that changes; and not below a good picture."""
    visitor = visit(390, "zh-CN")
    page = visitor.page
    visitor.fuse_two_photos()
    assert page.locator("#view .flaws .notice").count() == 0
    visitor.choose("source", soft_file)
    visitor.consent()
    visitor.result()
    flaw = page.locator("#view .flaws .notice")
    assert flaw.all_inner_texts() == [visitor.say("flaw.soft")] and flaw.is_visible()
    frame, notice = (page.locator(f"#view {at}").bounding_box() for at in (".frame", ".flaws"))
    assert notice["y"] >= frame["y"] + frame["height"]
    visitor.open("details")
    assert visitor.say("flaw.soft") in page.inner_text("#report")
    page.click(".switch [data-language=en]")
    page.wait_for_function(
        "text => document.querySelector('#view .flaws .notice').innerText === text",
        arg=say("flaw.soft"),
    )
    assert flaw.all_inner_texts() == [say("flaw.soft")]
    visitor.fits()
    visitor.behaves()


def test_photos_are_thumbnails_beside_a_result(visit: Callable[..., Any]) -> None:
    visitor = visit(390, "en-US")
    page = visitor.page
    photo = page.locator("#source-photo")
    large = photo.bounding_box()["height"]
    boxes = [page.locator(f"#{name}-photo").bounding_box() for name in ("source", "target")]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
    visitor.fuse_two_photos()
    assert photo.bounding_box()["height"] < large / 2
    page.click("#source-photo .image-frame")
    assert photo.bounding_box()["height"] == large
    page.click("#source-photo .image-frame")
    page.mouse.click(5, 5)
    assert photo.bounding_box()["height"] < large / 2
    page.keyboard.press("Shift")  # from now on the focus is the keyboard's
    page.focus("#source-photo .icon-button")
    assert photo.bounding_box()["height"] == large
    visitor.fits()


def test_the_button_that_removes_a_photo_lies_beside_it(
    visit: Callable[..., Any], landscape_file: str
) -> None:
    """Faces are up to the edge of a photo; in the large box, and beside a result."""
    visitor = visit(390, "en-US")
    page = visitor.page

    def is_beside() -> bool:
        button, photo = (
            page.locator(f"#target-photo {part}").bounding_box()
            for part in (".icon-button-wrapper", "img")
        )
        above = button["y"] + button["height"] <= photo["y"]
        return above or photo["x"] + photo["width"] <= button["x"]

    visitor.choose("target", landscape_file)
    for width in (390, 1280):
        visitor.resize(width)
        assert is_beside()
    page.click("#example-1")
    page.wait_for_selector("#view .view[data-state=result]")
    page.wait_for_selector("#target-photo img[src$='target-1.jpg']")
    visitor.choose("target", landscape_file)
    for width in (390, 1280):
        visitor.resize(width)
        assert is_beside()
        page.click("#target-photo .image-frame")
        assert is_beside()
        page.click("#target-photo .image-frame")


def test_share_is_offered_where_the_browser_can(visit: Callable[..., Any]) -> None:
    visitor = visit(390, "en-US")
    page = visitor.page
    page.evaluate("navigator.canShare = undefined")
    visitor.fuse_two_photos()
    assert not page.is_visible("#share")
    page.evaluate(
        """() => { navigator.canShare = (what) => what.files.length === 1;
        navigator.share = async (what) => { window.shared = what.files[0]; }; }"""
    )
    page.click("#fuse")
    visitor.result()
    page.click("#share")
    assert page.evaluate("[shared.name, shared.type, shared.size > 1000]") == [
        *("facefusion.jpg", "image/jpeg", True)
    ]
