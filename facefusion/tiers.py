"""Quality tiers: how much work a fusion does, and how a choice among them is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Tier(StrEnum):
    """What the visitor chooses. `AUTO` leaves it to the pipeline (`choice.TierChooser`); the others
    are what it runs.

    `STUDIO` is there only with models that the project does not bring (`facefusion.upgrades`);
    `AUTO` never takes it.
    """

    AUTO = "auto"
    FAST = "fast"
    BALANCED = "balanced"
    BEST = "best"
    STUDIO = "studio"


@dataclass(frozen=True)
class TierSpec:
    """What a tier does.

    Attributes:
        label: the tier's name on the page.
        description: one line for the page.
        detail_size: side in pixels of the aligned crop, 5/3 of the face, up to which the tiers that
            refine compose at the photo's own resolution; larger faces are composed smaller and
            enlarged. The draft has `views.DRAFT_SIZE`.
        refine_size: largest side in pixels that the refine network sees; 0 shows the coarse
            network's result.
    """

    label: str
    description: str
    detail_size: int
    refine_size: int


#: The tiers that run, from the quickest to the best.
TIERS: Final[dict[Tier, TierSpec]] = {
    Tier.FAST: TierSpec("Fast", "The quickest result; fine for small faces.", 1024, 0),
    Tier.BALANCED: TierSpec("Balanced", "Sharp on faces of middle size.", 1536, 256),
    Tier.BEST: TierSpec("Best", "Full detail at the photo's own resolution.", 2048, 512),
}
#: The tier that needs others' models; the refine network has no part in it.
STUDIO: Final = TierSpec(
    "Studio, non-commercial", "insightface's inswapper_128; for non-commercial research.", 1024, 0
)


def tier_spec(tier: Tier) -> TierSpec:
    """What a tier that runs does."""
    return STUDIO if tier is Tier.STUDIO else TIERS[tier]


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
        expected_seconds: by tier, how long this call would take with it, were it alone on the
            machine.
        face_size: longer side of the target's face in the photo's pixels.
    """

    tier: Tier
    reason: TierReason
    expected_seconds: dict[Tier, float]
    face_size: float
