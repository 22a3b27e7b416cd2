"""The tier that fits: this machine, this face, the time there is, and who else is waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from facefusion.load import Load
from facefusion.speed import FACE_SIDE, Speed
from facefusion.tiers import TIERS, Tier, TierChoice, TierReason
from facefusion.views import detail_side, refined_side

#: Seconds that a fusion may take unless the caller says otherwise.
BUDGET: Final = 0.8
#: A fusion that took longer or shorter than expected changes what is expected of the next by this
#: share of the difference; half of what is left of that is forgotten after `HALF_LIFE` seconds, so
#: that one busy minute does not slow down a day.
LEARNED: Final = 0.5
HALF_LIFE: Final = 60.0
#: Ratios of the time taken to the time expected are held in this range: beyond it something else
#: happened.
RATIOS: Final = (0.25, 16.0)
#: Share of the time expected below which the expectation was wrong.
QUICKER: Final = 0.8


class TierChooser:
    """Chooses tiers for a pipeline; safe for concurrent use.

    Args:
        speed: tells, when first asked, what this machine was measured to need; asked once.
        keep: told of a better knowledge of the speed.
        load: how many fusions there are.
        budget: seconds that a call may take, with those that wait counted in.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        speed: Callable[[], Speed],
        *,
        keep: Callable[[Speed], None] | None = None,
        load: Load | None = None,
        budget: float = BUDGET,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.load = Load() if load is None else load
        self.budget = budget
        self._ask, self._keep = speed, keep
        self._clock = clock
        self._speed: Speed | None = None
        self._asking = threading.Lock()
        self._lock = threading.Lock()
        self._pace, self._paced_at = 1.0, clock()

    @property
    def speed(self) -> Speed:
        """What this machine was measured to need."""
        with self._asking:
            if self._speed is None:
                self._speed = self._ask()
            return self._speed

    @property
    def pace(self) -> float:
        """How much longer fusions take than was measured, as those of the last minute show: 1 is as
        measured.
        """
        with self._lock:
            return self._current_pace()

    def choose(
        self, face_size: float, *, elapsed: float = 0.0, faces: int = 1, budget: float | None = None
    ) -> TierChoice:
        """Chooses for one call, once the faces in its photos are known.

        Args:
            face_size: longer side of the largest face to replace, in the photo's pixels.
            elapsed: seconds that the call has already taken.
            faces: faces that are replaced.
            budget: seconds that the whole call may take; the chooser's own by default.

        Returns:
            The best tier that every fusion that is there can have within the budget; the quickest
            if none is.
        """
        limit = self.budget if budget is None else budget
        speed, pace = self.speed, self.pace
        expected = {tier: elapsed + faces * pace * _rest(speed, tier, face_size) for tier in TIERS}
        useful = _useful(face_size)
        turns = max(1, self.load.running + self.load.waiting)  # this call is one of them
        alone = _best([tier for tier in useful if expected[tier] <= limit])
        tier = _best([tier for tier in useful if turns * expected[tier] <= limit])
        if tier is useful[-1]:
            reason = TierReason.FITS_BUDGET if tier is Tier.BEST else TierReason.SMALL_FACE
        else:
            reason = TierReason.TOO_SLOW if tier is alone else TierReason.BUSY
        return TierChoice(tier, reason, expected, face_size)

    def observe(self, tier: Tier, face_size: float, seconds: float, *, faces: int = 1) -> None:
        """Learns from a call: what came after its faces were known took `seconds`.

        Calls that ran beside others teach nothing: the others are counted, not measured. A call
            that was much quicker than
        was measured shows that the measurement was made on a busy machine: then it is the
            measurement that is corrected.
        Only faces at least as large as the measured one tell: smaller ones are quicker on any
            machine.
        """
        with self._lock:
            speed = self._speed
            if speed is None or self.load.running > 1:
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
    """Sides in pixels of the crop that `tier` composes and of what the refine network sees, 0 where
    it does not run.
    """
    spec = TIERS[tier]
    side = detail_side(face_size, spec.detail_size)
    return side, refined_side(side, spec.refine_size)


def _useful(face_size: float) -> list[Tier]:
    """The tiers that do more for such a face than the quicker ones, the quickest first."""
    tiers: list[Tier] = []
    for tier in TIERS:
        if not tiers or work(tier, face_size) != work(tiers[-1], face_size):
            tiers.append(tier)
    return tiers


def _best(tiers: list[Tier]) -> Tier:
    return tiers[-1] if tiers else next(iter(TIERS))


def _rest(speed: Speed, tier: Tier, face_size: float) -> float:
    """Seconds that `tier` takes once the faces are known. The tiers were measured on a face that
    fills their crops.
    """
    _, refined = work(tier, face_size)
    if refined == 0:
        return speed.rest[Tier.FAST]
    middle, most = TIERS[Tier.BALANCED].refine_size, TIERS[Tier.BEST].refine_size
    share = max(0, refined**2 - middle**2) / (
        most**2 - middle**2
    )  # the networks' cost grows with the pixels
    return (1 - share) * speed.rest[Tier.BALANCED] + share * speed.rest[Tier.BEST]
