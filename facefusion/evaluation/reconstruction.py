"""Undoes swaps with the product, and compares the results with the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from facefusion.errors import FusionError
from facefusion.evaluation.cases import sentence
from facefusion.evaluation.likeness import Likeness
from facefusion.evaluation.reconstruction_samples import Sample
from facefusion.evaluation.sheets import strip
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.tiers import Tier
from facefusion.types import Photo

#: Name of the baseline row: T' compared with T.
UNTOUCHED: Final = "nothing done (T' itself)"
COLUMNS: Final = "S, T', result, T"


@dataclass
class Undone:
    """Scores, failures and pictures of the undone swaps.

    Attributes:
        samples: number of swaps.
        figures: by row (`UNTOUCHED`, then each tier) and name of the comparison, one number for
            each sample that did not fail.
        failures: by row, the file's name and a sentence for each failed sample.
        strips: by row, a picture of each sample with its file's name.
    """

    samples: int = 0
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)
    strips: dict[str, list[tuple[Photo, str]]] = field(default_factory=dict)


def undo(
    pipeline: FusionPipeline, samples: Iterable[Sample], tiers: list[Tier], likeness: Likeness
) -> Undone:
    """Runs every sample at every tier.

    Args:
        pipeline: the product.
        samples: the swaps to undo.
        tiers: the tiers to run.
        likeness: the comparisons.
    """
    undone = Undone(
        figures={row: {name: [] for name in likeness.measures} for row in [UNTOUCHED, *tiers]}
    )
    for sample in samples:
        undone.samples += 1
        _compare(undone.figures[UNTOUCHED], likeness, sample, sample.target)
        for tier in tiers:
            image: Photo | None = None
            try:
                image = pipeline(sample.source, sample.target, tier=tier).image
                _compare(undone.figures[tier], likeness, sample, image)
            except FusionError as error:
                undone.failures.setdefault(tier, []).append(f"{sample.name}: {error}")
            except Exception as error:  # a bug is a finding, and must not end the report
                undone.failures.setdefault(tier, []).append(f"{sample.name}: {sentence(error)}")
            picture = strip([sample.source, sample.target, image, sample.truth], [])
            undone.strips.setdefault(tier, []).append((picture, sample.name))
    return undone


def _compare(
    figures: dict[str, list[float]], likeness: Likeness, sample: Sample, found: Photo
) -> None:
    values = {
        name: compare(found, sample.truth, sample.inside)
        for name, compare in likeness.measures.items()
    }
    for name, value in values.items():
        figures[name].append(value)
