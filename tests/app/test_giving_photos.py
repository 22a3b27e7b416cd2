"""Photos and consent given on the page in a browser, and what is said beside them."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facefusion.errors import FaceTooSmallError, NoFaceError, UnreadablePhotoError
from facefusion.page.files import kept_seconds
from facefusion.words import Language, say

RETAKES = {
    "landscape_file": (NoFaceError("source"), "problem"),
    "text_file": (UnreadablePhotoError("source"), "problem"),
    "tiny_file": (FaceTooSmallError("source"), "problem"),
    "dark_file": ("doubt.dark", "doubt"),
    "bright_file": ("doubt.bright", "doubt"),
    "blurred_file": ("doubt.blurred", "doubt"),
    "sunglasses_file": ("doubt.eyes_covered", "doubt"),
    "mask_file": ("doubt.mouth_covered", "doubt"),
    "group_file": ("doubt.several", "doubt"),
}


def test_each_retake_message(
    visit: Callable[..., Any], request: pytest.FixtureRequest, photo_file: str
) -> None:
    """At once, beside the photo; a blocker is an alert, and a doubt lets the visitor go on."""
    visitor = visit(390, "en-US")
    for name, (expected, kind) in RETAKES.items():
        visitor.choose("source", request.getfixturevalue(name))
        sentence = say(expected) if isinstance(expected, str) else str(expected)
        visitor.page.wait_for_selector(f"#source-notice .notice.{kind}:has-text('{sentence[:40]}')")
        notice = visitor.notice("source")
        assert sentence in notice
        assert (say("doubt.go_on") in notice) == (kind == "doubt")
    visitor.choose("source", photo_file)
    visitor.page.wait_for_selector("#source-notice .notice.fine")
    visitor.behaves()


def test_an_heic_is_shown_upright(visit: Callable[..., Any], heic_file: str) -> None:
    visitor = visit(390, "zh-CN")
    for place in ("source", "target"):
        visitor.choose(place, heic_file)
        assert visitor.notice(place) == visitor.say(f"ok.{place}")
        image = visitor.page.locator(f"#{place}-photo img")
        visitor.page.wait_for_function("image => image.complete", arg=image.element_handle())
        size = image.evaluate("image => [image.naturalWidth, image.naturalHeight]")
        assert size == [512, 400] and image.get_attribute("src").endswith("/photo.jpg")
    visitor.behaves()


def test_an_heic_may_be_dropped(visit: Callable[..., Any], heic_file: str) -> None:
    """The file has no type, as on systems that do not know HEIC."""
    visitor = visit(1280, "en-US")
    transfer = visitor.page.evaluate_handle(
        """(text) => {
          const transfer = new DataTransfer();
          const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
          transfer.items.add(new File([bytes], "IMG_0001.HEIC"));
          return transfer;
        }""",
        base64.b64encode(Path(heic_file).read_bytes()).decode(),
    )
    area = "#source-photo button[aria-dropeffect]"
    visitor.page.dispatch_event(area, "drop", {"dataTransfer": transfer})
    visitor.page.wait_for_selector("#source-notice .notice.fine")
    assert visitor.page.get_attribute("#source-photo img", "src").endswith("/photo.jpg")
    visitor.behaves()


def test_the_file_dialog_offers_heic(visit: Callable[..., Any]) -> None:
    inputs = visit(390, "en-US").page.locator("#source-photo input[type=file]")
    assert ".heic" in inputs.first.get_attribute("accept")


def test_a_damaged_heic_is_told_beside_its_box(
    visit: Callable[..., Any], cut_heic_file: str
) -> None:
    visitor = visit(1280, "en-US")
    visitor.choose("source", cut_heic_file)
    assert str(UnreadablePhotoError("source")) in visitor.notice("source")


def test_a_message_in_chinese(visit: Callable[..., Any], landscape_file: str) -> None:
    visitor = visit(390, "zh-CN")
    visitor.choose("target", landscape_file)
    assert visitor.notice("target") == NoFaceError("target").sentence(Language.CHINESE)


def test_consent_is_needed_and_asked_again_for_a_new_face(
    visit: Callable[..., Any], server: Any, face_file: str, photo_file: str, landscape_file: str
) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    page.click("#consent .wrap label:nth-of-type(1)")
    page.wait_for_timeout(400)
    assert visitor.needs() == [say("need.consent")] and server.watched.calls == []
    page.click("#consent .wrap label:nth-of-type(2)")
    visitor.result()
    assert page.locator("#consent .wrap input:checked").count() == 2

    visitor.choose("target", landscape_file)  # another photo is no new face
    assert page.locator("#consent .wrap input:checked").count() == 2
    visitor.choose("target", photo_file)
    visitor.result()
    calls = list(server.watched.calls)
    server.watched.look = threading.Event()
    page.click("#swap")  # now the source is somebody else
    page.wait_for_timeout(400)
    server.watched.look.set()
    page.wait_for_function("document.querySelectorAll('#consent .wrap input:checked').length === 0")
    page.wait_for_selector(f"#state li:has-text('{say('need.consent')}')")
    assert visitor.notice("source").endswith(say("consent.again"))
    assert page.is_visible("#jpeg")  # the last result stays
    assert server.watched.calls == calls


def test_consent_is_asked_again_after_ten_idle_minutes(
    visit: Callable[..., Any], server: Any, face_file: str, photo_file: str
) -> None:
    """The server knows no longer which faces were consented to; a first consent may come first."""
    visitor = visit(1280, "en-US")
    ticked = visitor.page.locator("#consent .wrap input:checked")
    visitor.consent()
    visitor.choose("target", photo_file)
    visitor.choose("source", face_file)
    visitor.result()
    assert ticked.count() == 2
    server.jobs.sessions.drop_old(time.monotonic())
    server.jobs.sessions.drop_old(time.monotonic() + kept_seconds() + 1)
    assert not server.demo.state_holder.session_data
    calls = list(server.watched.calls)
    visitor.choose("source", photo_file)
    visitor.page.wait_for_selector(f"#state li:has-text('{say('need.consent')}')")
    assert ticked.count() == 0 and visitor.notice("source").endswith(say("consent.again"))
    assert server.watched.calls == calls
