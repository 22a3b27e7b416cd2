"""Estimates how long a visitor waits for a result on this server."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Final

from facefusion.page.i18n import t
from facefusion.tiers import Tier
from facefusion.words import Language, say

#: Seconds beside the fusion before one was measured: reading two photos, writing draft and JPEG.
ASSUMED: Final = 0.2
#: Weight of a new measurement in the running average, in [0, 1].
LEARNED: Final = 0.3


class Waits:
    """Running average of the seconds that a result takes beside its fusion; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._beside = ASSUMED

    @property
    def beside(self) -> float:
        """Seconds to wait for room, to read the photos, and to write draft and result."""
        return self._beside

    def observe(self, seconds: float) -> None:
        """Adds a measurement."""
        with self._lock:
            self._beside += LEARNED * (seconds - self._beside)


def tier_choices(
    tiers: Iterable[Tier], seconds: Mapping[Tier, float], beside: float, language: Language
) -> list[tuple[str, str]]:
    """Returns label and name of each tier, with the seconds to its result where they are known.

    Args:
        tiers: that are offered.
        seconds: of the fusion, by tier.
        beside: seconds beside the fusion.
        language: of the unit.
    """
    unit = say("seconds", language)
    times = {tier: f" · {seconds[tier] + beside:.1f} {unit}" for tier in seconds}
    return [(t(f"tier.{tier}") + times.get(tier, ""), tier.value) for tier in tiers]
