"""What `Tier.AUTO` chooses: by the face, the machine, the time there is and who else waits. The
clock is fake.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack

import numpy as np
import pytest

from facefusion import FusionPipeline, Swap, Tier, TierReason
from facefusion.auto.chooser import HALF_LIFE, RATIOS, TierChooser, work
from facefusion.auto.speed import FACE_SIDE, Speed
from facefusion.auto.traffic import Traffic

FAST, BALANCED, BEST = Tier.FAST, Tier.BALANCED, Tier.BEST
#: In all 0.15, 0.2 and 0.3 seconds.
SPEED = Speed(0.1, {FAST: 0.05, BALANCED: 0.1, BEST: 0.2})
LARGE = 600.0


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def chooser(clock: Clock) -> TierChooser:
    return TierChooser(lambda: SPEED, budget=0.8, clock=clock)


@pytest.mark.parametrize(
    ("size", "tier", "reason"),
    [
        (60, FAST, TierReason.SMALL_FACE),  # the coarse network sees it whole
        (76, FAST, TierReason.SMALL_FACE),
        (78, BALANCED, TierReason.SMALL_FACE),
        (90, BALANCED, TierReason.SMALL_FACE),  # 512 would only enlarge it
        (153, BALANCED, TierReason.SMALL_FACE),
        (155, BEST, TierReason.FITS_BUDGET),
        (3000, BEST, TierReason.FITS_BUDGET),
    ],
)
def test_a_face_gets_no_more_than_can_be_seen(
    chooser: TierChooser, size: float, tier: Tier, reason: TierReason
) -> None:
    choice = chooser.choose(size, elapsed=0.1)
    assert (choice.tier, choice.reason, choice.face_size) == (tier, reason, size)


def test_the_work_of_a_tier() -> None:
    assert work(BEST, 60) == (128, 0)
    assert work(BEST, 90) == work(BALANCED, 90) == (256, 256)
    assert work(BEST, 200) == (384, 384)
    assert (
        work(BEST, LARGE) == (1024, 512)
        and work(BALANCED, LARGE) == (1024, 256)
        and work(FAST, LARGE) == (1024, 0)
    )
    assert [work(tier, 4 * LARGE)[0] for tier in (FAST, BALANCED, BEST)] == [1024, 1536, 2048]


@pytest.mark.parametrize(
    ("budget", "tier", "reason"),
    [
        (0.31, BEST, TierReason.FITS_BUDGET),
        (0.29, BALANCED, TierReason.TOO_SLOW),
        (0.19, FAST, TierReason.TOO_SLOW),
        (0.01, FAST, TierReason.TOO_SLOW),  # nothing fits: the quickest
    ],
)
def test_the_budget_holds(
    chooser: TierChooser, budget: float, tier: Tier, reason: TierReason
) -> None:
    choice = chooser.choose(LARGE, elapsed=0.1, budget=budget)
    assert (choice.tier, choice.reason) == (tier, reason)
    assert choice.expected_seconds == pytest.approx({FAST: 0.15, BALANCED: 0.2, BEST: 0.3})
    own = TierChooser(lambda: SPEED, budget=budget).choose(LARGE, elapsed=0.1)
    assert own.tier is tier


def test_time_that_has_passed_and_more_faces_count(chooser: TierChooser) -> None:
    assert chooser.choose(LARGE, elapsed=0.65).tier is BALANCED
    assert (
        chooser.choose(LARGE, faces=3).tier is BEST
        and chooser.choose(LARGE, faces=5).tier is BALANCED
    )
    assert chooser.choose(LARGE, elapsed=0.1, faces=4).expected_seconds[FAST] == pytest.approx(0.3)


def test_a_face_between_is_expected_between(chooser: TierChooser) -> None:
    expected = chooser.choose(200).expected_seconds  # refined at 384
    assert expected[BALANCED] == pytest.approx(0.1)
    assert expected[BEST] == pytest.approx(0.1 + 0.1 * (384**2 - 256**2) / (512**2 - 256**2))


def test_it_steps_down_while_others_wait_and_recovers(chooser: TierChooser) -> None:
    queue = [0]
    chooser.traffic.set_queue_counter(lambda: queue[0])
    chosen = []
    with chooser.traffic.running_one():
        for queue[0] in (0, 1, 2, 3, 4, 9, 3, 0):
            choice = chooser.choose(LARGE, elapsed=0.1)
            chosen.append((choice.tier, choice.reason))
    fits, busy = TierReason.FITS_BUDGET, TierReason.BUSY
    assert chosen == [
        (BEST, fits), (BEST, fits), (BALANCED, busy), (BALANCED, busy), (FAST, busy), (FAST, busy), (BALANCED, busy),
        (BEST, fits),
    ]  # fmt: skip


def test_there_is_more_time_while_nobody_waits() -> None:
    """Two to three seconds alone; a machine that needs 0.9 s for the best gives less to a queue."""
    slow, queue = TierChooser(lambda: SPEED.scaled(3)), [0]
    slow.traffic.set_queue_counter(lambda: queue[0])
    assert 2 <= slow.budget <= 3 and slow.busy_budget < 1
    with slow.traffic.running_one():
        alone = slow.choose(LARGE, elapsed=0.3)
        assert (alone.tier, alone.reason) == (BEST, TierReason.FITS_BUDGET)
        queue[0] = 1
        busy = slow.choose(LARGE, elapsed=0.3)
        assert (busy.tier, busy.reason) == (FAST, TierReason.BUSY)
        asked = slow.choose(LARGE, elapsed=0.3, budget=2.5)  # one's own budget holds in a queue too
        assert asked.tier is BEST
        queue[0] = 0
        assert slow.choose(LARGE, elapsed=0.3).tier is BEST
    slower = TierChooser(lambda: SPEED.scaled(12)).choose(LARGE, elapsed=1.2)
    assert (slower.tier, slower.reason) == (BALANCED, TierReason.TOO_SLOW)


def test_a_short_budget_is_no_longer_in_a_queue() -> None:
    chooser = TierChooser(lambda: SPEED, budget=0.08)
    chooser.traffic.set_queue_counter(lambda: 1)
    assert chooser.busy_budget == 0.08 and chooser.choose(LARGE).tier is FAST


def test_those_that_run_count_too(chooser: TierChooser) -> None:
    with ExitStack() as others:
        for _ in range(4):
            others.enter_context(chooser.traffic.running_one())
        assert chooser.choose(LARGE, elapsed=0.1).tier is BALANCED
    assert chooser.choose(LARGE, elapsed=0.1).tier is BEST


def test_a_machine_that_has_become_slow_is_noticed_and_forgiven(
    chooser: TierChooser, clock: Clock
) -> None:
    assert chooser.choose(LARGE).tier is BEST and chooser.pace == 1
    for _ in range(4):
        chooser.observe(BEST, LARGE, 2.0)  # ten times what was measured
    assert 9 < chooser.pace < 10
    assert (
        chooser.choose(LARGE).tier is FAST and chooser.choose(LARGE).reason is TierReason.TOO_SLOW
    )
    clock.now += HALF_LIFE
    assert 5 < chooser.pace < 5.5 and chooser.choose(LARGE).tier is BALANCED
    clock.now += 3 * HALF_LIFE
    assert chooser.choose(LARGE).tier is BEST
    clock.now += 100 * HALF_LIFE
    assert chooser.pace == pytest.approx(1)


def test_quick_fusions_undo_slow_ones_without_any_waiting(chooser: TierChooser) -> None:
    assert chooser.choose(LARGE).tier is BEST
    for _ in range(4):
        chooser.observe(BEST, LARGE, 2.0)
    for _ in range(5):
        chooser.observe(FAST, LARGE, 0.05)
    assert chooser.pace == pytest.approx(1, abs=0.3) and chooser.choose(LARGE).tier is BEST


@pytest.mark.parametrize("tier", [FAST, BALANCED, BEST])
def test_a_measurement_of_a_busy_machine_is_corrected(clock: Clock, tier: Tier) -> None:
    kept: list[Speed] = []
    chooser = TierChooser(lambda: SPEED.scaled(10), keep=kept.append, budget=0.8, clock=clock)
    assert chooser.choose(LARGE).reason is TierReason.TOO_SLOW
    for small in (60, 0.9 * FACE_SIDE):  # a smaller face than was measured is quick on any machine
        chooser.observe(tier, small, SPEED.rest[tier])
    assert kept == [] and chooser.pace < 1
    clock.now += 100 * HALF_LIFE
    for _ in range(3):
        chooser.observe(tier, FACE_SIDE, SPEED.rest[tier])
    assert chooser.speed.rest == pytest.approx(SPEED.rest) and kept[-1] == chooser.speed
    assert chooser.choose(LARGE).tier is BEST
    clock.now += 100 * HALF_LIFE
    assert chooser.choose(LARGE).tier is BEST


def test_one_absurd_fusion_does_not_decide(chooser: TierChooser) -> None:
    assert chooser.choose(LARGE).tier is BEST
    chooser.observe(BEST, LARGE, 3600.0)
    assert chooser.pace == pytest.approx(0.5 + 0.5 * RATIOS[1])


def test_what_ran_beside_others_teaches_nothing(
    pipe: FusionPipeline,
    source: np.ndarray,
    target: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also the call that ends last, when no other runs any more."""
    observed: list[Tier] = []
    monkeypatch.setattr(pipe.chooser, "observe", lambda tier, *_, **__: observed.append(tier))
    first = pipe.stream([Swap(source)], target, tier=BEST)
    next(first)
    pipe(source, target, tier=FAST)
    assert len(list(first)) == 1 and observed == []
    pipe(source, target, tier=FAST)
    assert observed == [FAST]


def test_the_speed_is_asked_for_once_and_only_when_needed() -> None:
    asked = []
    chooser = TierChooser(lambda: (asked.append(1), SPEED)[1])
    chooser.observe(BEST, LARGE, 2.0)
    assert asked == []
    threads = [threading.Thread(target=chooser.choose, args=(LARGE,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [1]


def test_a_load_is_counted_down_when_a_fusion_fails() -> None:
    traffic = Traffic()
    with pytest.raises(ZeroDivisionError), traffic.running_one():
        assert traffic.running == 1
        raise ZeroDivisionError
    assert traffic.running == 0 and traffic.waiting == 0


def test_the_pipeline_says_what_it_chose(
    pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    asked = pipe(source, target, tier="fast")
    assert asked.tier is FAST and asked.choice is None
    result = pipe(source, target)
    assert result.choice is not None
    assert (
        result.tier is result.choice.tier is BEST and result.choice.reason is TierReason.FITS_BUDGET
    )
    assert result.choice.face_size == pytest.approx(160, abs=2)
    np.testing.assert_array_equal(result.image, pipe(source, target, tier="best").image)
    hurried = pipe(source, target, tier="auto", budget=1e-6)
    assert (
        hurried.tier is FAST
        and hurried.choice is not None
        and hurried.choice.reason is TierReason.TOO_SLOW
    )
    np.testing.assert_array_equal(hurried.image, asked.image)


def test_the_pipeline_counts_its_calls_and_learns_from_them(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    running = []
    glance = fakes.glance
    fakes.glance = lambda photo: (running.append(pipe.chooser.traffic.running), glance(photo))[1]
    pipe(source, target)
    with pytest.raises(ValueError, match="likeness"):
        pipe(source, target, likeness=2.0)
    assert running == [1, 1] and pipe.chooser.traffic.running == 0
    assert pipe.chooser.pace != 1
