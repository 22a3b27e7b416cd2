"""Runs the whole evaluation, from the request to the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from facefusion.evaluation.case import Case
from facefusion.evaluation.cases import evaluate_pair, retrieved
from facefusion.evaluation.groups import read_ages
from facefusion.evaluation.image_metrics import ImageMetrics, open_image_metrics
from facefusion.evaluation.judges import EvaluationJudges, choose_judges
from facefusion.evaluation.pairs import (
    MAX_YAW_DIFFERENCE,
    SEED,
    DataError,
    Pair,
    draw_pairs,
    read_pairs,
    val_faces,
)
from facefusion.evaluation.reconstruction import ReconstructionResult, reconstruct
from facefusion.evaluation.reconstruction_samples import SAMPLES, make_samples
from facefusion.evaluation.report import Report, write_report
from facefusion.evaluation.retrieval import read_gallery
from facefusion.evaluation.sections import Section
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.tiers import Tier
from facefusion.types import FloatArray

#: Default number of rows of a sheet.
WORST: Final = 8


@dataclass(frozen=True)
class Request:
    """Options of an evaluation.

    Attributes:
        data: folder with `faces.csv`, `mesh468.npz` and the images.
        out: folder of the report; it exists.
        tiers: the tiers to run.
        pairs: CSV of pairs, or None to draw them from the validation split.
        hard: CSV of pairs for a separate section, or None.
        limit: most pairs of each list, and most reconstructions.
        worst: rows of each sheet.
        identity_judge: MobileFaceNet as ONNX, or None for the product's own network.
        gallery: .npy of that judge's embeddings of other people, or None.
        weights: directory of the product's networks, or None for the embedded ones.
        table: table to make instead of the report, `"steps"` or `"degraded"`; empty for none.
    """

    data: Path
    out: Path
    tiers: list[Tier]
    pairs: Path | None = None
    hard: Path | None = None
    limit: int | None = None
    worst: int = WORST
    identity_judge: Path | None = None
    gallery: Path | None = None
    weights: Path | None = None
    table: str = ""

    def command(self) -> str:
        """The command that reproduces the report, without folders of this machine."""
        words = ["python -m facefusion evaluate --data DIR"]
        words += [f"--{self.table}"] if self.table else []
        files = {
            "pairs": self.pairs, "hard": self.hard, "identity-judge": self.identity_judge, "gallery": self.gallery,
        }  # fmt: skip
        words += [f"--{name} {_shown(path)}" for name, path in files.items() if path is not None]
        words += [f"--tiers {','.join(self.tiers)}"] if not self.table else []
        words += [f"--limit {self.limit}"] if self.limit is not None else []
        words += [f"--worst {self.worst}"] if self.worst != WORST and not self.table else []
        words += [f"--weights {_shown(self.weights)}"] if self.weights is not None else []
        return " ".join(words)


def _shown(path: Path) -> str:
    return path.name if path.is_absolute() or ".." in path.parts else path.as_posix()


def evaluate(request: Request, machine: dict[str, Any]) -> tuple[Path, list[Section]]:
    """Fuses, measures and writes the report.

    Args:
        request: the options.
        machine: `cpu.describe_machine()`, taken before the run.

    Returns:
        The path of the report, and its sections.

    Raises:
        DataError: the data, a list or a judge cannot be used.
        WeightsError: the product's networks are missing or damaged.
        OSError: the report cannot be written.
    """
    lists = _pair_lists(request)
    pipeline = FusionPipeline.from_pretrained(request.weights)
    judges = choose_judges(pipeline, request.identity_judge)
    gallery, gallery_sentence = _gallery(request.gallery, judges)
    ages = read_ages(request.data)
    sections = [_section(pairs, request, pipeline, judges, gallery, ages) for pairs in lists]
    metrics = open_image_metrics()
    report = Report(
        command=request.command(),
        machine=machine,
        judges=judges,
        gallery=gallery_sentence,
        tiers=request.tiers,
        sections=sections,
        reconstruction=_reconstruction(pipeline, request, metrics),
        metrics=metrics,
        worst=request.worst,
    )
    return write_report(report, request.out), sections


@dataclass(frozen=True)
class _PairList:
    """Pairs of a section, with the prefix of its files' names, its title and their origin."""

    prefix: str
    title: str
    origin: str
    pairs: list[Pair]


def _section(
    listed: _PairList,
    request: Request,
    pipeline: FusionPipeline,
    judges: EvaluationJudges,
    gallery: FloatArray | None,
    ages: dict[str, int],
) -> Section:
    """Fuses and measures the pairs of a list at every tier."""
    cases: list[Case] = []
    for pair in tqdm(listed.pairs[: request.limit], desc=listed.title.lower(), unit="pair"):
        cases += evaluate_pair(pipeline, judges, request.data, pair, request.tiers)
    by_tier = {
        tier: retrieved([case for case in cases if case.tier == tier], gallery)
        for tier in request.tiers
    }
    return Section(listed.title, listed.prefix, listed.origin, cases, by_tier, ages)


def _pair_lists(request: Request) -> list[_PairList]:
    """Reads or draws the pairs of each section."""
    if request.pairs is not None:
        origin = f"The pairs of `{request.pairs.name}`."
        pairs = read_pairs(request.pairs, request.data)
    else:
        origin = (
            f"Pairs drawn from the validation split with seed {SEED}, yaw difference below {MAX_YAW_DIFFERENCE:.0f} degrees,"
            " no photo twice as a source or twice as a target."
        )
        pairs = draw_pairs(val_faces(request.data))
        if not pairs:
            raise DataError(
                "The validation split of faces.csv has no two faces that look about the same way."
            )
    lists = [_PairList("pairs", "Pairs", origin, pairs)]
    if request.hard is not None:
        origin = f"The pairs of `{request.hard.name}`, chosen because they are hard."
        hard = read_pairs(request.hard, request.data)
        lists.append(_PairList("hard", "Hard pairs", origin, hard))
    return lists


def _gallery(path: Path | None, judges: EvaluationJudges) -> tuple[FloatArray | None, str]:
    """Reads the gallery, and writes a sentence about the people that it adds."""
    if path is None:
        return None, "among the section's sources only; no gallery was given."
    if judges.dimensions is None:
        return (
            None,
            "among the section's sources only: the gallery holds another network's embeddings and was not used.",
        )
    gallery = read_gallery(path, judges.dimensions)
    others = f"the {len(gallery)} people of {path.name}, without those who are very like a source."
    return gallery, f"among the section's sources and {others}"


def _reconstruction(
    pipeline: FusionPipeline, request: Request, metrics: ImageMetrics
) -> ReconstructionResult | str:
    """Reconstructs samples of the validation split, or returns the reason why it cannot."""
    if not metrics.available:
        return "; ".join(f"{name}: {why}" for name, why in metrics.missing.items()) + "."
    count = min(SAMPLES, request.limit or SAMPLES)
    try:
        samples = make_samples(request.data, val_faces(request.data), count)
        progress = tqdm(samples, desc="reconstruction", unit="portrait", total=count)
        run = reconstruct(pipeline, progress, request.tiers, metrics)
    except DataError as error:
        return str(error)
    if not run.samples:
        return "the validation split has too few faces with a mesh that look about the same way."
    return run
