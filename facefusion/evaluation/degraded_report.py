"""Reports whether new faces are as add_noise, blurred and coarse as the photos around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from tqdm import tqdm

from facefusion.evaluation.degradations import COMPARED, SkinEnergies, degradations, skin_energies
from facefusion.evaluation.faces import KnownFaces
from facefusion.evaluation.failures import failure_sentence
from facefusion.evaluation.judges import choose_judges
from facefusion.evaluation.pairs import Pair
from facefusion.evaluation.report import judge_lines, machine_lines
from facefusion.evaluation.run import Request
from facefusion.evaluation.sheets import TILE, close_up, write_sheet
from facefusion.evaluation.tables import Spread, number, table
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.tiers import Tier
from facefusion.types import FloatArray, Photo

FILE: Final = "degraded.md"
SHEET: Final = "degraded.jpg"
#: Targets of every degradation.
TARGETS: Final = 20
#: Targets on the sheet.
SHOWN: Final = 2
#: Smallest ratio that counts as right.
LOW: Final = 0.85
#: Largest ratio that counts as right.
HIGH: Final = 1.15
COLUMNS: Final = "degraded target, result; the same at the photo's own pixels, twice as large"
NOTE: Final = (
    "Energy of the luminance of the new face's skin over that of the degraded target's own skin at"
    " the same place, median over the targets (10th to 90th percentile); medians outside of"
    f" {LOW} to {HIGH} are **bold**. Bands are differences of Gaussians, standard deviations in"
    " pixels of a 224 px crop; the photo's own octaves, in pixels of the photo. The target's own"
    " energies, medians in levels of 255, stand below: far under one level the ratio is not seen."
)


@dataclass
class DegradationResults:
    """Energies of each result of one degradation, and a sentence for each failed pair."""

    energies: list[SkinEnergies] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def skin_close_up(photo: Photo, mesh: FloatArray) -> Photo:
    """Crops a tile between nose and cheek of `photo` (H, W, 3) at twice the photo's scale."""
    side = TILE // 2
    centre = np.rint(mesh[[50, 4], :2].mean(0)).astype(int)
    largest = np.maximum(np.array(photo.shape[1::-1]) - side, 0)
    left, top = np.clip(centre - side // 2, 0, largest)
    crop = photo[top : top + side, left : left + side]
    return np.asarray(cv2.resize(crop, (TILE, TILE), interpolation=cv2.INTER_NEAREST), np.uint8)


def run_degraded(
    pipeline: FusionPipeline, known: KnownFaces, pairs: Sequence[Pair]
) -> tuple[dict[str, DegradationResults], list[tuple[Photo, str]]]:
    """Fuses every pair under every degradation of its target.

    Args:
        pipeline: the product.
        known: the real faces, with meshes of the photos before degradation.
        pairs: of files that are `known`.

    Returns:
        Results by the name of the degradation, and rows for a sheet.
    """
    kinds = degradations()
    results = {name: DegradationResults() for name in kinds}
    sheet_rows = []
    for i, pair in enumerate(tqdm(pairs, desc="degraded", unit="pair")):
        source, target = known.read(pair.source), known.read(pair.target)
        mesh = known.faces[pair.target].mesh
        for name, degrade in kinds.items():
            degraded = degrade(target, i)
            try:
                fused = pipeline(source, degraded, tier=Tier.BEST)
            except Exception as error:  # a bug must not end the table
                reason = failure_sentence(error)
                sentence = f"{name}, {pair.source} -> {pair.target}: {reason}"
                results[name].failures.append(sentence)
                continue
            energies = skin_energies(degraded, fused.image, fused.mask, mesh)
            results[name].energies.append(energies)
            if i < SHOWN:
                caption = f"{name}: {pair.source} -> {pair.target}"
                sheet_rows.append((_views(degraded, fused.image, mesh), caption))
    return results, sheet_rows


def _views(degraded: Photo, result: Photo, mesh: FloatArray) -> Photo:
    """Joins close-ups of the face in both photos, then of its skin."""
    views = [
        view(photo, mesh) for view in (close_up, skin_close_up) for photo in (degraded, result)
    ]
    return np.concatenate(views, axis=1)


def cell(values: Sequence[float]) -> str:
    """Formats median and percentiles of ratios, bold if the median is outside `LOW` to `HIGH`."""
    spread = Spread.of(values, abs)
    text = f"{number(spread.median, 2)} ({number(spread.p10, 2)} to {number(spread.p90, 2)})"
    outside = spread.count and not LOW <= round(spread.median, 2) <= HIGH
    return f"**{text}**" if outside else text


def ratio_cells(results: DegradationResults) -> list[str]:
    """Formats ratios by `COMPARED`, and the number of results."""
    ratios = np.array([energies.ratios for energies in results.energies])
    columns = ratios.reshape(-1, len(COMPARED)).T
    return [*[cell(column.tolist()) for column in columns], str(len(results.energies))]


def target_cells(results: DegradationResults) -> list[str]:
    """Formats medians of the targets' energies by `COMPARED`."""
    targets = np.array([energies.target for energies in results.energies])
    columns = targets.reshape(-1, len(COMPARED)).T
    return [number(Spread.of(column.tolist(), abs).median, 2) for column in columns]


def degraded_report(request: Request, machine: dict[str, Any]) -> tuple[Path, int]:
    """Measures every degradation, and writes `degraded.md` and its sheet to the request's folder.

    Args:
        request: its folders, weights and limit (`TARGETS` by default); no sheet if `worst` is 0.
        machine: `cpu.describe_machine()`, taken before the run.

    Returns:
        The path of the table, and the number of failed fusions.

    Raises:
        DataError: the data cannot be used.
        WeightsError: the product's networks are missing or damaged.
        OSError: the table cannot be written.
    """
    pipeline = FusionPipeline.from_pretrained(request.weights)
    judges = choose_judges(pipeline, request.identity_judge)
    known = KnownFaces.of(request.data, judges, features=False)
    pairs = known.pairs(request.limit or TARGETS)
    results, sheet_rows = run_degraded(pipeline, known, pairs)
    failures = [failure for each in results.values() for failure in each.failures]
    ratios = [[name, *ratio_cells(each)] for name, each in results.items()]
    targets = [[name, *target_cells(each)] for name, each in results.items()]
    lines = ["# New faces in degraded photos", "", f"`{request.command()}`", ""]
    lines += [*machine_lines(machine), *judge_lines(judges)[:1], ""]
    lines += table(["degradation", *COMPARED, "results"], ratios)
    lines += [NOTE, "", *table(["target's own, levels", *COMPARED], targets)]
    if sheet_rows and request.worst:
        write_sheet(request.out / SHEET, sheet_rows, COLUMNS)
        lines += [f"The first {SHOWN} targets, not chosen: [{SHEET}]({SHEET})", ""]
    lines += [f"- {failure}" for failure in failures]
    path = request.out / FILE
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return path, len(failures)
