"""Large photos wait for each other, in the order in which they came."""

from __future__ import annotations

import threading
import time

import pytest

from facefusion.decoding.budget import BusyError, PixelBudget
from tests.waiting import becomes_true


class Job(threading.Thread):
    """Holds pixels until it is told to end."""

    def __init__(
        self, budget: PixelBudget, pixels: int, order: list[int], seconds: float = 60
    ) -> None:
        super().__init__(daemon=True)
        self.budget, self.pixels, self.order = budget, pixels, order
        self.seconds = seconds
        self.holds, self.end = threading.Event(), threading.Event()

    def run(self) -> None:
        with self.budget.hold(self.pixels, self.seconds):
            self.order.append(self.pixels)
            self.holds.set()
            self.end.wait(60)

    def begin(self) -> Job:
        """Starts, and returns when it holds its pixels or waits for them."""
        waiting = self.budget.waiting
        self.start()
        assert becomes_true(lambda: self.holds.is_set() or self.budget.waiting > waiting)
        return self

    def finish(self) -> None:
        self.end.set()
        self.join(60)


def test_small_photos_go_side_by_side_and_the_next_waits() -> None:
    budget, order = PixelBudget(10), []
    first, second = Job(budget, 4, order).begin(), Job(budget, 5, order).begin()
    assert first.holds.is_set() and second.holds.is_set() and budget.free == 1
    third = Job(budget, 3, order).begin()
    assert not third.holds.is_set()
    first.finish()
    assert third.holds.wait(30) and budget.free == 2
    second.finish()
    third.finish()
    assert budget.free == 10 and order == [4, 5, 3]


def test_a_small_photo_overtakes_a_large_one_that_does_not_fit_yet() -> None:
    budget, order = PixelBudget(10), []
    first = Job(budget, 6, order).begin()
    large, small = Job(budget, 9, order).begin(), Job(budget, 1, order).begin()
    assert small.holds.wait(30) and not large.holds.is_set() and budget.free == 3
    first.finish()
    small.finish()
    assert large.holds.wait(30)
    large.finish()
    assert order == [6, 1, 9]


def test_a_large_photo_is_not_put_off_for_ever() -> None:
    budget, order = PixelBudget(10), []
    first = Job(budget, 6, order).begin()
    large = Job(budget, 9, order, seconds=0.2).begin()
    time.sleep(0.12)
    small = Job(budget, 1, order).begin()
    assert not small.holds.is_set() and not large.holds.is_set()
    first.finish()
    assert large.holds.wait(30)
    for job in (large, small):
        job.finish()
    assert order == [6, 9, 1]


def test_more_than_all_waits_for_all() -> None:
    budget, order = PixelBudget(10), []
    first = Job(budget, 1, order).begin()
    huge = Job(budget, 500, order).begin()
    assert not huge.holds.is_set()
    first.finish()
    assert huge.holds.wait(30) and budget.free == 0
    huge.finish()
    assert budget.free == 10


def test_whoever_waits_too_long_goes_and_lets_the_next_in() -> None:
    budget, order = PixelBudget(10), []
    first = Job(budget, 6, order).begin()
    with pytest.raises(BusyError), budget.hold(9, 0.01):
        pytest.fail("the pixels are held by another")
    last = Job(budget, 4, order).begin()
    assert last.holds.wait(30)
    for job in (first, last):
        job.finish()
    assert budget.free == 10 and budget.waiting == 0


def test_what_is_free_is_had_without_waiting() -> None:
    budget = PixelBudget(10)
    with budget.hold(10, 0), budget.hold(0, 0):
        assert budget.free == 0
        with pytest.raises(BusyError), budget.hold(1, 0):
            pytest.fail("there is nothing free")
    assert budget.free == 10


def test_pixels_are_given_back_whatever_happens() -> None:
    budget = PixelBudget(10)
    with pytest.raises(KeyError), budget.hold(7):
        raise KeyError
    assert budget.free == 10
    with pytest.raises(ValueError, match="at least one pixel"):
        PixelBudget(0)
