"""Quality tiers, and the reasons for Auto's choice among them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Backend(StrEnum):
    """What computes the faces of a tier."""

    #: The project's own networks, coarse and refine.
    OWN = "own"
    #: Models that the user supplies.
    STUDIO = "studio"


class Tier(StrEnum):
    """A tier as it is requested; `AUTO` leaves the choice to `chooser.TierChooser`.

    `STUDIO` needs models that the user supplies (`studio.insightface_models`); `AUTO` never takes
    it.
    """

    AUTO = "auto"
    FAST = "fast"
    BALANCED = "balanced"
    BEST = "best"
    STUDIO = "studio"


@dataclass(frozen=True)
class TierSpec:
    """Names, sizes and backend of a tier; the page's name is the text `tier.NAME`.

    Attributes:
        label: name in reports.
        description: one line for the command line.
        detail_size: side in pixels of the aligned crop, 5/3 of the face, up to which tiers with a
            refine size compose at the photo's own resolution; larger faces are composed smaller and
            enlarged. Without one the draft is the result, of `sizes.DRAFT_SIZE` at most.
        refine_size: largest side in pixels of the refine network's input; with 0 the coarse
            network's answer is the result.
        backend: what computes the face after the draft.
    """

    label: str
    description: str
    detail_size: int
    refine_size: int
    backend: Backend = Backend.OWN

    @property
    def refines(self) -> bool:
        """Whether the refine network runs, where the face is large enough for it."""
        return self.refine_size > 0

    @property
    def changes_draft(self) -> bool:
        """Whether the result is more than the draft."""
        return self.refines or self.backend is not Backend.OWN


#: Tiers that run the project's own networks, from the fastest to the best.
TIERS: Final[dict[Tier, TierSpec]] = {
    Tier.FAST: TierSpec("Fast", "The quickest result; fine for small faces.", 1024, 0),
    Tier.BALANCED: TierSpec("Balanced", "Sharp on faces of middle size.", 1536, 256),
    Tier.BEST: TierSpec("Best", "Full detail at the photo's own resolution.", 2048, 512),
}
#: The tier that runs models supplied by the user, without the refine network.
STUDIO: Final = TierSpec(
    "Studio, non-commercial",
    "insightface's inswapper_128; for non-commercial research.",
    1024,
    0,
    Backend.STUDIO,
)


def tier_spec(tier: Tier) -> TierSpec:
    """Returns the spec of a tier other than `AUTO`."""
    return STUDIO if tier is Tier.STUDIO else TIERS[tier]


def best_tier() -> Tier:
    """Returns the best tier that runs the project's own networks."""
    return list(TIERS)[-1]


class TierReason(StrEnum):
    """Reason for Auto's choice."""

    #: A better tier would add no detail to a face of this size.
    SMALL_FACE = "small_face"
    #: The best tier fits the budget.
    FITS_BUDGET = "fits_budget"
    #: A better tier exceeds the budget on this machine.
    TOO_SLOW = "too_slow"
    #: A better tier would fit the budget without other running or queued calls.
    BUSY = "busy"


@dataclass(frozen=True)
class TierChoice:
    """Auto's choice for one call.

    Attributes:
        tier: the tier; never `AUTO`.
        reason: reason for the choice.
        expected_seconds: by tier, expected seconds of this call without other calls.
        face_size: longer side of the target's face in the photo's pixels.
    """

    tier: Tier
    reason: TierReason
    expected_seconds: dict[Tier, float]
    face_size: float
