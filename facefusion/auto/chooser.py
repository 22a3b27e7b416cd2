"""Chooses a tier by face size, speed of the machine, time budget and queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from facefusion.auto.speed import FACE_SIDE, Speed
from facefusion.auto.traffic import Traffic
from facefusion.fusion.sizes import detail_side, refined_side
from facefusion.tiers import TIERS, Tier, TierChoice, TierReason, best_tier

#: Default time budget of a fusion in seconds while nobody waits: what a visitor waits gladly.
BUDGET: Final = 2.5
#: The same in seconds while others wait.
BUSY_BUDGET: Final = 0.8
#: Weight of a new ratio of measured to expected time in the running pace, in [0, 1].
LEARNED: Final = 0.5
#: Seconds in which the pace returns half of the way to 1, so that one busy minute does not slow
#: down a day.
HALF_LIFE: Final = 60.0
#: Range to which ratios of measured to expected time are clipped; ratios outside have other causes.
RATIOS: Final = (0.25, 16.0)
#: Ratio of measured to expected time below which the stored speed is corrected.
QUICKER: Final = 0.8


class TierChooser:
    """Automatic choice of tiers for a pipeline; safe for concurrent use.

    Args:
        speed: returns the measured speed of this machine; called once, on first use.
        keep: called with a corrected speed.
        traffic: counts running and queued fusions.
        budget: seconds that a call may take while no other is queued.
        busy_budget: seconds that it may take, including queued calls, while some are; at most
            `budget` counts.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        speed: Callable[[], Speed],
        *,
        keep: Callable[[Speed], None] | None = None,
        traffic: Traffic | None = None,
        budget: float = BUDGET,
        busy_budget: float = BUSY_BUDGET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.traffic = Traffic() if traffic is None else traffic
        self.budget, self.busy_budget = budget, min(budget, busy_budget)
        self._ask, self._keep = speed, keep
        self._clock = clock
        self._speed: Speed | None = None
        self._asking = threading.Lock()
        self._lock = threading.Lock()
        self._pace, self._paced_at = 1.0, clock()

    @property
    def speed(self) -> Speed:
        """Measured speed of this machine."""
        with self._asking:
            if self._speed is None:
                self._speed = self._ask()
            return self._speed

    @property
    def pace(self) -> float:
        """Ratio of actual to measured seconds over about the last minute; 1 is as measured."""
        with self._lock:
            return self._current_pace()

    def choose(
        self, face_size: float, *, elapsed: float = 0.0, faces: int = 1, budget: float | None = None
    ) -> TierChoice:
        """Chooses the tier of one call, after perception.

        Args:
            face_size: longer side of the largest face to replace, in the photo's pixels.
            elapsed: seconds that the call has already taken.
            faces: number of faces to replace.
            budget: seconds that the whole call may take, whoever waits; the chooser's own by
                default.

        Returns:
            The best tier that all running and queued fusions could use within the budget; the
            fastest if there is none.
        """
        waiting = self.traffic.waiting
        patient = self.budget if budget is None else budget
        limit = self.busy_budget if budget is None and waiting else patient
        expected = self.expected(face_size, elapsed, faces=faces)
        useful = _useful(face_size)
        turns = max(1, self.traffic.running + waiting)  # this call is one of them
        alone = _best([tier for tier in useful if expected[tier] <= patient])
        tier = _best([tier for tier in useful if turns * expected[tier] <= limit])
        if tier is useful[-1]:
            reason = TierReason.FITS_BUDGET if tier is best_tier() else TierReason.SMALL_FACE
        else:
            reason = TierReason.TOO_SLOW if tier is alone else TierReason.BUSY
        return TierChoice(tier, reason, expected, face_size)

    def expected(
        self, face_size: float, elapsed: float = 0.0, *, faces: int = 1
    ) -> dict[Tier, float]:
        """Returns the expected seconds of a call by tier, without other calls.

        Args:
            face_size, elapsed, faces: as for `choose`.
        """
        speed, pace = self.speed, self.pace
        return {tier: elapsed + faces * pace * _rest(speed, tier, face_size) for tier in TIERS}

    def observe(self, tier: Tier, face_size: float, seconds: float, *, faces: int = 1) -> None:
        """Updates the pace from a call that ran alone, whose stages after perception took `seconds`.

        `choose` already counts the calls beside it. A call much faster than measured means that
        the measurement was made on a busy machine: the measured speed is then corrected, but only
        for faces at least as large as the measured one, since smaller ones are faster on any
        machine.
        """
        with self._lock:
            speed = self._speed
            if speed is None:
                return
            low, high = RATIOS
            ratio = min(max(seconds / (faces * _rest(speed, tier, face_size)), low), high)
            better = ratio < QUICKER and face_size >= FACE_SIDE
            if better:
                speed = self._speed = speed.scaled(ratio)
            self._pace = (1 - LEARNED) * self._current_pace() + LEARNED * (1.0 if better else ratio)
            self._paced_at = self._clock()
        if better and self._keep is not None:
            self._keep(speed)

    def _current_pace(self) -> float:
        left = 0.5 ** ((self._clock() - self._paced_at) / HALF_LIFE)
        return float(1 + left * (self._pace - 1))


def work(tier: Tier, face_size: float) -> tuple[int, int]:
    """Returns the sides in pixels of `tier`'s detail crop and of the refine network's input.

    The second is 0 where the refine network does not run.
    """
    spec = TIERS[tier]
    side = detail_side(face_size, spec.detail_size)
    return side, refined_side(side, spec.refine_size)


def _useful(face_size: float) -> list[Tier]:
    """Returns the tiers that do more for such a face than faster ones, the fastest first."""
    tiers: list[Tier] = []
    for tier in TIERS:
        if not tiers or work(tier, face_size) != work(tiers[-1], face_size):
            tiers.append(tier)
    return tiers


def _best(tiers: list[Tier]) -> Tier:
    return tiers[-1] if tiers else next(iter(TIERS))


def _rest(speed: Speed, tier: Tier, face_size: float) -> float:
    """Estimates the seconds of `tier` after perception.

    The tiers were measured on a face that fills their crops; in between, the cost of the refine
    network grows with its pixels.
    """
    _, refined = work(tier, face_size)
    if refined == TIERS[tier].refine_size:
        return speed.rest[tier]
    # The fastest tier of each refine size.
    measured = {spec.refine_size: other for other, spec in reversed(TIERS.items())}
    below = max((size for size in measured if size <= refined), default=min(measured))
    above = min(size for size in measured if size >= refined)
    share = (refined**2 - below**2) / (above**2 - below**2) if below < above else 0.0
    return (1 - share) * speed.rest[measured[below]] + share * speed.rest[measured[above]]
