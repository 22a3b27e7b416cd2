"""A fusion on the page in a browser: when it begins, what it shows, and how it ends."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefusion.errors import FaceTurnedError, UnreadablePhotoError
from facefusion.images.saving import SOURCE_TYPE
from facefusion.words import say

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_whole_flow(visit: Callable[..., Any], server: Any, shape: tuple[int, str]) -> None:
    """Photos and tick; then the draft, the result, downloads, details, and nothing twice."""
    visitor = visit(*shape)
    page, tell = visitor.page, visitor.say
    assert page.inner_text("#lead h1") == "FaceFusion"
    assert tell("lead") in page.inner_text("#lead") and tell("kept") in page.inner_text("#lead")
    server.watched.hold = threading.Event()
    visitor.choose("source", str(EXAMPLES / "portrait-3.jpg"))
    visitor.choose("target", str(EXAMPLES / "portrait-1.jpg"))
    assert visitor.notice("source") == tell("ok.source")
    assert visitor.notice("target") == tell("ok.target")
    page.click(".select-all-checkbox")
    page.wait_for_selector("#view .view[data-state=draft]")
    draft = page.get_attribute("#view .after", "src")
    assert page.inner_text("#view .hint") == tell("draft.hint")
    assert not page.is_visible("#jpeg") and page.is_visible("#cancel")
    place = page.locator("#view .frame").bounding_box()
    server.watched.hold.set()
    visitor.result()
    assert page.get_attribute("#view .after", "src") != draft
    assert page.locator("#view .frame").bounding_box() == place, "the page jumps"
    assert page.get_attribute("#view .after", "alt") == tell("result.alt")
    assert server.watched.calls == ["auto"]

    for name, kind in (("png", "PNG"), ("jpeg", "JPEG")):
        with page.expect_download() as download:
            page.click(f"#{name}")
        path = download.value.path()
        with Image.open(path) as image, Image.open(EXAMPLES / "portrait-1.jpg") as photo:
            assert image.format == kind and SOURCE_TYPE.encode() in image.info["xmp"]
            assert image.size == photo.size
        assert tell(name) == page.inner_text(f"#{name}")

    visitor.open("details")
    report = page.inner_text("#report")
    assert tell("match") in report and tell("match.number") in report
    page.click("#report summary")
    assert tell("stage.coarse") in page.inner_text("#report table")
    page.click("#compare")
    page.wait_for_selector("#tiers figure:nth-of-type(3)")
    visitor.page.wait_for_timeout(300)
    assert sorted(server.watched.calls) == ["auto", "balanced", "fast"]  # Auto ran the best
    assert [
        tell(f"tier.{tier}") in page.inner_text("#tiers") for tier in ("fast", "balanced", "best")
    ] == [True] * 3
    visitor.open("how")
    page.wait_for_selector("#steps figure:nth-of-type(7) >> visible=true")
    assert page.eval_on_selector_all(
        "#steps img", "all => all.every((e) => e.complete && e.naturalWidth === 288)"
    )

    before = visitor.target
    page.click("#reuse")
    page.wait_for_function(
        "src => document.querySelector('#target-photo img')?.src !== src", arg=before
    )
    visitor.fits()
    visitor.behaves()


def test_it_runs_by_itself(
    visit: Callable[..., Any], server: Any, face_file: str, photo_file: str, text_file: str
) -> None:
    """As soon as nothing is missing, and once for each change; the list says what is missing."""
    visitor = visit(1280, "en-US")
    page = visitor.page
    names = ("source", "target", "consent")
    assert visitor.needs() == [say(f"need.{name}") for name in names]
    assert page.is_disabled("#fuse")
    visitor.choose("source", text_file)
    page.wait_for_selector(f"#state li:has-text('{say('need.other.source')}')")
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    page.wait_for_selector("#state li:nth-of-type(2)", state="detached")
    assert visitor.needs() == [say("need.consent")] and page.is_disabled("#fuse")
    assert server.watched.calls == []
    visitor.consent()
    visitor.result()
    assert server.watched.calls == ["auto"] and visitor.needs() == []
    visitor.open("fine")
    page.wait_for_timeout(400)
    assert server.watched.calls == ["auto"]  # looking at the settings changes nothing
    page.click("#tier label:nth-of-type(2)")
    visitor.result()
    assert server.watched.calls == ["auto", "fast"]

    box = page.locator("#likeness input[type=range]").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.6, 0.7, 0.8):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        page.wait_for_timeout(200)
    assert server.watched.calls == ["auto", "fast"]  # not while it is dragged
    page.mouse.up()
    visitor.result()
    page.wait_for_timeout(400)
    assert server.watched.calls == ["auto", "fast", "fast"]
    visitor.behaves()


def test_nothing_is_fused_before_the_server_has_looked_at_its_photos(
    visit: Callable[..., Any], server: Any, face_file: str, photo_file: str
) -> None:
    """The notice of an earlier photo in the same box is not taken for that of the new one."""
    visitor = visit(1280, "en-US")
    page = visitor.page
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    before = page.get_attribute("#source-photo img", "src")
    server.watched.look = threading.Event()
    page.set_input_files("#source-photo input[type=file]", str(EXAMPLES / "portrait-3.jpg"))
    page.wait_for_function(
        "src => document.querySelector('#source-photo img')?.getAttribute('src') !== src",
        arg=before,
    )
    visitor.consent()
    page.wait_for_timeout(600)
    assert not page.is_visible("#cancel")
    server.watched.look.set()
    visitor.result()
    assert server.watched.calls == ["auto"]
    visitor.behaves()


def test_a_newer_change_takes_the_place_of_the_running_fusion(
    visit: Callable[..., Any], server: Any, face_file: str, photo_file: str
) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    visitor.open("fine")
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    server.watched.hold = threading.Event()
    visitor.consent()
    page.wait_for_selector("#view .view[data-state=draft]")
    page.click("#tier label:nth-of-type(2)")
    page.wait_for_timeout(1000)
    server.watched.hold.set()
    visitor.result()
    page.wait_for_timeout(500)
    assert server.watched.calls == ["auto", "fast"]
    assert page.locator(".notice.problem >> visible=true").count() == 0
    assert page.is_enabled("#fuse") and not page.is_visible("#cancel")
    visitor.behaves()


def test_a_change_that_is_taken_back_ends_in_a_result_too(
    visit: Callable[..., Any], server: Any
) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    server.watched.hold = threading.Event()
    visitor.open("fine")
    visitor.give_two_photos()
    page.wait_for_selector("#view .view[data-state=draft]")
    for tier in (2, 1):
        page.click(f"#tier label:nth-of-type({tier})")
        page.wait_for_timeout(400)
    server.watched.hold.set()
    visitor.result()
    assert server.watched.calls == ["auto", "auto"]


def test_nothing_is_computed_twice(
    visit: Callable[..., Any],
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
    face_file: str,
    photo_file: str,
    guest: np.ndarray,
    astronaut: np.ndarray,
) -> None:
    """Looking at two photos, fusing and comparing: each photo is looked at once, each
    tier is run once.
    """
    pipeline = server.watched.pipeline
    pipeline.cache.clear()
    counts: Counter[str] = Counter()

    def counted(name: str) -> Any:
        real = getattr(pipeline.networks, name)
        return lambda *given, **named: (counts.update([name]), real(*given, **named))[1]

    attempts = pipeline.networks.detector.attempts
    own = [guest.shape[:2], astronaut.shape[:2]]  # another visitor's photo may still be looked at
    monkeypatch.setattr(
        pipeline.networks.detector,
        "attempts",
        lambda photo, *how, **more: (
            counts.update(["attempts"] * (photo.shape[:2] in own)),
            attempts(photo, *how, **more),
        )[1],
    )
    runners = {name: counted(name) for name in ("coarse", "refine")}
    monkeypatch.setattr(pipeline, "networks", replace(pipeline.networks, **runners))
    visitor = visit(1280, "en-US")
    page = visitor.page
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    visitor.open("fine")
    page.click("#tier label:nth-of-type(4)")
    visitor.consent()
    visitor.result()
    assert counts == {"attempts": 2, "coarse": 1, "refine": 1}
    visitor.open("details")
    page.click("#compare")
    page.wait_for_selector("#tiers figure:nth-of-type(3)")
    assert counts == {"attempts": 2, "coarse": 3, "refine": 2}  # Fast does not refine
    page.wait_for_timeout(300)
    page.click("#compare")
    page.wait_for_timeout(500)
    assert counts == {"attempts": 2, "coarse": 3, "refine": 2}


def test_cancel(visit: Callable[..., Any], server: Any, face_file: str, photo_file: str) -> None:
    """Nothing is shown as a failure, and the earlier result comes back."""
    visitor = visit(390, "en-US")
    page = visitor.page
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    for earlier in (False, True):
        server.watched.hold = threading.Event()
        if earlier:
            page.click("#fuse")
        else:
            visitor.consent()
        page.wait_for_selector("#view .view[data-state=draft]")
        page.click("#cancel")
        page.wait_for_selector("#cancel:disabled")
        server.watched.hold.set()
        page.wait_for_selector("#fuse:enabled")
        page.wait_for_timeout(700)
        state = "result" if earlier else "example"
        page.wait_for_selector(f"#view .view[data-state={state}]", state="attached")
        assert page.inner_text("#problem .notice.fine") == say("cancelled")
        assert page.locator(".notice.problem >> visible=true").count() == 0
        assert not page.is_visible("#cancel")
        if not earlier:
            page.click("#fuse")
            visitor.result()
            kept = page.get_attribute("#view .view", "data-file")
    assert page.get_attribute("#view .view", "data-file") == kept
    visitor.behaves()


def test_a_refusal_takes_nothing_away(
    visit: Callable[..., Any], server: Any, face_file: str, photo_file: str, text_file: str
) -> None:
    visitor = visit(390, "en-US")
    page = visitor.page
    visitor.consent()
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    visitor.result()
    shown = page.get_attribute("#view .after", "src")
    visitor.choose("target", text_file)
    page.wait_for_selector(f"#state li:has-text('{say('need.other.target')}')")
    assert visitor.notice("target") == str(UnreadablePhotoError("target"))
    server.watched.failure = ZeroDivisionError("in /secret/place")
    visitor.choose("target", photo_file)
    page.wait_for_selector("#problem .notice.refused")
    assert page.inner_text("#problem .notice") == say("error.unexpected")
    page.wait_for_selector("#fuse:enabled")
    server.watched.failure = FaceTurnedError("target")
    page.click("#fuse")
    page.wait_for_selector("#target-notice .notice.refused")
    page.wait_for_selector("#fuse:enabled")
    assert page.get_attribute("#view .after", "src") == shown and page.is_visible("#jpeg")
    calls = len(server.watched.calls)
    page.wait_for_timeout(600)
    assert len(server.watched.calls) == calls  # a refused run is not tried again and again
    server.watched.failure = None
    visitor.choose("source", photo_file)
    visitor.consent()
    visitor.result()
    assert page.get_attribute("#view .after", "src") != shown


def test_several_photos_of_one_face(
    visit: Callable[..., Any], server: Any, photo_file: str, face_file: str
) -> None:
    visitor = visit(1280, "en-US")
    visitor.choose("source", photo_file)
    visitor.page.click("#more-photos button")
    visitor.choose("second", photo_file)
    visitor.choose("target", face_file)
    seen: list[int] = []
    stream = server.watched.pipeline.stream

    def counted(swaps: Any, target: np.ndarray, **options: Any) -> Any:
        seen.append(len(swaps[0].source))
        return stream(swaps, target, **options)

    server.watched.pipeline.stream = counted
    try:
        visitor.consent()
        visitor.result()
    finally:
        del server.watched.pipeline.stream
    assert seen == [2]
