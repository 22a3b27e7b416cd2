"""The page in a real browser: Debian's Chromium through Playwright. Skipped, with a sentence, where
there is none.
"""

from __future__ import annotations

import base64
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefusion.errors import FaceTooSmallError, FaceTurnedError, NoFaceError, UnreadablePhotoError
from facefusion.images.saving import SOURCE_TYPE
from facefusion.page.files import LIFETIME_VARIABLE
from facefusion.page.photos import DeletedPhotoError
from facefusion.words import Language, say
from tests.waiting import becomes_true

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def give_two_photos(visitor: Any) -> None:
    """Two uploads and both ticks, after which a fusion begins."""
    visitor.choose("source", str(EXAMPLES / "portrait-3.jpg"))
    visitor.choose("target", str(EXAMPLES / "portrait-1.jpg"))
    visitor.consent()


def fuse_two_photos(visitor: Any) -> None:
    """From the empty page to the finished result of two uploads."""
    give_two_photos(visitor)
    visitor.result()


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
    fuse_two_photos(visitor)
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
    fuse_two_photos(visitor)
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
    fuse_two_photos(visitor)
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
    fuse_two_photos(visitor)
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
    give_two_photos(visitor)
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


def test_the_first_screen(visit: Callable[..., Any], shape: tuple[int, str]) -> None:
    """An example with its labels, both photo boxes side by side, and ready photos."""
    visitor = visit(*shape)
    page = visitor.page
    page.wait_for_selector("#view .view[data-state=example]")
    assert page.evaluate(
        "[...document.querySelectorAll('#view .frame img')].every((e) => e.complete && e.naturalWidth > 300)"
    )
    height = 800 if shape[0] > 1000 else 844
    chips = page.locator("#view .chip")
    assert chips.all_inner_texts() == [visitor.say("before"), visitor.say("after")]
    for chip in chips.all():
        assert chip.bounding_box()["y"] + chip.bounding_box()["height"] < height
    boxes = [page.locator(f"#{name}-photo").bounding_box() for name in ("source", "target")]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
    shown = 1 if shape[0] > 1000 else 0.5
    assert all(box["y"] + shown * box["height"] <= height for box in boxes)
    assert 6 <= page.locator(".example").count() <= 8
    names = page.locator(".example").all_text_contents()
    assert len(set(names)) == len(names) and all(len(str(name)) > 5 for name in names)
    visitor.fits()
    visitor.behaves()


def test_an_example_is_one_press(
    visit: Callable[..., Any], server: Any, shape: tuple[int, str], face_file: str
) -> None:
    """Without a face of one's own its result is there at once, and nothing is computed or asked."""
    visitor = visit(*shape)
    page = visitor.page
    page.click("#example-3")
    page.wait_for_selector("#view .view[data-state=result]", timeout=5000)
    page.wait_for_selector("#source-notice .notice.fine")
    page.wait_for_selector("#target-notice .notice.fine")
    page.wait_for_timeout(600)
    assert server.watched.calls == [] and visitor.needs() == []
    assert visitor.page.locator("#consent .wrap input:checked").count() == 0
    box = page.locator("#view .frame").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= page.viewport_size["height"]
    with page.expect_download() as download:
        page.click("#jpeg")
    with Image.open(download.value.path()) as image:
        assert SOURCE_TYPE.encode() in image.info["xmp"]
        size = image.size
    # Made beforehand as a JPEG, it is written as a PNG by the browser.
    with page.expect_download() as download:
        page.click("#png")
    with Image.open(download.value.path()) as image:
        assert image.format == "PNG" and image.size == size
        assert SOURCE_TYPE in str(image.info)
    # Another pair of examples is fused, still without a tick.
    page.click("#swap")
    visitor.result()
    assert server.watched.calls == ["auto"]
    # With a face of one's own an example is only the photo, and the ticks are needed.
    visitor.choose("source", face_file)
    page.click("#example-2")
    page.wait_for_selector(f"#state li:has-text('{visitor.say('need.consent')}')")
    page.wait_for_timeout(400)
    assert server.watched.calls == ["auto"]
    visitor.consent()
    visitor.result()
    assert server.watched.calls == ["auto", "auto"]
    visitor.behaves()


def test_a_change_counts_before_the_example_s_photos_were_looked_at(
    visit: Callable[..., Any], server: Any
) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    server.watched.look = threading.Event()
    page.click("#example-2")
    page.wait_for_selector("#view .view[data-state=result]")
    page.wait_for_selector("#target-photo img")
    visitor.open("fine")
    page.click("#tier label:nth-of-type(2)")
    server.watched.look.set()
    visitor.result()
    assert server.watched.calls == ["fast"]
    # Both presses within one task of the browser: the change comes before the server's answer.
    page.evaluate(
        "for (const each of ['#example-3', '#tier label:nth-of-type(3) input'])"
        " document.querySelector(each).click()"
    )
    page.wait_for_function(
        """() => { const made = document.querySelector("#made data")?.dataset;
        return made?.original?.endsWith("target-3.jpg") && made.png
          && made.after === document.querySelector("#view .view").dataset.file; }"""
    )
    # The change may begin with the earlier photos, whose run gives way then.
    assert set(server.watched.calls[1:]) == {"balanced"}


def test_a_face_of_one_s_own_counts_before_the_example_s_photo_arrives(
    visit: Callable[..., Any], server: Any, face_file: str
) -> None:
    """It is given within the same task as the press, while the server has not answered yet."""
    visitor = visit(1280, "en-US")
    page = visitor.page
    page.evaluate(
        """(text) => {
          const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
          document.querySelector("#example-3").click();
          dom.give("source-photo", new File([bytes], "own.png", { type: "image/png" }));
        }""",
        base64.b64encode(Path(face_file).read_bytes()).decode(),
    )
    page.wait_for_selector("#target-photo img[src$='target-3.jpg']")
    page.wait_for_selector("#source-notice .notice.fine")
    page.wait_for_selector(f"#state li:has-text('{say('need.consent')}')")
    given = visitor.settled(lambda: page.get_attribute("#source-photo img", "src"))
    assert given.endswith("/photo.png") and server.watched.calls == []
    visitor.consent()
    visitor.result()
    assert server.watched.calls == ["auto"]
    visitor.behaves()


def test_delete_my_photos_now(
    visit: Callable[..., Any],
    serve_page: Any,
    pipeline: Any,
    tmp_path: Path,
    face_file: str,
    photo_file: str,
) -> None:
    """Every file of the visit is gone at once, and the page is empty."""
    with serve_page(pipeline, tmp_path / "cache") as server:
        visitor = visit(390, "en-US", url=server.url)
        page = visitor.page
        visitor.choose("source", photo_file)
        visitor.choose("source", face_file)
        visitor.choose("target", photo_file)
        visitor.consent()
        visitor.result()
        assert "min" in page.inner_text("#view .left") and len(server.files()) >= 6
        page.click("#forget")
        page.wait_for_selector(f".notice.fine:has-text('{say('forgotten')}')")
        # Files of visitors lie in folders; Matplotlib's list of fonts, if this page is the first, not.
        assert {name for name in server.files() if "/" in name} == set()
        page.wait_for_selector("#state li")
        assert page.locator("#source-photo img, #target-photo img").count() == 0
        assert not page.is_visible("#jpeg") and "#" not in page.url
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
        visitor.behaves()


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
    fuse_two_photos(visitor)
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
    fuse_two_photos(visitor)
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
    """Also after an error; the result stays in the browser, and it is said what to do."""
    monkeypatch.setenv(LIFETIME_VARIABLE, "4")  # files are looked at twice a second
    with serve_page(pipeline, tmp_path / "cache") as server:
        server.sweeper.lifetime = 600  # and kept until the page has shown the result
        visitor = visit(390, "en-US", url=server.url)
        visitor.choose("source", face_file)
        visitor.choose("target", text_file)
        visitor.consent()
        visitor.choose("target", photo_file)
        visitor.result()
        assert {Path(name).suffix for name in server.files()} >= {".png", ".jpg"} and len(
            server.files()
        ) >= 5
        server.sweeper.lifetime = 0
        assert becomes_true(lambda: server.files() == set()), server.files()
        with visitor.page.expect_download() as download:
            visitor.page.click("#jpeg")
        with Image.open(download.value.path()) as image:
            assert image.format == "JPEG"
        visitor.page.click("#png")
        visitor.page.wait_for_selector(f"#view .told:has-text('{say('gone')[:40]}')")
        visitor.page.click("#fuse")
        told = str(DeletedPhotoError("source"))
        visitor.page.wait_for_selector(f"#source-notice .notice:has-text('{told}')")
        assert visitor.page.is_visible("#jpeg")


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
