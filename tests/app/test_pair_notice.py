"""What the page says of two photos together, in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_a_pair_is_judged_once_both_photos_are_in(
    visit: Callable[..., Any],
    save: Callable[..., str],
    astronaut: np.ndarray,
) -> None:
    """The same photo twice, a much smaller face, a good pair; and nothing for one photo alone."""
    visitor = visit(390, "zh-CN")
    page = visitor.page
    notice = page.locator("#pair-notice .notice >> visible=true")
    small = save(np.ascontiguousarray(astronaut[::2, ::2]))
    visitor.choose("source", str(EXAMPLES / "portrait-1.jpg"))
    assert notice.count() == 0
    visitor.choose("target", str(EXAMPLES / "portrait-1.jpg"))
    page.wait_for_selector(f"#pair-notice:has-text('{visitor.say('pair.same')}')")
    visitor.choose("source", small)
    page.wait_for_selector(f"#pair-notice:has-text('{visitor.say('pair.small')}')")
    boxes = [page.locator(f"#{name}").bounding_box() for name in ("photos", "pair-notice")]
    assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
    visitor.fits()
    visitor.choose("source", str(EXAMPLES / "portrait-3.jpg"))
    notice.wait_for(state="hidden")
    visitor.behaves()


def test_the_last_pair_is_checked(server: Any) -> None:
    """Also one that is chosen while an earlier one is being checked: Gradio would leave it out."""
    found = [
        fn for fn in server.demo.fns.values() if getattr(fn.fn, "__name__", "") == "check_pair"
    ]
    assert found and {fn.trigger_mode for fn in found} == {"always_last"}
