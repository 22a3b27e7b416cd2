"""The page in a real browser: Debian's Chromium through Playwright. Skipped, with a sentence, where
there is none.
"""

from __future__ import annotations

import base64
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import app
from facefusion.errors import EmptyPhotoError, FaceTooSmallError, NoFaceError, UnreadablePhotoError
from facefusion.images.marking import SOURCE_TYPE
from facefusion.page.files import LIFETIME_VARIABLE
from facefusion.page.jobs import NoChoiceError
from facefusion.page.photos import DeletedPhotoError
from facefusion.words import Language, say

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
EXAMPLES = ROOT / "examples"


def fuse_an_example(visitor: Any) -> None:
    """From the empty page to the finished result of the first example."""
    visitor.page.click("#example-1")
    visitor.page.wait_for_selector("#target-photo img")
    visitor.consent()
    visitor.fuse()
    visitor.page.wait_for_selector("#report .report")


def test_the_whole_flow(visit: Callable[..., Any], server: Any, shape: tuple[int, str]) -> None:
    """Example, ticks, Fuse: three clicks; then the draft, the result, toggle, slider, downloads,
    and nothing twice.
    """
    visitor = visit(*shape)
    page, tell = visitor.page, visitor.say
    assert page.inner_text("#lead h1") == "FaceFusion"
    assert tell("lead") in page.inner_text("#lead") and tell("kept") in page.inner_text("#lead")
    assert tell("seconds") in page.inner_text("#tier label:nth-of-type(4)")
    server.watched.hold = threading.Event()
    page.click("#example-1")
    page.wait_for_selector("#target-photo img")
    assert visitor.notice("source") == tell("ok.source") and visitor.notice("target") == tell(
        "ok.target"
    )
    page.click(".select-all-checkbox")
    page.click("#fuse")
    page.wait_for_selector("#result-image img")
    draft = page.get_attribute("#result-image img", "src")
    assert not page.is_visible("#details") and page.is_visible("#cancel")
    server.watched.hold.set()
    page.wait_for_selector("#report .report")
    page.wait_for_selector("#fuse:enabled")
    finished = page.get_attribute("#result-image img", "src")
    assert finished != draft
    assert page.get_attribute("#result-image img", "alt") == tell("result.alt")
    report = page.inner_text("#report")
    assert (
        tell("match") in report
        and tell("match.number") in report
        and tell("reason.fits_budget") not in report[:5]
    )
    page.click("#report summary")
    assert tell("stage.coarse") in page.inner_text("#report table")

    page.click("#view label:nth-of-type(2)")
    page.wait_for_selector("#draft-image img")
    assert not page.is_visible("#result-image")
    page.click("#view label:nth-of-type(3)")
    page.wait_for_selector("#slider img")
    page.click("#view label:nth-of-type(1)")
    page.wait_for_selector("#result-image img")
    assert page.get_attribute("#result-image img", "src") == finished
    assert server.watched.calls == ["auto"]

    for name, kind in (("png", "PNG"), ("jpeg", "JPEG")):
        with page.expect_download() as download:
            page.click(f"#{name}")
        path = download.value.path()
        with Image.open(path) as image, Image.open(EXAMPLES / "portrait-1.jpg") as photo:
            assert image.format == kind and SOURCE_TYPE.encode() in image.info["xmp"]
            assert image.size == photo.size
        assert tell("png" if name == "png" else "jpeg") in page.inner_text(f"#{name}")

    page.click("#compare")
    page.wait_for_selector("#tiers figure:nth-of-type(3)")
    visitor.page.wait_for_timeout(300)
    assert sorted(server.watched.calls) == ["auto", "balanced", "fast"]  # Auto ran the best
    assert [
        tell(f"tier.{tier}") in page.inner_text("#tiers") for tier in ("fast", "balanced", "best")
    ] == [True] * 3
    page.click("#how button")
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


def test_nothing_is_computed_twice(
    visit: Callable[..., Any],
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
    face_file: str,
    photo_file: str,
    guest: np.ndarray,
    astronaut: np.ndarray,
) -> None:
    """Looking at two photos, fusing, toggling and comparing: each photo is looked at once, each
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
        lambda photo: (counts.update(["attempts"] * (photo.shape[:2] in own)), attempts(photo))[1],
    )
    runners = {name: counted(name) for name in ("coarse", "refine")}
    monkeypatch.setattr(pipeline, "networks", replace(pipeline.networks, **runners))
    visitor = visit(1280, "en-US")
    page = visitor.page
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    visitor.consent()
    page.click("#tier label:nth-of-type(4)")
    visitor.fuse()
    page.wait_for_selector("#report .report")
    assert counts == {"attempts": 2, "coarse": 1, "refine": 1}
    for i in (2, 3, 1):
        page.click(f"#view label:nth-of-type({i})")
        page.wait_for_timeout(100)
    page.click("#compare")
    page.wait_for_selector("#tiers figure:nth-of-type(3)")
    assert counts == {"attempts": 2, "coarse": 3, "refine": 2}  # Fast does not refine
    page.wait_for_timeout(300)
    page.click("#compare")
    page.wait_for_timeout(500)
    assert counts == {"attempts": 2, "coarse": 3, "refine": 2}


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
        "quality.hint",
        "examples",
        "swap",
        "more",
    ):
        assert visitor.say(key) in text and say(key, other) not in text


def test_a_group(
    visit: Callable[..., Any], server: Any, photo_file: str, group_file: str, face_file: str
) -> None:
    """Faces to choose, one of them by the keyboard; two people; and what is said when none is
    chosen.
    """
    visitor = visit(1280, "en-US")
    page = visitor.page
    visitor.choose("source", photo_file)
    visitor.choose("target", group_file)
    page.wait_for_selector("#faces label:nth-of-type(6)")
    assert page.locator("#faces input:checked").count() == 1
    assert "data:image/jpeg" in page.evaluate(
        "getComputedStyle(document.querySelector('#faces label:nth-of-type(6)'), '::before').backgroundImage"
    )
    for label in page.locator("#faces label:has(input:checked)").all():
        label.click()
    visitor.consent()
    visitor.fuse()
    assert visitor.notice("target") == str(NoChoiceError("target"))

    page.focus("#faces label:nth-of-type(2) input")
    page.keyboard.press("Space")
    page.click("#faces label:nth-of-type(5)")
    page.click("#second-person button")
    visitor.choose("other", face_file)
    page.click("#other-faces label:nth-of-type(5)")
    page.wait_for_function("document.querySelectorAll('#faces input:checked').length === 1")
    visitor.consent()
    visitor.fuse()
    page.wait_for_selector("#report .report")
    report = page.inner_text("#report")
    assert "Face 2." in report and "Face 5." in report and "Face 1." not in report
    assert server.watched.calls == ["auto"]
    visitor.behaves()


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
    visitor.fuse()
    assert (
        page.inner_text("#problem .notice") == say("error.consent") and server.watched.calls == []
    )
    page.click("#consent .wrap label:nth-of-type(2)")
    visitor.fuse()
    page.wait_for_selector("#report .report")
    assert page.locator("#consent .wrap input:checked").count() == 2

    visitor.choose("target", landscape_file)  # another photo is no new face
    assert page.locator("#consent .wrap input:checked").count() == 2
    visitor.choose("target", photo_file)
    page.click("#swap")  # now the source is somebody else
    page.wait_for_function("document.querySelectorAll('#consent .wrap input:checked').length === 0")
    visitor.fuse()
    assert page.inner_text("#problem .notice") == say("error.consent")


def test_cancel(visit: Callable[..., Any], server: Any, face_file: str, photo_file: str) -> None:
    visitor = visit(390, "en-US")
    page = visitor.page
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    visitor.consent()
    server.watched.hold = threading.Event()
    page.click("#fuse")
    page.wait_for_selector("#result-image img")
    page.click("#cancel")
    page.wait_for_selector("#fuse:enabled")
    assert page.inner_text("#problem .notice") == say("cancelled")
    assert not page.is_visible("#outcome") and not page.is_visible("#cancel")
    server.watched.hold.set()
    time.sleep(0.5)
    assert not page.is_visible("#outcome")
    visitor.fuse()
    page.wait_for_selector("#report .report")
    visitor.behaves()


def test_an_error_stands_beside_its_photo_and_takes_the_old_result_away(
    visit: Callable[..., Any], server: Any, face_file: str, photo_file: str, text_file: str
) -> None:
    visitor = visit(390, "en-US")
    page = visitor.page
    visitor.consent()
    visitor.fuse()
    assert visitor.notice("source") == str(EmptyPhotoError("source"))
    visitor.choose("source", face_file)
    visitor.choose("target", photo_file)
    visitor.fuse()
    page.wait_for_selector("#report .report")
    visitor.choose("target", text_file)
    visitor.fuse()
    assert visitor.notice("target") == str(UnreadablePhotoError("target"))
    assert not page.is_visible("#outcome")
    server.watched.failure = ZeroDivisionError("in /secret/place")
    visitor.choose("target", photo_file)
    visitor.fuse()
    assert page.inner_text("#problem .notice") == say("error.unexpected")
    assert page.locator("#result-image img").count() == 0


def test_the_keyboard_alone(visit: Callable[..., Any], server: Any) -> None:
    """Tab and Space reach an example, both ticks and Fuse; focus is always seen."""
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
                    """() => { const s = getComputedStyle(document.activeElement);
                    return s.outlineStyle !== 'none' || s.boxShadow !== 'none'; }"""
                )
                assert style, f"the focus on {selector} cannot be seen"
                return
        raise AssertionError(f"{selector} cannot be reached")

    reach("#example-2", "Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#target-photo img")
    for i in (1, 2):
        reach(f"#consent .wrap label:nth-of-type({i}) input", "Tab")
        page.keyboard.press("Space")
    reach("#tier input:checked", "Tab")
    page.keyboard.press("ArrowRight")
    reach("#fuse", "Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#report .report")
    assert server.watched.calls == ["fast"]
    reach("#view input", "Tab")
    reach("#png", "Tab")
    reach("#reuse", "Tab")
    reach("#compare", "Tab")
    visitor.behaves()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_axe_finds_nothing_serious(visit: Callable[..., Any], scheme: str, locale: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run `npm ci` (make test does, where npm is)")
    visitor = visit(390, locale, scheme)
    page = visitor.page
    fuse_an_example(visitor)
    for selector in ("#fine button", "#more-photos button", "#how button", "#report summary"):
        page.click(selector)
    page.add_script_tag(path=str(AXE))
    found = page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
    )
    serious = [
        f"{each['id']}: {each['nodes'][0]['target']} {each['nodes'][0].get('failureSummary', '')}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []
    visitor.fits()


def test_nothing_scrolls_sideways_and_everything_is_large_enough_to_press(
    visit: Callable[..., Any],
) -> None:
    for width in (360, 1280):
        visitor = visit(width, "en-US")
        page = visitor.page
        fuse_an_example(visitor)
        for selector in ("#fine button", "#more-photos button"):
            page.click(selector)
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


def test_the_clock_deletes_uploads_and_results(
    visit: Callable[..., Any],
    serve_page: Any,
    pipeline: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    face_file: str,
    photo_file: str,
    text_file: str,
) -> None:
    """Also after an error, a comparison and a look at the draft; and then it is said what to do."""
    monkeypatch.setenv(LIFETIME_VARIABLE, "20")
    with serve_page(pipeline, tmp_path / "cache") as server:
        visitor = visit(390, "en-US", url=server.url)
        visitor.choose("source", face_file)
        visitor.choose("target", text_file)
        visitor.consent()
        visitor.fuse()
        visitor.choose("target", photo_file)
        visitor.fuse()
        visitor.page.wait_for_selector("#report .report")
        visitor.page.click("#view label:nth-of-type(2)")
        visitor.page.wait_for_selector("#draft-image img")
        assert {Path(name).suffix for name in server.files()} >= {".png", ".jpg"} and len(
            server.files()
        ) >= 5
        deadline = time.monotonic() + 60
        while server.files() and time.monotonic() < deadline:
            time.sleep(0.3)
        assert server.files() == set()
        visitor.fuse()
        assert visitor.notice("source") == str(DeletedPhotoError("source"))


def test_two_visitors_wait_in_line(
    visit: Callable[..., Any], server: Any, face_file: str, photo_file: str
) -> None:
    """Who comes second is told so, and gets their own result."""
    visitors = [visit(1280, "en-US") for _ in range(app.FUSIONS_AT_ONCE + 1)]
    server.watched.hold = threading.Event()
    for visitor in visitors:
        visitor.choose("source", face_file)
        visitor.choose("target", photo_file)
        visitor.consent()
        visitor.page.click("#fuse")
    last = visitors[-1].page
    last.wait_for_selector("#result-image [data-testid=status-tracker]:has-text('queue')")
    server.watched.hold.set()
    for visitor in visitors:
        visitor.page.wait_for_selector("#report .report")
        visitor.behaves()


def test_several_photos_of_one_face(
    visit: Callable[..., Any], server: Any, photo_file: str, face_file: str
) -> None:
    visitor = visit(1280, "en-US")
    visitor.choose("source", photo_file)
    visitor.page.click("#more-photos button")
    visitor.choose("second", photo_file)
    visitor.choose("target", face_file)
    visitor.consent()
    seen: list[int] = []
    stream = server.watched.pipeline.stream

    def counted(swaps: Any, target: np.ndarray, **options: Any) -> Any:
        seen.append(len(swaps[0].source))
        return stream(swaps, target, **options)

    server.watched.pipeline.stream = counted
    try:
        visitor.fuse()
        visitor.page.wait_for_selector("#report .report")
    finally:
        del server.watched.pipeline.stream
    assert seen == [2]
