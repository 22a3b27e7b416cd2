"""Times as the visitor waits them, in a browser."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_times_are_those_that_the_visitor_waits(visit: Callable[..., Any], server: Any) -> None:
    """Below the result what it took, and beside each tier what a result of these photos takes."""
    visitor = visit(390, "zh-CN")
    page = visitor.page
    visitor.choose("source", str(EXAMPLES / "portrait-3.jpg"))
    visitor.choose("target", str(EXAMPLES / "portrait-1.jpg"))
    server.watched.hold = threading.Event()
    visitor.consent()
    page.wait_for_selector("#view .view[data-state=draft]")
    page.wait_for_timeout(2000)
    assert page.locator("#view .waited").inner_text() == ""
    server.watched.hold.set()
    visitor.result()
    pattern = re.escape(visitor.say("waited")).replace(re.escape("%(seconds)s"), r"([\d.]+)")
    waited = re.fullmatch(pattern, page.inner_text("#view .waited"))
    assert waited and 2.0 < float(waited.group(1)) < 20

    visitor.open("fine")
    labels = page.locator("#tier label").all_inner_texts()
    seconds = [float(each.partition(" · ")[2].split()[0]) for each in labels[1:]]
    # The fusions alone take 0.2, 0.3 and 0.44 s, see `tests.page_server.SPEED`.
    assert len(seconds) == 3 and seconds == sorted(seconds) and seconds[0] > 2.0
    assert page.locator("#tier input:checked").get_attribute("value") == "auto"
    visitor.fits()
    visitor.behaves()
