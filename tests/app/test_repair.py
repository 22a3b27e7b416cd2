"""The brush that brings places of the photo back, in a browser: pixels, mark, metadata, undo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from facefusion.images.saving import COMMENT, SOURCE_TYPE
from facefusion.words import say

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PHOTO = EXAMPLES / "portrait-1.jpg"
#: Largest difference of a value after a JPEG of the best quality.
CLOSE = 5


def fuse(visitor: Any, photo: str = str(PHOTO)) -> None:
    visitor.choose("source", str(EXAMPLES / "portrait-3.jpg"))
    visitor.choose("target", photo)
    visitor.consent()
    visitor.result()


def take_brush(visitor: Any) -> list[str]:
    """Opens the brush, and returns the list of what is asked of the server from then on."""
    page, asked = visitor.page, []
    page.click("#repair")
    page.wait_for_selector("#view .layer")
    page.on("request", lambda each: asked.append(each.url) if each.url.startswith("http") else None)
    return asked


def slide(page: Any, name: str, value: int) -> None:
    page.eval_on_selector(
        f"#repair-{name}",
        "(e, value) => { e.value = value; e.dispatchEvent(new Event('input', { bubbles: true })); }",
        value,
    )


def place(page: Any, x: float, y: float) -> tuple[float, float]:
    """Returns where a share of the picture's width and height is on the screen."""
    box = page.locator("#view .frame").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def paint(page: Any, *points: tuple[float, float]) -> None:
    page.locator("#view .frame").scroll_into_view_if_needed()
    page.mouse.move(*place(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(page, *point), steps=4)
    page.mouse.up()


def keep(page: Any) -> None:
    before = page.get_attribute("#view .view", "data-file")
    page.click("#repair-done")
    page.wait_for_selector("#view .view:not([data-mode])")
    page.wait_for_function(
        "old => document.querySelector('#view .view').dataset.file !== old", arg=before
    )


def pixels(path: Any) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def saved(page: Any, name: str = "jpeg") -> Path:
    with page.expect_download() as download:
        page.click(f"#{name}")
    return Path(download.value.path())


def opacity(page: Any, x: float, y: float) -> int:
    """Returns how much of the photo before is there, of 255."""
    return int(
        page.eval_on_selector(
            "#view .layer",
            """(e, [x, y]) => e.getContext('2d')
            .getImageData(Math.floor(x * e.width), Math.floor(y * e.height), 1, 1).data[3]""",
            [x, y],
        )
    )


def test_the_photo_comes_back_below_the_brush(visit: Callable[..., Any]) -> None:
    visitor = visit(390, "zh-CN")
    page = visitor.page
    fuse(visitor)
    result, photo = pixels(saved(page)), pixels(PHOTO)
    asked = take_brush(visitor)
    assert not page.is_visible("#jpeg") and page.is_disabled("#repair-undo")
    slide(page, "size", 20)
    slide(page, "edge", 40)
    paint(page, (0.35, 0.42), (0.65, 0.42))
    keep(page)
    path = saved(page)
    repaired = pixels(path)
    assert asked == []
    height, width = photo.shape[:2]
    y, x = np.mgrid[:height, :width] + 0.5
    radius = 0.1 * min(width, height)
    away = np.hypot(x - np.clip(x, 0.35 * width, 0.65 * width), y - 0.42 * height)
    core, outside = away < 0.6 * radius - 2, away > radius + 2
    assert np.abs(photo - result)[core].max() > 30  # or nothing would be shown by this test
    assert np.abs(repaired - photo)[core].max() <= CLOSE
    assert np.abs(repaired - result)[outside].max() <= CLOSE
    # In the soft edge each value lies between both pictures.
    low, high = np.minimum(photo, result) - CLOSE, np.maximum(photo, result) + CLOSE
    assert ((repaired >= low) & (repaired <= high)).all()

    with Image.open(path) as image:
        assert image.format == "JPEG" and SOURCE_TYPE.encode() in image.info["xmp"]
        assert image.info["comment"] == COMMENT.encode()
    with Image.open(saved(page, "png")) as image:
        assert image.format == "PNG" and image.size == (width, height)
        assert SOURCE_TYPE in image.info["XML:com.adobe.xmp"] and image.info["Comment"] == COMMENT
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - repaired).max() <= 2
    assert asked == []
    assert page.locator("#visit .strip button").count() == 2
    visitor.fits()
    visitor.behaves()


def test_the_photo_itself_comes_back_and_the_mark_stays(
    visit: Callable[..., Any],
    save: Callable[..., str],
    astronaut: np.ndarray,
) -> None:
    """Of a photo that is larger than what the view shows, and by the largest brush."""
    large = cv2.resize(astronaut, (1600, 1600), interpolation=cv2.INTER_CUBIC)
    large[::2, ::2] //= 2  # lost in a smaller copy
    photo = save(large, ".jpg", quality=97, subsampling=0)
    visitor = visit(1280, "en-US")
    page = visitor.page
    fuse(visitor, photo)
    result, before = pixels(saved(page)), pixels(photo)
    box = [int(each) for each in page.get_attribute("#made data", "data-mark").split(" ")]
    left, top, right, bottom = box
    assert right - left > 260 and bottom - top > 80
    take_brush(visitor)
    slide(page, "size", 40)
    slide(page, "edge", 0)
    middle = ((left + right) / 3200, (top + bottom) / 3200)
    paint(page, middle, (0.6, 0.6), middle)
    assert opacity(page, *middle) == 0 and opacity(page, 0.6, 0.6) == 255
    keep(page)
    repaired = pixels(saved(page))
    mark = (slice(top, bottom), slice(left, right))
    assert np.abs(repaired - result)[mark].max() <= CLOSE
    back = (slice(860, 1060), slice(860, 1060))
    assert np.abs(repaired - before)[back].max() <= CLOSE
    visitor.behaves()


def test_a_deleted_photo_comes_back_from_its_smaller_copy(
    visit: Callable[..., Any], save: Callable[..., str], astronaut: np.ndarray
) -> None:
    large = cv2.resize(astronaut, (1600, 1600), interpolation=cv2.INTER_CUBIC)
    visitor = visit(390, "en-US")
    page = visitor.page
    fuse(visitor, save(large, ".jpg", quality=95))
    original = page.get_attribute("#made data", "data-original")
    page.route(f"**/{original}", lambda route: route.fulfill(status=404))
    visitor.errors.clear()
    take_brush(visitor)
    assert page.inner_text("#view .told") == say("repair.soft")
    paint(page, (0.5, 0.5))
    keep(page)
    repaired = pixels(saved(page))
    assert np.abs(repaired[780:820, 780:820] - large[780:820, 780:820]).mean() < 8


def test_a_transparent_photo_stays_transparent(
    visit: Callable[..., Any], astronaut: np.ndarray, tmp_path: Path
) -> None:
    alpha = np.full(astronaut.shape[:2], 255, np.uint8)
    alpha[:, :60], alpha[:30] = 120, 0
    photo = tmp_path / "cut-out.png"
    Image.fromarray(np.dstack([astronaut, alpha])).save(photo)
    visitor = visit(1280, "en-US")
    page = visitor.page
    fuse(visitor, str(photo))
    asked = take_brush(visitor)
    paint(page, (0.1, 0.5), (0.5, 0.3))
    keep(page)
    jpeg = pixels(saved(page))
    with Image.open(saved(page, "png")) as image:
        assert image.mode == "RGBA"
        repaired = np.asarray(image)
    assert asked == []
    mark = [int(each) for each in page.get_attribute("#made data", "data-mark").split(" ")]
    alpha[mark[1] : mark[3], mark[0] : mark[2]] = 255
    np.testing.assert_array_equal(repaired[..., 3], alpha)
    over_white = Image.new("RGB", (512, 512), "white")
    over_white.paste(Image.fromarray(repaired), mask=Image.fromarray(alpha))
    assert np.abs(np.asarray(over_white).astype(int) - jpeg)[alpha > 0].max() <= 4
    visitor.behaves()


def test_every_step_can_be_taken_back(visit: Callable[..., Any]) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    fuse(visitor)
    first = page.get_attribute("#view .view", "data-file")
    take_brush(visitor)
    paint(page, (0.4, 0.4))
    paint(page, (0.4, 0.7), (0.5, 0.7))
    assert opacity(page, 0.4, 0.4) == opacity(page, 0.45, 0.7) == 255
    page.click("#repair-undo")
    assert opacity(page, 0.4, 0.4) == 255 and opacity(page, 0.45, 0.7) == 0
    paint(page, (0.4, 0.7))
    page.click("#repair-clear")
    assert opacity(page, 0.4, 0.4) == opacity(page, 0.4, 0.7) == 0
    assert page.is_disabled("#repair-undo") and page.is_disabled("#repair-clear")
    paint(page, (0.4, 0.4))
    page.click("#repair-leave")
    assert page.get_attribute("#view .view", "data-file") == first
    assert page.locator("#visit .strip button").count() == 1  # nothing was made

    # What was kept is a result beside the other, and its steps can still be taken back.
    take_brush(visitor)
    paint(page, (0.4, 0.4))
    keep(page)
    assert page.locator("#visit .strip button").count() == 2
    take_brush(visitor)
    assert opacity(page, 0.4, 0.4) == 255
    page.click("#repair-undo")
    assert opacity(page, 0.4, 0.4) == 0
    keep(page)
    assert page.get_attribute("#view .view", "data-file") == first
    visitor.behaves()


def test_eyes_and_mouth_come_back_by_name(visit: Callable[..., Any], pipeline: Any) -> None:
    visitor = visit(390, "zh-CN")
    page = visitor.page
    fuse(visitor)
    photo = pixels(PHOTO)
    mesh = pipeline.find_faces(photo.astype(np.uint8))[0].mesh
    height, width = photo.shape[:2]
    eyes = [mesh[[33, 133], :2].mean(0), mesh[[263, 362], :2].mean(0)]
    mouth = mesh[[13, 14], :2].mean(0)
    take_brush(visitor)
    page.click("#repair-eyes")
    for x, y in eyes:
        assert opacity(page, float(x / width), float(y / height)) == 255
    mouth = [float(each) for each in mouth]
    assert opacity(page, mouth[0] / width, mouth[1] / height) == 0
    page.click("#repair-mouth")
    assert opacity(page, mouth[0] / width, mouth[1] / height) == 255
    page.click("#repair-hair")
    page.click("#repair-undo")
    page.click("#repair-undo")
    page.click("#repair-undo")  # both eyes are one step
    assert page.is_disabled("#repair-undo")
    visitor.fits()
    visitor.behaves()


def test_the_brush_by_keyboard(visit: Callable[..., Any]) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    fuse(visitor)
    page.wait_for_selector("#repair:enabled")
    page.focus("#repair")
    page.keyboard.press("Enter")
    page.wait_for_selector("#view .layer")
    assert page.evaluate("document.activeElement.className") == "layer"
    assert page.get_attribute("#view .layer", "aria-label") == say("repair.brush")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#repair-keys") == say("repair.keys")
    assert opacity(page, 0.5, 0.5) == 0
    page.keyboard.press("Space")
    assert opacity(page, 0.475, 0.5) == 255  # a step is half of the brush's radius
    page.keyboard.press("Control+z")
    assert opacity(page, 0.475, 0.5) == 0
    for _ in range(6):
        page.keyboard.press("Shift+ArrowDown")
    assert opacity(page, 0.475, 0.6) == 255
    scrolled = page.evaluate("scrollY")
    page.keyboard.press("Space")
    assert page.evaluate("scrollY") == scrolled
    for name in ("#repair-eyes", "#repair-size", "#repair-edge", "#repair-undo", "#repair-done"):
        for _ in range(12):
            if page.evaluate("name => document.activeElement.matches(name)", name):
                break
            page.keyboard.press("Tab")
        else:
            raise AssertionError(f"{name} cannot be reached")
    page.keyboard.press("Enter")
    page.wait_for_selector("#view .view:not([data-mode])")
    page.wait_for_function("document.activeElement.id === 'repair'")
    visitor.behaves()


def test_the_brush_by_touch(visit: Callable[..., Any]) -> None:
    """A finger that paints does not scroll the page."""
    visitor = visit(390, "en-US")
    page = visitor.page
    fuse(visitor)
    take_brush(visitor)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    scrolled = page.evaluate("scrollY")
    for kind, y in (("touchStart", 0.7), ("touchMove", 0.5), ("touchMove", 0.3), ("touchEnd", 0)):
        x, top = place(page, 0.5, y)
        points = [] if kind == "touchEnd" else [{"x": x, "y": top}]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_function("!document.querySelector('#repair-undo').disabled")
    assert opacity(page, 0.5, 0.68) == opacity(page, 0.5, 0.4) == 255
    assert page.evaluate("scrollY") == scrolled
    keep(page)
    visitor.behaves()


def test_a_new_result_does_not_take_the_repair_away(visit: Callable[..., Any]) -> None:
    visitor = visit(1280, "en-US")
    page = visitor.page
    fuse(visitor)
    visitor.open("fine")
    take_brush(visitor)
    paint(page, (0.4, 0.4))
    page.click("#tier label:nth-of-type(2)")
    visitor.result()
    assert page.locator("#visit .strip button").count() == 3
    assert page.locator("#view .layer").count() == 0 and page.is_visible("#jpeg")
    page.locator("#visit .strip button >> nth=1").click()
    page.wait_for_selector("#view .view[data-file=repaired-1]")
    visitor.behaves()


def test_axe_finds_nothing_serious_at_the_brush(visit: Callable[..., Any]) -> None:
    """Also with the strip of two results; and everything is large enough for a thumb."""
    visitor = visit(320, "en-US")
    page = visitor.page
    fuse(visitor)
    take_brush(visitor)
    paint(page, (0.4, 0.4))
    keep(page)
    page.wait_for_selector("#visit .strip button:nth-of-type(2)")
    take_brush(visitor)
    small = page.eval_on_selector_all(
        "#outcome :is(button, input)",
        """all => all.filter((e) => e.checkVisibility()).map((e) => [e.id, e.getBoundingClientRect()])
        .filter(([, box]) => box.width < 43.5 || box.height < 43.5).map(([id]) => id)""",
    )
    assert small == []
    assert visitor.barriers() == []
    visitor.fits()
