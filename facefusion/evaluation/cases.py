"""Fuses pairs at every tier, and measures each result by the judges."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facefusion.errors import FusionError
from facefusion.evaluation.groups import groups_of
from facefusion.evaluation.judges import Judges
from facefusion.evaluation.measures import LocatedFace, measure
from facefusion.evaluation.pairs import Pair
from facefusion.evaluation.retrieval import top1
from facefusion.evaluation.sheets import strip
from facefusion.images.reading import read_photo
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.tiers import Tier
from facefusion.types import FloatArray, FusionResult, Photo


@dataclass(frozen=True)
class Case:
    """One pair at one tier.

    Attributes:
        pair: the pair.
        tier: the tier.
        strip: (h, w, 3) picture of source, target, coarse and result.
        figures: by the keys of `MEASURES`; empty where it failed.
        source, result: embeddings (D,); None where it failed.
        failure: why there are no figures, one sentence, or None.
        groups: of the pair (`groups.groups_of`); empty if a judge found no face.
    """

    pair: Pair
    tier: Tier
    strip: Photo
    figures: dict[str, float] = field(default_factory=dict)
    source: FloatArray | None = None
    result: FloatArray | None = None
    failure: str | None = None
    groups: dict[str, str] = field(default_factory=dict)


def sentence(error: Exception) -> str:
    """Formats an unexpected error on one line."""
    return " ".join(f"Unexpected {type(error).__name__}: {error}".split())


class JudgeError(Exception):
    """A judge finds no face; the message is a sentence for the report."""


def evaluate_pair(
    pipeline: FusionPipeline, judges: Judges, folder: Path, pair: Pair, tiers: Iterable[Tier]
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
    seen: list[LocatedFace] = []
    reason = None
    try:
        photos.append(read_photo(folder / pair.source, "source"))
        photos.append(read_photo(folder / pair.target, "target"))
        seen.append(see(judges, photos[0], "source photo"))
        seen.append(see(judges, photos[1], "target photo"))
    except (FusionError, JudgeError) as error:
        reason = str(error)
    meshes = [one.mesh for one in seen]
    groups = groups_of(*seen) if len(seen) == 2 else {}
    for tier in tiers:
        if reason is not None:
            yield Case(pair, tier, strip(photos, meshes), failure=reason, groups=groups)
            continue
        source, target = seen
        fused: FusionResult | None = None
        figures: dict[str, float] = {}
        result: LocatedFace | None = None
        failure = None
        try:
            begin = time.perf_counter()
            fused = pipeline(source.photo, target.photo, tier=tier)
            seconds = time.perf_counter() - begin
            if fused.image.shape != target.photo.shape:
                raise JudgeError("The result has another size than the target photo.")
            result = see(judges, fused.image, "result")
            figures = measure(source, target, result, seconds)
        except (FusionError, JudgeError) as error:
            failure = str(error)
        except Exception as error:  # a bug is a finding, and must not end the report
            failure = sentence(error)
        shown = [fused.coarse, fused.image] if fused is not None else []
        known = [
            *meshes,
            *[target.mesh if image.shape == target.photo.shape else None for image in shown],
        ]
        picture = strip([*photos, *shown], known)
        if failure is not None or result is None:
            yield Case(pair, tier, picture, failure=failure, groups=groups)
        else:
            yield Case(
                pair, tier, picture, figures, source.embedding, result.embedding, groups=groups
            )


def see(judges: Judges, photo: Photo, name: str) -> LocatedFace:
    """Measures the mesh and the identity embedding of a photo.

    Args:
        judges: measure the photo.
        photo: (H, W, 3) RGB uint8.
        name: name of the photo in the error.

    Raises:
        JudgeError: the mesh judge finds no face.
    """
    mesh = judges.mesh(photo)
    if mesh is None:
        raise JudgeError(f"The mesh judge finds no face in the {name}.")
    return LocatedFace(photo, mesh, judges.identity(photo, mesh))


def retrieved(cases: list[Case], gallery: FloatArray | None) -> list[bool]:
    """Returns for each case that did not fail whether it retrieves its source."""
    pairs = [
        (case, case.source, case.result)
        for case in cases
        if case.source is not None and case.result is not None
    ]
    if not pairs:
        return []
    names, sources, results = zip(*[(case.pair.source, s, r) for case, s, r in pairs], strict=True)
    return top1(list(names), np.stack(sources), np.stack(results), gallery)
