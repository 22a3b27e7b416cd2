"""Times of stages, also of those that ran at once."""

from __future__ import annotations

from time import perf_counter, sleep

import pytest

from facefusion.pipeline.clock import Clock


def test_what_ran_at_once_adds_up_to_the_time_that_passed() -> None:
    told: list[str] = []
    clock = Clock(lambda stage, share: told.append(stage))
    with clock.stage("detect"):
        sleep(0.01)
    before, begin = dict(clock.seconds), perf_counter()
    with clock.side_by_side() as (mine, other):
        with mine.stage("mesh"), other.stage("detect"):
            sleep(0.12)
        with other.stage("mesh"):
            sleep(0.06)
    passed = perf_counter() - begin
    assert told == ["detect", "mesh"] and list(clock.seconds) == ["detect", "mesh"]
    assert sum(clock.seconds.values()) - before["detect"] == pytest.approx(passed, rel=0.1)
    assert clock.seconds["mesh"] == pytest.approx(0.6 * passed, rel=0.2)


def test_idle_time_is_no_stage() -> None:
    clock = Clock(None)
    with clock.side_by_side() as (mine, _):
        with mine.stage("mesh"):
            sleep(0.03)
        sleep(0.15)
    assert 0.029 < clock.seconds["mesh"] < 0.12
    with clock.side_by_side():
        pass
    assert list(clock.seconds) == ["mesh"]


def test_a_stage_of_another_thread_counts_from_the_end_of_the_last_one() -> None:
    clock = Clock(None)
    with clock.stage("draft"):
        pass
    drafted = clock.ended
    clock.add_until("refine", drafted - 1)
    assert clock.seconds["refine"] == 0 and clock.ended == drafted
    for end in (2, 5):  # two faces, one after the other
        clock.add_until("refine", drafted + end)
    assert clock.seconds["refine"] == pytest.approx(5)
