"""Photos that ask for more memory or time than there is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from benchmarks.hostile import BOMBS, face
from benchmarks.processes import PeakMemory
from benchmarks.visitors import Answer, Visitor

#: Megabytes above rest: at most while photos are decoded, and at most afterwards.
MOST_ABOVE_REST = 1200
LEFT_ABOVE_REST = 100
#: Side in pixels of a square photo of 62 megapixels.
SIDE = 7900
#: Those that come at once; the others come one by one.
AT_ONCE = ("webp 64 MP", "png 64 MP RGBA", "png 64 MP grey", "bmp of 12,000,000 runs")

Told = Callable[..., str]


@pytest.fixture(scope="module")
def large() -> bytes:
    """A photo of 62 megapixels with a face, as a JPEG of a few megabytes."""
    return face(SIDE)


@pytest.mark.parametrize("name", [name for name in BOMBS if name not in AT_ONCE])
def test_a_bomb_is_refused_and_forgotten(
    attacked: Any, visitor: Visitor, told: Told, name: str
) -> None:
    photo = visitor.upload(BOMBS[name]())
    with PeakMemory(attacked.server.memory) as peak:
        answer = visitor.call("detect", [photo])
    told(answer)
    assert peak.highest - attacked.rest < MOST_ABOVE_REST
    assert (
        attacked.server.settled_memory(attacked.rest + LEFT_ABOVE_REST)
        <= attacked.rest + LEFT_ABOVE_REST
    )


@pytest.mark.parametrize("place", range(5))
def test_a_bomb_is_refused_by_the_page(
    attacked: Any, visitor: Visitor, photo: dict[str, Any], place: int
) -> None:
    photos: list[Any] = [photo, None, None, photo, None]
    photos[place] = visitor.upload(BOMBS["webp 178 MP"]())
    with PeakMemory(attacked.server.memory) as peak:
        answer = visitor.fuse_on_page(*photos)
    if (
        place < 4
    ):  # with one face there is nothing for a second person, and its photo is not looked at
        assert not answer.has_result and b"notice problem" in answer.body
    assert peak.highest - attacked.rest < MOST_ABOVE_REST


def test_four_large_photos_at_once(
    attacked: Any, stranger: Callable[[], Visitor], large: bytes, told: Told
) -> None:
    def come(_: int) -> Answer:
        visitor = stranger()
        return visitor.call("detect", [visitor.upload(large)])

    with PeakMemory(attacked.server.memory) as peak, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(come, range(4)))
        assert stranger().get("/config").status == 200
    for answer in answers:
        assert answer.has_result or told(answer)
    assert any(answer.has_result for answer in answers)
    assert peak.highest - attacked.rest < MOST_ABOVE_REST
    assert (
        attacked.server.settled_memory(attacked.rest + LEFT_ABOVE_REST)
        <= attacked.rest + LEFT_ABOVE_REST
    )


def test_bombs_at_once_hold_nobody_up(
    attacked: Any, stranger: Callable[[], Visitor], told: Told
) -> None:
    bombs = [BOMBS[name]() for name in AT_ONCE]

    def come(bomb: bytes) -> Answer:
        visitor = stranger()
        return visitor.call("detect", [visitor.upload(bomb)])

    with PeakMemory(attacked.server.memory) as peak, ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(come, bomb) for bomb in bombs]
        honest = stranger()
        photo = honest.upload(face())
        assert honest.fuse(photo, photo).has_result
        assert all(told(answer.result()) for answer in answers)
    assert peak.highest - attacked.rest < MOST_ABOVE_REST
    assert (
        attacked.server.settled_memory(attacked.rest + LEFT_ABOVE_REST)
        <= attacked.rest + LEFT_ABOVE_REST
    )


def test_a_photo_of_48_megapixels_is_none(visitor: Visitor) -> None:
    assert visitor.call("detect", [visitor.upload(face(6900))]).has_result
