"""Ablates the steps of the warp and of composing: pairs with all, all but one, and no steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from facefusion.evaluation.faces import KnownFaces
from facefusion.evaluation.failures import failure_sentence
from facefusion.evaluation.judges import EvaluationJudges, choose_judges, judge_face
from facefusion.evaluation.measures import measure
from facefusion.evaluation.pairs import Pair
from facefusion.evaluation.realism import BANDS, FaceCrop, band_ratios, stains
from facefusion.evaluation.recipe import NAME as RECIPE
from facefusion.evaluation.recipe import opencv_recipe
from facefusion.evaluation.report import judge_lines, machine_lines
from facefusion.evaluation.run import Request
from facefusion.evaluation.tables import number, table
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.pipeline.steps import Steps
from facefusion.tiers import Tier
from facefusion.types import FloatArray, Photo

FILE: Final = "steps.md"
#: Measures of the table, after the stains.
FIGURES: Final = ("id_similarity", "expression_error_pct", "skin_tone_delta_e")
#: Stages of `FusionResult.timings` that contain the steps.
STAGES: Final = ("warp", "compose")
COLUMNS: Final = (
    "realism, kernel distance x 1000",
    *[f"band {band}" for band in BANDS],
    "stains, mean dE",
    "stains, p95 dE",
    "identity",
    "expression, %",
    "skin tone, dE",
    "warp + compose, ms",
    "pairs",
)
NOTES: Final = (
    "Realism: kernel distance (Binkowski et al., ICLR 2018) x 1000 of the results from the real"
    " faces, on means and deviations of EfficientNet-Lite0's features inside the face; lower is"
    " better, down to the floor. Band: energy of the luminance inside the face, result over target,"
    " median over the pairs; differences of Gaussians, standard deviations in pixels of a 224 px"
    " crop; 1 is right. Stains: CIELAB difference of result and target on skin, averaged over an"
    " eye's width; mean and 95th percentile over the skin, means over the pairs. Identity: cosine"
    " to the source. Expression: error of mesh points in % of the eye distance. Skin tone:"
    " difference on the cheeks. All three are means over the pairs. Milliseconds: median, the rows"
    " measured in turns.",
    "A result that copies its target is real by these measures, and nobody new: read realism beside"
    " the identity.",
)

#: Turns (source photo, target photo, pair) into the result and the seconds of warp and compose.
Method = Callable[[Photo, Photo, Pair], tuple[Photo, float]]


@dataclass
class MethodResults:
    """Measurements of one method.

    Attributes:
        features: (D,) of each result, if the network is installed.
        bands: (5,) of each result, fused over target.
        figures: of each result: stains' mean and 95th percentile, identity, expression, skin tone.
        seconds: of each result.
        failures: a sentence for each failed pair.
    """

    features: list[FloatArray] = field(default_factory=list)
    bands: list[FloatArray] = field(default_factory=list)
    figures: list[list[float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def settings() -> dict[str, Steps]:
    """Returns the steps of each row by name: all, all but one, none."""
    steps = Steps()
    names = Steps.names()
    return {
        "all steps": steps,
        **{f"without {name}": steps.without(name) for name in names},
        "no step": steps.without(*names),
    }


def _product(pipeline: FusionPipeline) -> Method:
    """Returns the method that fuses by a pipeline."""

    def run(source: Photo, target: Photo, pair: Pair) -> tuple[Photo, float]:
        # Clears the cache, so that no pair is faster because of an earlier one.
        pipeline.cache.clear()
        fused = pipeline(source, target, tier=Tier.BEST)
        return fused.image, sum(fused.timings.stages.get(stage, 0.0) for stage in STAGES)

    return run


def _recipe(known: KnownFaces) -> Method:
    """Returns the method that fuses by OpenCV alone."""

    def run(source: Photo, target: Photo, pair: Pair) -> tuple[Photo, float]:
        begin = time.perf_counter()
        image = opencv_recipe(
            source, target, known.faces[pair.source].mesh, known.faces[pair.target].mesh
        )
        return image, time.perf_counter() - begin

    return run


def compare(
    methods: dict[str, Method], known: KnownFaces, judges: EvaluationJudges, pairs: Sequence[Pair]
) -> dict[str, MethodResults]:
    """Fuses every pair with every method, in turns, and measures the results.

    Args:
        methods: by the name of their row; each pair begins with a different one.
        known: the real faces.
        judges: measure the results.
        pairs: of files that are `known`.
    """
    names = list(methods)
    results = {name: MethodResults() for name in names}
    for i, pair in enumerate(tqdm(pairs, desc="steps", unit="pair")):
        source, target = known.read(pair.source), known.read(pair.target)
        faces = known.judged(pair.source, source), known.judged(pair.target, target)
        first = i % len(names)
        for name in names[first:] + names[:first]:
            try:
                image, seconds = methods[name](source, target, pair)
                figures = measure(*faces, judge_face(judges, image, "result"), seconds)
            except Exception as error:  # a bug must not end the table
                reason = failure_sentence(error)
                results[name].failures.append(f"{name}, {pair.source} -> {pair.target}: {reason}")
            else:
                _add(results[name], known, pair.target, image, figures)
                results[name].seconds.append(seconds)
    return results


def _add(
    results: MethodResults, known: KnownFaces, target: str, image: Photo, figures: dict[str, float]
) -> None:
    """Adds a result's measurements.

    Args:
        results: of its method.
        known: the real faces.
        target: file of the target.
        image: the result.
        figures: of `measures.measure`.
    """
    face = known.faces[target]
    crop = FaceCrop.of(image, face.mesh)
    if known.network is not None:
        results.features.append(known.network(crop))
    results.bands.append(band_ratios(crop, face.crop))
    results.figures.append([*stains(crop, face.crop), *[figures[key] for key in FIGURES]])


def row_cells(results: MethodResults, known: KnownFaces) -> list[str]:
    """Formats a method's figures, one for each of `COLUMNS`."""
    if not results.bands:
        return ["-"] * (len(COLUMNS) - 1) + ["0"]
    realism = known.real.distance(results.features) if known.real is not None else float("nan")
    bands = np.median(results.bands, axis=0)
    means = np.mean(results.figures, axis=0)
    return [
        number(realism, 0),
        *[number(float(band), 2) for band in bands],
        *[number(float(mean), digits) for mean, digits in zip(means, (1, 1, 3, 2, 1), strict=True)],
        number(1000 * float(np.median(results.seconds)), 0),
        str(len(results.bands)),
    ]


def steps_report(request: Request, machine: dict[str, Any]) -> tuple[Path, int]:
    """Measures every setting and the OpenCV recipe, writes `steps.md` into the request's folder.

    Args:
        request: its folders, judge, weights and limit.
        machine: `cpu.describe_machine()`, taken before the run.

    Returns:
        The path of the table, and the number of failed fusions.

    Raises:
        DataError: the data or a judge cannot be used.
        WeightsError: the product's networks are missing or damaged.
        OSError: the table cannot be written.
    """
    pipeline = FusionPipeline.from_pretrained(request.weights)
    judges = choose_judges(pipeline, request.identity_judge)
    known = KnownFaces.of(request.data, judges)
    methods = {name: _product(pipeline.with_steps(steps)) for name, steps in settings().items()}
    results = compare(
        {**methods, RECIPE: _recipe(known)}, known, judges, known.pairs(request.limit)
    )
    failures = [failure for each in results.values() for failure in each.failures]
    floor = ""
    if known.real is not None:
        floor = f"Floor of realism, halves of {len(known.faces)} faces: {known.real.floor():.0f}."
    lines = ["# What each step brings", "", f"`{request.command()}`", ""]
    lines += [*machine_lines(machine), *judge_lines(judges), ""]
    lines += table(
        ["", *COLUMNS], [[name, *row_cells(each, known)] for name, each in results.items()]
    )
    lines += [f"{note}\n" for note in (floor, known.missing, *NOTES) if note]
    lines += [f"- {failure}" for failure in failures]
    path = request.out / FILE
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return path, len(failures)
