"""FaceFusion: one person's face in another photo, on a plain CPU."""

from __future__ import annotations

from facefusion.errors import FusionError
from facefusion.pipeline import FusionPipeline
from facefusion.tiers import Tier, TierChoice, TierReason
from facefusion.types import FusionResult

__all__ = ["FusionError", "FusionPipeline", "FusionResult", "Tier", "TierChoice", "TierReason"]
__version__ = "0.1.0"
