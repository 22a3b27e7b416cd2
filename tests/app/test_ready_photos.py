"""The page's ready photos in a browser."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from facefusion.images.saving import SOURCE_TYPE
from facefusion.words import say


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
