"""Writes the evaluation report: request, judges, every figure with its spread, and all failures."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from operator import neg, pos
from pathlib import Path
from typing import Any, Final

from facefusion.evaluation.image_metrics import SSIM_NAME, ImageMetrics
from facefusion.evaluation.judges import EvaluationJudges
from facefusion.evaluation.measures import BY_KEY, MEASURES
from facefusion.evaluation.reconstruction import BASELINE, COLUMNS, ReconstructionResult
from facefusion.evaluation.reconstruction_samples import SIZE
from facefusion.evaluation.sections import Section, section_lines
from facefusion.evaluation.sheets import write_sheet
from facefusion.evaluation.tables import SPREAD, Spread, table
from facefusion.tiers import TIERS, Tier

RECONSTRUCTION_TITLE: Final = "## Reconstruction"
#: How the figures of the reconstruction are made.
RECONSTRUCTION: Final = (
    "The right answer is known: a portrait T is given another person's face (T'), T's own face is carried into another"
    " pose and light (S), and the product is asked to put S into T'. It should return T. Made from the data's own"
    f" meshes without any of the product's networks, {SIZE} px; compared inside the face only. SSIM: Wang et al. 2004,"
    " Gaussian window of 1.5 px, per channel; higher is better. The perceptual distance is built like LPIPS, but on"
    " another network and without LPIPS's trained weights: lower is better, and it compares with nothing outside this"
    " table."
)


@dataclass(frozen=True)
class Report:
    """Content of the report.

    Attributes:
        command: the command that reproduces it.
        machine: `cpu.describe_machine()`.
        judges: the judges.
        gallery: a sentence about the other people among whom the source is searched.
        tiers: the tiers that ran.
        sections: the lists of pairs.
        reconstruction: its results, or the reason why there are none.
        metrics: compare reconstructions with the truth.
        worst: rows of each sheet of worst pairs; 0 for none.
    """

    command: str
    machine: dict[str, Any]
    judges: EvaluationJudges
    gallery: str
    tiers: list[Tier]
    sections: list[Section]
    reconstruction: ReconstructionResult | str
    metrics: ImageMetrics
    worst: int


def write_report(report: Report, folder: Path) -> Path:
    """Writes `report.md`, `pairs.csv` and the sheets into a folder that exists.

    Returns:
        The path of the report.
    """
    lines = ["# Report card", "", f"`{report.command}`", "", *machine_lines(report.machine)]
    lines += [*_judges(report), *_definitions()]
    for section in report.sections:
        lines += section_lines(section, report.tiers, report.worst, folder)
    lines += _reconstruction_lines(report, folder)
    path = folder / "report.md"
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    _write_cases(report.sections, folder / "pairs.csv")
    return path


def machine_lines(machine: dict[str, Any]) -> list[str]:
    """Formats `cpu.describe_machine()` as a sentence."""
    versions = ", ".join(
        f"{name} {machine[name]}" for name in ("python", "onnxruntime", "opencv") if name in machine
    )
    return [
        f"Machine: {machine['cpu']}, {machine['cores']} cores, load before the run {machine['load']}, {machine['system']},"
        f" {versions}. Milliseconds from a busy machine compare with nothing.",
        "",
    ]


def _judges(report: Report) -> list[str]:
    geometry, identity, *warnings = judge_lines(report.judges)
    retrieval = f"- retrieval: {report.gallery}"
    return ["## Judges", "", geometry, identity, retrieval, *warnings, ""]


def judge_lines(judges: EvaluationJudges) -> list[str]:
    """Lists the judges of geometry and identity in Markdown, with their warnings."""
    return [
        f"- geometry: {judges.mesh_name}",
        f"- identity: {judges.identity_name}",
        *[f"- **Not independent:** {warning}" for warning in judges.warnings],
    ]


def _definitions() -> list[str]:
    words = {"high": "higher", "low": "lower", "one": "nearer to 1"}
    rows = [[measure.title, words[measure.better], measure.definition] for measure in MEASURES]
    rows.append([
        "retrieval, top-1", "higher", "share of the results whose most similar face, by the identity judge, among the"
        " section's sources and the gallery is their own source; pairs that failed are not counted",
    ])  # fmt: skip
    lines = table(["measure", "better", "how it is measured"], rows)
    lines[1] = "|---|---|---|"
    return [
        "## Measures",
        "",
        *lines,
        "p10 and p90 are percentiles over the pairs; worst is the worst pair.",
        "",
    ]


def _reconstruction_lines(report: Report, folder: Path) -> list[str]:
    """Formats scores and failures of the reconstruction, and writes its sheets into `folder`."""
    run = report.reconstruction
    if isinstance(run, str):
        return [RECONSTRUCTION_TITLE, "", f"Not measured: {run}", ""]
    lines = [RECONSTRUCTION_TITLE, "", RECONSTRUCTION, "", f"{run.samples} portraits.", ""]
    for name in report.metrics.available:
        badness = neg if name == SSIM_NAME else pos
        spreads = {row: Spread.of(values[name], badness) for row, values in run.figures.items()}
        labels = {row: row if row == BASELINE else TIERS[Tier(row)].label for row in spreads}
        lines += table(
            [name, *SPREAD], [[labels[row], *spread.cells(3)] for row, spread in spreads.items()]
        )
    lines += [f"{name}: not measured: {why}.\n" for name, why in report.metrics.missing.items()]
    for row, failures in run.failures.items():
        sentences = [f"- {failure}" for failure in failures]
        lines += [f"Failures, {TIERS[Tier(row)].label}:", "", *sentences, ""]
    for row, pictures in run.pictures.items() if report.worst else ():
        file = f"reconstruction-{row}.jpg"
        shown = pictures[: report.worst]
        write_sheet(folder / file, shown, COLUMNS)
        label = TIERS[Tier(row)].label
        lines += [f"The first {len(shown)}, not chosen, {label}: [{file}]({file})", ""]
    return lines


def _write_cases(sections: list[Section], path: Path) -> None:
    """Writes every figure of every pair as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["section", "tier", "source", "target", "why", *BY_KEY, "failure"])
        for section in sections:
            for case in section.cases:
                figures = [
                    f"{case.figures[key]:.4f}" if key in case.figures else "" for key in BY_KEY
                ]
                pair = case.pair
                known = [section.prefix, case.tier, pair.source, pair.target, pair.why]
                rows.writerow([*known, *figures, case.failure or ""])
