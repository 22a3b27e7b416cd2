"""Measures each tier's seconds on this machine, once, and keeps them on disk."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from facefusion.machine.measurements import load_measurement, save_measurement
from facefusion.tiers import TIERS, Tier, best_tier

#: Seconds after which no further round of measuring begins.
TIME_LIMIT: Final = 0.5
#: Side in pixels of the face that is measured, which fills every tier's crop.
FACE_SIDE: Final = 620
#: Stages of perception, which every tier has in common.
PERCEPTION: Final = ("detect", "mesh", "identity", "coverings")


@dataclass(frozen=True)
class Speed:
    """Measured seconds on this machine.

    Attributes:
        perception: seconds to find and measure the faces of two photos of 1024 px.
        rest: by tier, seconds of all later stages, for a face that fills the tier's crop.
    """

    perception: float
    rest: dict[Tier, float]

    def scaled(self, factor: float) -> Speed:
        """Returns the speed of a machine that takes `factor` times as long."""
        return Speed(
            factor * self.perception,
            {tier: factor * seconds for tier, seconds in self.rest.items()},
        )

    @property
    def expected_seconds(self) -> dict[Tier, float]:
        """Seconds by tier of a whole fusion of two photos that are not cached."""
        return {tier: self.perception + seconds for tier, seconds in self.rest.items()}


def known_speed(measure: Callable[[], Speed], key: str) -> Speed:
    """Returns the speed that is kept on disk under `key`, or measures and keeps it.

    With an empty key it is always measured.
    """
    if not key:
        return measure()
    speed = _as_speed(load_measurement("speed", key))
    if speed is None:
        speed = measure()
        keep_speed(key, speed)
    return speed


def keep_speed(key: str, speed: Speed) -> None:
    """Keeps a speed on disk under `key`; with an empty key it does nothing."""
    if key:
        save_measurement("speed", key, {"perception": speed.perception, "rest": speed.rest})


def measure(
    fuse: Callable[[Tier], Mapping[str, float]],
    forget: Callable[[], None],
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Times the stages of fusions.

    The first fusion is not counted, since networks allocate in it; then rounds over all tiers
    follow within the time limit, and the minimum of each counts, since other load of the machine
    only adds time.

    Args:
        fuse: fuses two photos of 1024 px with a face of `FACE_SIDE` at a tier, and returns the
            seconds by stage.
        forget: clears the cache of `fuse`.
        clock: monotonic time in seconds.
    """
    perception, rest = math.inf, dict.fromkeys(TIERS, math.inf)
    begin = clock()
    fuse(best_tier())
    while perception == math.inf or clock() - begin < TIME_LIMIT:
        forget()
        for tier in TIERS:
            stages = dict(fuse(tier))
            first = sum(stages.pop(name) for name in PERCEPTION if name in stages)
            rest[tier] = min(rest[tier], sum(stages.values()))
            perception = min(perception, first or math.inf)  # 0 once the photos are cached
    forget()
    # Other load may have slowed down a fast tier only: no tier takes longer than a better one.
    return Speed(perception, {tier: min(list(rest.values())[i:]) for i, tier in enumerate(rest)})


def _as_speed(kept: Any) -> Speed | None:
    try:
        speed = Speed(
            float(kept["perception"]), {tier: float(kept["rest"][tier.value]) for tier in TIERS}
        )
    except (KeyError, TypeError, ValueError):
        return None
    return speed if all(0 < value < math.inf for value in speed.expected_seconds.values()) else None
