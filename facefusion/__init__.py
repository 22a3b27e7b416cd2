"""Puts one person's face into another photo, on a plain CPU."""

from __future__ import annotations

from facefusion.machine import telemetry as telemetry  # isort: skip  # before the packages that it silences

from facefusion.errors import FusionError
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.tiers import Tier, TierChoice, TierReason
from facefusion.types import FusionResult, Swap
from facefusion.version import __version__

__all__ = [
    "FusionError",
    "FusionPipeline",
    "FusionResult",
    "Swap",
    "Tier",
    "TierChoice",
    "TierReason",
    "__version__",
]
