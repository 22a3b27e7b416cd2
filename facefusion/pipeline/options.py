"""Checks the options of a fusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from facefusion.tiers import Tier

#: Default likeness, in [0, 1]: the target's expression as far as the two meshes measure it.
LIKENESS: Final = 0.5
#: Share of the source's face shape at a likeness of 1.
MAX_SHAPE: Final = 0.6
#: Identity contrast at a likeness of 1: more costs similarity to the source too.
MAX_CONTRAST: Final = 0.5


@dataclass(frozen=True)
class FusionOptions:
    """Validated options of one call.

    Attributes:
        tier: quality tier.
        budget: seconds that `Tier.AUTO` may take, or None for the pipeline's own.
        likeness: from 0, the target's expression and face shape, to 1, the source's features, a part
            of its face shape, and an identity further away from the target's.
        blend: opacity of the new face, in [0, 1].

    Raises:
        ValueError: `likeness` or `blend` is outside of [0, 1], or the tier is unknown.
    """

    tier: Tier = Tier.AUTO
    budget: float | None = None
    likeness: float = LIKENESS
    blend: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "tier", Tier(self.tier))
        for name, share in (("likeness", self.likeness), ("blend", self.blend)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is between 0 and 1, not {share}")
            object.__setattr__(self, name, float(share))  # NumPy's would make arrays of float64

    @property
    def expression_strength(self) -> float:
        """Share of the measured difference in expression that is corrected, in [0, 1]."""
        return max(0.0, 1 - 2 * self.likeness)

    @property
    def shape_strength(self) -> float:
        """Share of the source's face shape that the target takes, in [0, `MAX_SHAPE`]."""
        return MAX_SHAPE * self._beyond

    @property
    def contrast(self) -> float:
        """Share of the target's identity embedding that is subtracted, in [0, `MAX_CONTRAST`]."""
        return MAX_CONTRAST * self._beyond

    @property
    def _beyond(self) -> float:
        """How far the likeness is beyond the default, in [0, 1]."""
        return max(0.0, 2 * self.likeness - 1)
