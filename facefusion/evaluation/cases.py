"""Fuses a pair at every tier, and measures each result by the judges."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from facefusion.errors import FusionError
from facefusion.evaluation.case import Case
from facefusion.evaluation.failures import JudgeError, failure_sentence
from facefusion.evaluation.groups import groups_of, in_front
from facefusion.evaluation.judges import EvaluationJudges, judge_face
from facefusion.evaluation.measures import JudgedFace, measure
from facefusion.evaluation.pairs import Pair
from facefusion.evaluation.retrieval import top1
from facefusion.evaluation.sheets import tile_row
from facefusion.images.reading import read_photo
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.tiers import Tier
from facefusion.types import FloatArray, FusionResult, Photo


def evaluate_pair(
    pipeline: FusionPipeline,
    judges: EvaluationJudges,
    folder: Path,
    pair: Pair,
    tiers: Iterable[Tier],
) -> Iterator[Case]:
    """Fuses one pair, once a tier; an error becomes the case's `failure` and is not raised.

    Args:
        pipeline: the product.
        judges: measure the photos.
        folder: the data folder that the pair's files are relative to.
        pair: the pair.
        tiers: the tiers to run.
    """
    photos: list[Photo] = []
    faces: list[JudgedFace] = []
    failure = None
    try:
        photos.append(read_photo(folder / pair.source, "source"))
        photos.append(read_photo(folder / pair.target, "target"))
        faces.append(judge_face(judges, photos[0], "source photo"))
        faces.append(judge_face(judges, photos[1], "target photo"))
    except (FusionError, JudgeError) as error:
        failure = str(error)
    if failure is None:
        source, target = faces
        yield from (_evaluate_tier(pipeline, judges, pair, source, target, tier) for tier in tiers)
        return
    picture = tile_row(photos, [face.mesh for face in faces])
    yield from (Case(pair, tier, picture, failure=failure) for tier in tiers)


def _evaluate_tier(
    pipeline: FusionPipeline,
    judges: EvaluationJudges,
    pair: Pair,
    source: JudgedFace,
    target: JudgedFace,
    tier: Tier,
) -> Case:
    """Fuses one pair at one tier; any error becomes the case's `failure`."""
    groups = groups_of(source, target)
    fused: FusionResult | None = None
    try:
        begin = time.perf_counter()
        fused = pipeline(source.photo, target.photo, tier=tier)
        seconds = time.perf_counter() - begin
        if fused.image.shape != target.photo.shape:
            raise JudgeError("The result has another size than the target photo.")
        groups |= _coverings_groups(pipeline, source, target, fused)
        result = judge_face(judges, fused.image, "result")
        figures = measure(source, target, result, seconds)
    except Exception as error:  # a bug is a finding, and must not end the report
        picture = _picture(source, target, fused)
        return Case(pair, tier, picture, failure=failure_sentence(error), groups=groups)
    return Case(
        pair,
        tier,
        _picture(source, target, fused),
        figures,
        source.embedding,
        result.embedding,
        groups=groups,
    )


def _coverings_groups(
    pipeline: FusionPipeline, source: JudgedFace, target: JudgedFace, fused: FusionResult
) -> dict[str, str]:
    """Names what is in front of both faces, by division; nothing without a fused face."""
    if not fused.faces:
        return {}
    face = fused.faces[0]
    photos = {"source": (source.photo, face.source), "target": (target.photo, face.target)}
    return {
        f"in front of the {role}": in_front(pipeline.find_coverings(*each))
        for role, each in photos.items()
    }


def _picture(source: JudgedFace, target: JudgedFace, fused: FusionResult | None) -> Photo:
    """Joins the row of a contact sheet; images of another size than the target are shown whole."""
    images = [] if fused is None else [fused.coarse, fused.image]
    meshes = [target.mesh if image.shape == target.photo.shape else None for image in images]
    return tile_row([source.photo, target.photo, *images], [source.mesh, target.mesh, *meshes])


def retrieved(cases: Sequence[Case], gallery: FloatArray | None) -> list[bool]:
    """Returns for each case that did not fail whether it retrieves its source."""
    names, sources, results = [], [], []
    for case in cases:
        if case.source_embedding is not None and case.result_embedding is not None:
            names.append(case.pair.source)
            sources.append(case.source_embedding)
            results.append(case.result_embedding)
    return top1(names, np.stack(sources), np.stack(results), gallery) if names else []
