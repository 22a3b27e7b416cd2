"""Puts one person's face into another photo, on a plain CPU."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from facefusion.machine import telemetry as telemetry  # before the packages that it silences
from facefusion.machine.limits import spare_libraries
from facefusion.version import __version__

if TYPE_CHECKING:
    from facefusion.errors import FusionError
    from facefusion.pipeline.pipeline import FusionPipeline
    from facefusion.tiers import Tier, TierChoice, TierReason
    from facefusion.types import FusionResult, Swap

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

spare_libraries()  # before NumPy

#: Module of each public name. They are imported when they are first used, so that training runs
#: without the packages that only the pipeline needs.
_MODULES: Final = {
    "FusionError": "facefusion.errors",
    "FusionPipeline": "facefusion.pipeline.pipeline",
    "FusionResult": "facefusion.types",
    "Swap": "facefusion.types",
    "Tier": "facefusion.tiers",
    "TierChoice": "facefusion.tiers",
    "TierReason": "facefusion.tiers",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
