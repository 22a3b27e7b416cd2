"""A photo of several people in a browser: faces pressed on the photo, who goes there, and what was done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from facefusion.errors import FaceTooSmallError
from facefusion.words import Language, say
from tests.waiting import becomes_true


def press(page: Any, number: int, person: int) -> None:
    """Presses a face on the photo, and who goes there."""
    page.click(f"#target-photo .frames [data-face='{number}']")
    page.click(f"#faces .who [data-person='{person}']")


def name(page: Any, number: int) -> str:
    return str(page.get_attribute(f"#target-photo .frames [data-face='{number}']", "aria-label"))


@pytest.fixture
def given(visit: Callable[..., Any], photo_file: str, group_file: str) -> Any:
    """A visitor who has given a face and a group photo, without a tick."""
    visitor = visit(1280, "en-US")
    visitor.choose("source", photo_file)
    visitor.choose("target", group_file)
    return visitor


def test_a_group(
    visit: Callable[..., Any],
    server: Any,
    photo_file: str,
    group_file: str,
    face_file: str,
) -> None:
    """Two people for three faces, one of them by the keyboard, and a table in reading order."""
    visitor = visit(390, "zh-CN")
    page, tell = visitor.page, visitor.say

    def called(number: int, person: int) -> str:
        text = tell("face.as") % {"number": number, "who": tell(f"who.{person}").lower()}
        return str(text)

    visitor.choose("source", photo_file)
    visitor.choose("target", group_file)
    assert page.locator("#target-photo .frames button").count() == 6
    assert [name(page, i) for i in range(1, 7)] == [called(i, int(i == 3)) for i in range(1, 7)]
    press(page, 3, 0)
    page.wait_for_selector(f"#state li:has-text('{tell('need.faces')}')")
    press(page, 5, 1)
    press(page, 1, 2)
    assert name(page, 1) == called(1, 2)
    page.wait_for_selector(f"#state li:has-text('{tell('need.person') % {'number': 2}}')")
    visitor.choose("person-2", face_file)
    # By the keyboard: the focus goes to who goes there, and back with Escape.
    page.focus("#target-photo .frames [data-face='6']")
    page.keyboard.press("Enter")
    focused = "document.activeElement.dataset"
    assert page.evaluate(f"{focused}.person") == "0"
    for _ in range(3):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert name(page, 6) == called(6, 2)
    page.keyboard.press("Escape")
    assert page.evaluate(f"{focused}.face") == "6"
    assert visitor.needs() == [tell("need.consent")] and server.watched.calls == []
    visitor.consent()
    visitor.result()
    assert server.watched.calls == ["auto"]
    rows = [row.split("\t") for row in page.locator("#done tbody tr").all_inner_texts()]
    assert [row[:2] for row in rows] == [
        [f"{tell('face')} {number}", tell(f"who.{person}")]
        for number, person in ((1, 2), (5, 1), (6, 2))
    ]
    assert all(row[2].endswith(tuple("0123456789")) for row in rows)
    assert page.inner_text("#done").count(tell("done.scale")) == 1
    assert page.locator("#view button[data-face], #view .frames").count() == 0
    other = Language.ENGLISH if visitor.language is Language.CHINESE else Language.CHINESE
    page.click(f"[data-language={other}]")
    page.wait_for_selector(f"#done caption:has-text('{say('done.title', other)}')")
    assert say("who.2", other) in page.inner_text("#done")
    assert say("who.2", other).lower() in name(page, 1)
    # Another choice is another run; a photo of one person has no frames.
    press(page, 5, 0)
    visitor.result()
    assert page.locator("#done tbody tr").count() == 2
    visitor.choose("target", photo_file)
    assert page.locator(".frames").count() == 0 and not page.is_visible("#faces")
    assert not page.is_visible("#people")
    visitor.result()
    assert page.locator("#done table").count() == 0
    visitor.fits()
    visitor.behaves()


CENTRES = """() => { const image = document.querySelector("#target-photo img").getBoundingClientRect();
return [...document.querySelectorAll(".frames button")].map((e) => { const b = e.getBoundingClientRect();
  return [(b.x + b.width / 2 - image.x) / image.width, (b.y + b.height / 2 - image.y) / image.height]; }); }"""


def test_the_frames_stay_on_the_faces(
    visit: Callable[..., Any], server: Any, pipeline: Any, group: Any, group_file: str
) -> None:
    """Whatever the size of the window; each is large enough to press, also on a phone."""
    visitor = visit(1280, "en-US")
    page = visitor.page
    visitor.choose("target", group_file)
    height, width = group.shape[:2]
    boxes = [face.detection.box for face in pipeline.find_faces(group)]
    expected = sorted(
        ((box[0] + box[2]) / 2 / width, (box[1] + box[3]) / 2 / height) for box in boxes
    )

    def centres() -> list[tuple[float, ...]]:
        return sorted(tuple(each) for each in page.evaluate(CENTRES))

    for size in (1280, 390, 700, 320):
        visitor.resize(size)
        assert becomes_true(lambda: np.allclose(centres(), expected, atol=0.02), 5), centres()
        for button in page.locator(".frames button, #faces button").all():
            box = button.bounding_box()
            assert box["width"] >= 43.9 and box["height"] >= 43.9
        assert page.evaluate("document.documentElement.scrollWidth") <= size
    visitor.behaves()


def test_of_faces_side_by_side_the_nearest_is_meant(
    visit: Callable[..., Any], server: Any, group_file: str
) -> None:
    """Frames of small faces overlap; a press on a phone is 44 px wide."""
    visitor = visit(390, "en-US")
    page = visitor.page
    visitor.choose("target", group_file)
    visitor.settled(lambda: page.evaluate(CENTRES))  # until the photo has its place
    page.evaluate(
        """() => { const [one, other] = document.querySelectorAll(".frames button");
        other.style.left = `${parseFloat(one.style.left) + 12}px`; other.style.top = one.style.top; }"""
    )
    page.locator(".frames [data-face='1']").click(force=True)  # the other one lies above it
    assert page.get_attribute(".frames [data-face='1']", "aria-current") == "true"


def test_axe_finds_nothing_serious_in_a_group(
    visit: Callable[..., Any], server: Any, group_file: str
) -> None:
    visitor = visit(390, "en-US")
    visitor.choose("target", group_file)
    for number, person in ((1, 2), (2, 3), (4, 4)):
        press(visitor.page, number, person)
    assert visitor.barriers() == []


def test_a_face_that_cannot_be_used_says_why(
    visit: Callable[..., Any], server: Any, save: Callable[..., str], astronaut: np.ndarray
) -> None:
    """It is nobody's from the beginning, and cannot be given to anybody."""
    tiny = np.zeros((512, 200, 3), np.uint8)
    tiny[200:344, 10:154] = cv2.resize(astronaut, (144, 144), interpolation=cv2.INTER_AREA)
    visitor = visit(390, "en-US")
    page = visitor.page
    visitor.choose("target", save(np.hstack([astronaut, tiny])))
    assert [name(page, number) for number in (1, 2)] == [
        visitor.say("face.as") % {"number": 1, "who": visitor.say("who.1").lower()},
        visitor.say("face.unusable") % {"number": 2},
    ]
    page.click("#target-photo .frames [data-face='2']")
    told = page.locator("#faces .notice >> visible=true")
    assert told.inner_text() == str(FaceTooSmallError("target"))
    assert not page.is_visible("#faces .who")
    page.click("[data-language=zh]")
    page.wait_for_selector(f"#fuse:has-text('{say('fuse', Language.CHINESE)}')")
    sentence = FaceTooSmallError("target").sentence(Language.CHINESE)
    assert visitor.settled(told.inner_text) == sentence
    page.click("#target-photo .frames [data-face='1']")
    assert page.is_visible("#faces .who") and told.count() == 0
    visitor.behaves()


def test_the_table_is_about_the_last_result(given: Any, server: Any) -> None:
    visitor, page = given, given.page
    visitor.consent()
    visitor.result()
    press(page, 4, 1)
    visitor.result()
    page.wait_for_selector("#visit .strip button:nth-of-type(2)")
    page.click("#visit .strip button:nth-of-type(1)")
    page.wait_for_selector("#done", state="hidden")
    page.click("#visit .strip button:nth-of-type(2)")
    page.wait_for_selector("#done tbody tr:nth-of-type(2)")
    assert server.watched.calls == ["auto", "auto"]


def test_a_result_that_is_continued_from_keeps_who_goes_where(given: Any, server: Any) -> None:
    """Also an earlier result; nothing is made again until something is changed."""
    visitor, page = given, given.page
    press(page, 3, 0)
    press(page, 5, 1)
    visitor.consent()
    visitor.result()
    press(page, 1, 1)
    visitor.result()
    page.click("#visit .strip button:nth-of-type(1)")
    page.wait_for_selector("#done", state="hidden")
    before = visitor.target
    page.click("#reuse")
    page.wait_for_function(
        "src => ![src, undefined].includes(document.querySelector('#target-photo img')?.src)"
        " && document.querySelector('#target-photo .frames')",
        arg=before,
    )
    names = visitor.settled(lambda: [name(page, number) for number in range(1, 7)])
    assert names == [
        say("face.as") % {"number": number, "who": say(f"who.{int(number == 5)}").lower()}
        for number in range(1, 7)
    ]
    assert server.watched.calls == ["auto", "auto"]
    visitor.open("fine")
    page.click("#tier label:nth-of-type(2)")
    visitor.result()
    assert page.locator("#done th[scope=row]").all_inner_texts() == [f"{say('face')} 5"]
    assert server.watched.calls == ["auto", "auto", "fast"]
    visitor.behaves()
