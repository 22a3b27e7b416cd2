"""Pictures of the page for the documentation, in a real browser: `python -m benchmarks.walk --screenshots docs`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page

EXAMPLES: Final = Path(__file__).resolve().parent.parent / "examples"
#: Name, width, language, colours and content of each picture.
PICTURES: Final = (
    ("page-first", 1280, "zh-CN", "light", "first"),
    ("page-first-phone", 390, "en-US", "dark", "first"),
    ("page-laptop", 1280, "en-US", "light", "visit"),
    ("page-phone", 390, "zh-CN", "dark", "visit"),
    ("page-repair", 1280, "zh-CN", "dark", "repair"),
    ("page-repair-phone", 390, "en-US", "light", "repair"),
    ("page-settings-phone", 390, "zh-CN", "light", "settings"),
    ("page-group", 1280, "en-US", "light", "group"),
    ("page-group-phone", 390, "zh-CN", "dark", "group"),
    ("page-error", 1280, "zh-CN", "light", "error"),
    ("page-error-phone", 390, "en-US", "dark", "error"),
    ("page-steps", 1280, "en-US", "dark", "steps"),
)
#: Quality of the JPEG files: letters stay sharp, and all of them together have below 1.5 MB.
QUALITY: Final = 72


def take(browser: Browser, url: str, folder: Path) -> None:
    """Writes all pictures into a folder.

    Args:
        browser: a running browser.
        url: of the page.
        folder: where the files go.
    """
    for name, *how in PICTURES:
        (folder / f"{name}.jpg").write_bytes(_picture(browser, url, *how))


def _picture(browser: Browser, url: str, width: int, locale: str, scheme: Any, what: str) -> bytes:
    """Takes a JPEG of the page, from its top to the end of its contents."""
    context = browser.new_context(
        viewport={"width": width, "height": 844},
        locale=locale,
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#state li")
    SCENES[what](page)
    page.mouse.move(0, 0)
    if what != "settings":
        page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(1000)
    if what == "steps":
        shot = page.locator("#details").screenshot(type="jpeg", quality=QUALITY)
    elif what == "settings":
        shot = page.screenshot(type="jpeg", quality=QUALITY)
    else:
        box = page.locator("#body").bounding_box() or {"y": 0, "height": 900}
        clip = {"x": 0, "y": 0, "width": width, "height": box["y"] + box["height"] + 16}
        shot = page.screenshot(type="jpeg", quality=QUALITY, full_page=True, clip=clip)
    context.close()
    return shot


def _first(page: Page) -> None:
    """Leaves the page as it opens."""
    page.wait_for_selector("#view .view[data-state=example]")


def _fuse(page: Page, photo: int = 2) -> None:
    """Puts a face into a ready photo, by its number."""
    page.set_input_files("#source-photo input[type=file]", EXAMPLES / "ready" / "face-2.jpg")
    target = EXAMPLES / "ready" / f"target-{photo}.jpg"
    page.set_input_files("#target-photo input[type=file]", target)
    page.wait_for_selector("#target-notice .notice")
    page.click(".select-all-checkbox")
    _finish(page, "")


def _finish(page: Page, before: str) -> None:
    """Waits for a finished result that is not the one before."""
    page.wait_for_selector(f"#view .view[data-state=result]:not([data-file='{before}'])")
    page.wait_for_selector("#png:enabled")


def _visit(page: Page) -> None:
    """Makes three results, which the strip of this visit shows."""
    _fuse(page, photo=4)
    for press in ("#example-8", "#example-2"):
        before = page.get_attribute("#view .view", "data-file") or ""
        page.click(press)
        _finish(page, before)
    page.wait_for_selector("#visit .strip button:nth-of-type(3)")


def _repair(page: Page) -> None:
    """Brings the mouth of the photo back, and paints at an eye."""
    _fuse(page)
    page.click("#repair")
    page.wait_for_selector("#view .layer")
    page.click("[data-part=mouth]")
    box = page.locator("#view .layer").bounding_box() or {}
    page.mouse.move(box["x"] + 0.36 * box["width"], box["y"] + 0.41 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.42 * box["height"], steps=4)
    page.mouse.up()


def _settings(page: Page) -> None:
    """Moves a slider, with the small copy of the result beside it."""
    _fuse(page)
    page.click("#fine > button")
    slider = page.locator("#likeness input[type=range]")
    slider.evaluate("(each) => each.scrollIntoView({ block: 'center' })")
    page.wait_for_selector("#peek")
    before = page.get_attribute("#view .view", "data-file") or ""
    slider.press("End")
    _finish(page, before)


def _group(page: Page) -> None:
    """Gives a photo of three people, of whom the first and the last get other faces."""
    people = [
        np.asarray(Image.open(EXAMPLES / f"portrait-{i}.jpg", formats=["JPEG"]).convert("RGB"))
        for i in (1, 3, 4)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "group.jpg")
        Image.fromarray(np.hstack(people)).save(path, quality=92)
        page.set_input_files("#source-photo input[type=file]", EXAMPLES / "portrait-2.jpg")
        page.set_input_files("#target-photo input[type=file]", path)
        page.wait_for_selector("#target-photo .frames button:nth-of-type(3)")
        page.set_input_files("#person-2-photo input[type=file]", EXAMPLES / "ready" / "face-3.jpg")
    for face, person in ((2, 0), (3, 2), (1, 1)):
        page.click(f"#target-photo .frames [data-face='{face}']")
        page.click(f"#faces [data-person='{person}']")
    page.wait_for_selector("#person-2-notice .notice")
    page.click(".select-all-checkbox")
    _finish(page, "")
    page.wait_for_selector("#done table")


def _error(page: Page) -> None:
    """Gives a photo without a face after a result, which stays."""
    _fuse(page)
    page.locator("#target-photo .icon-button-wrapper button").last.click()
    page.wait_for_selector("#target-photo img", state="detached")
    y, x = np.mgrid[:480, :640]
    landscape = np.stack([70 + x * 0.1, 120 + y * 0.2, 220 - y * 0.3], axis=-1).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "landscape.png")
        Image.fromarray(landscape).save(path)
        page.set_input_files("#target-photo input[type=file]", path)
        page.wait_for_selector("#target-notice .problem")


def _steps(page: Page) -> None:
    """Compares the tiers, and opens the steps."""
    _fuse(page)
    page.click("#details > button")
    page.click("#compare")
    page.wait_for_selector("#tiers figure:nth-of-type(3)")
    page.click("#how > button")
    page.wait_for_selector("#steps figure:nth-of-type(7) >> visible=true")


SCENES: Final[dict[str, Callable[[Page], None]]] = {
    "first": _first,
    "visit": _visit,
    "repair": _repair,
    "settings": _settings,
    "group": _group,
    "error": _error,
    "steps": _steps,
}
