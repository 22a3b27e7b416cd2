"""Reconstructs portraits whose face was swapped, and compares the results with the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from facefusion.evaluation.failures import failure_sentence
from facefusion.evaluation.image_metrics import ImageMetrics
from facefusion.evaluation.reconstruction_samples import Sample
from facefusion.evaluation.sheets import tile_row
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.tiers import Tier
from facefusion.types import Photo

#: Name of the baseline row: T' compared with T.
BASELINE: Final = "nothing done (T' itself)"
COLUMNS: Final = "S, T', result, T"


@dataclass
class ReconstructionResult:
    """Scores, failures and pictures of a reconstruction run.

    Attributes:
        samples: number of samples.
        figures: by row (`BASELINE`, then each tier) and name of the metric, one number for each
            sample that did not fail.
        failures: by row, the file's name and a sentence for each failed sample.
        pictures: by row, a picture of each sample with its file's name.
    """

    samples: int = 0
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)
    pictures: dict[str, list[tuple[Photo, str]]] = field(default_factory=dict)


def reconstruct(
    pipeline: FusionPipeline, samples: Iterable[Sample], tiers: list[Tier], metrics: ImageMetrics
) -> ReconstructionResult:
    """Fuses every sample at every tier, and compares the results with the truth.

    Args:
        pipeline: the product.
        samples: the portraits to reconstruct.
        tiers: the tiers to run.
        metrics: compare with the truth.
    """
    run = ReconstructionResult(
        figures={row: {name: [] for name in metrics.available} for row in [BASELINE, *tiers]}
    )
    for sample in samples:
        run.samples += 1
        _add_figures(run.figures[BASELINE], metrics, sample, sample.target)
        for tier in tiers:
            image: Photo | None = None
            try:
                image = pipeline(sample.source, sample.target, tier=tier).image
                _add_figures(run.figures[tier], metrics, sample, image)
            except Exception as error:  # a bug is a finding, and must not end the report
                sentence = f"{sample.name}: {failure_sentence(error)}"
                run.failures.setdefault(tier, []).append(sentence)
            picture = tile_row([sample.source, sample.target, image, sample.truth], [])
            run.pictures.setdefault(tier, []).append((picture, sample.name))
    return run


def _add_figures(
    figures: dict[str, list[float]], metrics: ImageMetrics, sample: Sample, image: Photo
) -> None:
    """Adds all figures of an image, or none if a metric raises."""
    values = {
        name: metric(image, sample.truth, sample.inside)
        for name, metric in metrics.available.items()
    }
    for name, value in values.items():
        figures[name].append(value)
