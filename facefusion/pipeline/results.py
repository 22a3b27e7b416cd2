"""Makes the results of a fusion: the draft and the finished picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from facefusion.compose.layers import Layers
from facefusion.fusion.sizes import EXPRESSION_SIZE
from facefusion.pipeline.alignment import AlignedPair
from facefusion.pipeline.clock import Clock
from facefusion.pipeline.matching import FaceMatch
from facefusion.tiers import Tier, TierChoice, TierSpec, tier_spec
from facefusion.types import Flaw, FloatArray, FusedFace, FusionResult, Kept, Photo, Timings


class Picture(Protocol):
    """A photo with new faces, rendered on request."""

    def image(self) -> Photo:
        """Renders the picture, (H, W, 3) RGB uint8, as a new array."""

    def mask(self) -> FloatArray:
        """Renders the new share of each pixel, (H, W) float32 in [0, 1], as a new array."""


@dataclass(frozen=True)
class ChosenTier:
    """The tier of a call.

    Attributes:
        tier: never `Tier.AUTO`.
        face_size: longer side of the largest face that is replaced, in pixels.
        choice: Auto's choice and its reason, or None if a tier was requested.
    """

    tier: Tier
    face_size: float
    choice: TierChoice | None = None

    @property
    def spec(self) -> TierSpec:
        """Names and sizes of the tier."""
        return tier_spec(self.tier)


@dataclass(frozen=True)
class Checked:
    """What was measured on a new face.

    Attributes:
        similarity: identity similarity to its source, in [-1, 1]; NaN if it was not measured.
        flaws: what can be seen to be wrong with it.
        kept: what it keeps of the photo's own.
    """

    similarity: float = math.nan
    flaws: tuple[Flaw, ...] = ()
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True)
class Results:
    """Everything that the results of one call have in common.

    Attributes:
        matches, pairs: sources and targets.
        draft: the draft, which every result contains.
        chosen: the tier.
        clock: times of the stages so far.
    """

    matches: Sequence[FaceMatch]
    pairs: Sequence[AlignedPair]
    draft: Layers
    chosen: ChosenTier
    clock: Clock

    def result(
        self, picture: Picture, crops: Sequence[Photo], checked: Sequence[Checked]
    ) -> FusionResult:
        """Makes a result.

        Args:
            picture: the photo with the new faces.
            crops: (S, S, 3) RGB uint8, each fused face in its target's aligned crop.
            checked: what was measured on each face.
        """
        faces = tuple(
            FusedFace(
                match.source.face,
                match.target.face,
                found.similarity,
                pair.target.tone.restored(pair.warped),
                crop,
                pair.to_photo,
                pair.source.aligned(EXPRESSION_SIZE).crop,
                (match.source_coverings.everything, match.target_coverings.everything),
                found.flaws,
                found.kept,
            )
            for match, found, pair, crop in zip(
                self.matches, checked, self.pairs, crops, strict=True
            )
        )
        timings = Timings(dict(self.clock.seconds))
        chosen = self.chosen
        return FusionResult(
            picture.image,
            self.draft.image,
            picture.mask,
            timings,
            chosen.tier,
            faces,
            chosen.choice,
        )
