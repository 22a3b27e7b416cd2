"""Holds the results of one pair at one tier."""

from __future__ import annotations

from dataclasses import dataclass, field

from facefusion.evaluation.pairs import Pair
from facefusion.tiers import Tier
from facefusion.types import FloatArray, Photo


@dataclass(frozen=True)
class Case:
    """One pair at one tier.

    Attributes:
        pair: the pair.
        tier: the tier.
        picture: (h, w, 3) picture of source, target, coarse and result.
        figures: by the keys of `MEASURES`; empty where it failed.
        source_embedding, result_embedding: (D,); None where it failed.
        failure: why there are no figures, one sentence, or None.
        groups: of the pair (`groups.groups_of`); empty if a judge found no face.
    """

    pair: Pair
    tier: Tier
    picture: Photo
    figures: dict[str, float] = field(default_factory=dict)
    source_embedding: FloatArray | None = None
    result_embedding: FloatArray | None = None
    failure: str | None = None
    groups: dict[str, str] = field(default_factory=dict)
