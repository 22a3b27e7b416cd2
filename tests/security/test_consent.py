"""Nothing is made without consent, whatever is said in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.server import Server
from benchmarks.visitors import API, Visitor

Told = Callable[..., str]


@pytest.mark.parametrize(
    "value", [False, None, 0, 1, 1.0, "true", "True", "on", "", [], [True], {}, {"value": True}]
)
def test_a_program_must_say_true(
    visitor: Visitor, photo: dict[str, Any], server: Server, told: Told, value: Any
) -> None:
    before = set(server.files())
    answer = visitor.call("fuse", [photo, photo, "fast", [], 0.5, 1, value])
    told(answer)
    assert not answer.has_result and set(server.files()) == before


def test_a_program_must_say_it(visitor: Visitor, photo: dict[str, Any], told: Told) -> None:
    for data in ([photo, photo, "fast", [], 0.5, 1], [photo, photo]):
        told(visitor.call("fuse", data))
    body = {"source": photo, "target": photo, "tier": "fast"}
    answer = visitor.post(f"{API}/call/v2/fuse", body)
    told(answer if answer.refused else visitor.result("fuse", answer.data["event_id"]))


@pytest.mark.parametrize("listener", ["fuse_on_page", "compare_on_page"])
@pytest.mark.parametrize(
    "value",
    [
        [],
        ["rights"],
        ["decent"],
        ["rights", "rights"],
        ["rights", "decent", "more"],
        ["Rights", "Decent"],
        ["rights decent"],
        [["rights", "decent"]],
        "rights",
        {"rights": False},
        None,
        True,
        7,
    ],
    ids=repr,
)
def test_the_page_must_have_both(
    visitor: Visitor, photo: dict[str, Any], server: Server, listener: str, value: Any
) -> None:
    before = set(server.files())
    answer = visitor.fuse_on_page(photo, None, None, photo, None, listener=listener, consent=value)
    assert not answer.has_result and b"data:image" not in answer.body
    assert set(server.files()) == before
    assert b"notice problem" in answer.body or answer.sentence


def test_no_other_listener_makes_anything(
    visitor: Visitor, photo: dict[str, Any], server: Server
) -> None:
    for name in visitor.listeners():
        if name not in ("fuse_on_page", "compare_on_page", "fuse", "detect"):
            for data in ([], [photo], [photo, None], [photo, photo]):
                assert not visitor.trigger(name, data).has_result
