"""Quality tiers: how much work a fusion does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Tier(StrEnum):
    """What the visitor chooses."""

    FAST = "fast"
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


TIERS: Final[dict[Tier, TierSpec]] = {
    Tier.FAST: TierSpec("Fast", "The quickest result; fine for small faces.", 256, 0),
    Tier.BEST: TierSpec("Best", "Full detail at the photo's own resolution.", 1024, 512),
}
