"""Quality tiers: how much work a fusion does, and how a choice among them is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Tier(StrEnum):
    """What the visitor chooses. `AUTO` leaves it to the pipeline (`choice.TierChooser`); the others are what it runs."""

    AUTO = "auto"
    FAST = "fast"
    BALANCED = "balanced"
    BEST = "best"


@dataclass(frozen=True)
class TierSpec:
    """What a tier does.

    Attributes:
        label: the tier's name on the page.
        description: one line for the page.
        detail_size: largest side in pixels of the crop that is composed; the coarse network always sees 128.
        refine_size: largest side in pixels that the refine network sees; 0 shows the coarse network's result.
    """

    label: str
    description: str
    detail_size: int
    refine_size: int


#: The tiers that run, from the quickest to the best.
TIERS: Final[dict[Tier, TierSpec]] = {
    Tier.FAST: TierSpec("Fast", "The quickest result; fine for small faces.", 256, 0),
    Tier.BALANCED: TierSpec("Balanced", "Sharp on faces of middle size.", 512, 256),
    Tier.BEST: TierSpec("Best", "Full detail at the photo's own resolution.", 1024, 512),
}


class TierReason(StrEnum):
    """Why a tier was chosen."""

    #: Of a face of this size a better tier would show nothing more.
    SMALL_FACE = "small_face"
    #: There is time for the best.
    FITS_BUDGET = "fits_budget"
    #: A better tier takes longer on this machine than there is time.
    TOO_SLOW = "too_slow"
    #: There would be time for a better tier if nobody else were waiting.
    BUSY = "busy"


@dataclass(frozen=True)
class TierChoice:
    """What was chosen for one call, and why.

    Attributes:
        tier: the tier; never `AUTO`.
        reason: why this one.
        expected_seconds: by tier, how long this call would take with it, were it alone on the machine.
        face_size: longer side of the target's face in the photo's pixels.
    """

    tier: Tier
    reason: TierReason
    expected_seconds: dict[Tier, float]
    face_size: float
