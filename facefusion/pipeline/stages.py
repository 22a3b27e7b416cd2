"""Implements the steps of `FusionPipeline.stream`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from contextvars import copy_context
from functools import partial

import numpy as np

from facefusion.compose.layers import RenderedPicture
from facefusion.fusion.coarse import FusionMaps
from facefusion.fusion.refine import RefineRunner
from facefusion.perception.identity import IdentityEncoder
from facefusion.pipeline.alignment import AlignedPair
from facefusion.pipeline.canvas import Canvas
from facefusion.pipeline.faces import FaceFinder
from facefusion.pipeline.matching import FaceMatch, ReshapedTarget
from facefusion.pipeline.results import Picture
from facefusion.pipeline.steps import Steps
from facefusion.pipeline.target import PreparedTarget
from facefusion.studio.swapper import StudioRunner
from facefusion.tiers import TierSpec
from facefusion.types import Face, Photo


def align(
    finder: FaceFinder,
    matches: Sequence[FaceMatch],
    reshaped: ReshapedTarget,
    *,
    expression_strength: float,
    tier: TierSpec,
    steps: Steps,
    executor: Executor,
) -> list[AlignedPair]:
    """Warps each source onto its target, which is measured anew if the photo was reshaped."""
    sources = [
        finder.source(match.source, match.source_coverings, steps).prepared(executor)
        for match in matches
    ]
    pairs = []
    for match, face, source in zip(matches, reshaped.faces, sources, strict=True):
        if reshaped.changed is None:
            coverings = match.target_coverings
            target = finder.target(match.target, coverings, tier, steps)
        else:
            coverings = finder.coverings(reshaped.photo, face.mesh)
            target = PreparedTarget.of(reshaped.photo, face.mesh, coverings, tier, steps)
        pairs.append(
            AlignedPair.align(
                source,
                target,
                mesh=finder.mesh,
                expression_strength=expression_strength,
                coverings=coverings,
                steps=steps,
            )
        )
    return pairs


def start_detail(pair: AlignedPair, tier: TierSpec, executor: Executor) -> Future[Photo] | None:
    """Renders the warped source in the executor; None if the tier composes no detail."""
    window = pair.target.window
    if window is None or not tier.refine_size:
        return None
    return executor.submit(pair.rendered, window)


def start_refining(
    refine: RefineRunner, pair: AlignedPair, maps: FusionMaps, executor: Executor
) -> Future[FusionMaps] | None:
    """Refines a coarse answer in the executor; None if the face is too small for it."""
    if not pair.target.sizes.refine:
        return None
    run = partial(refine, *pair.network_inputs(pair.target.sizes.refine), maps)
    return executor.submit(copy_context().run, run)


def compose_drafts(
    canvas: Canvas, pairs: Sequence[AlignedPair], maps: Sequence[FusionMaps]
) -> list[Photo]:
    """Composes the coarse network's faces, and returns each in its target's aligned crop."""
    answers = [pair.smooth_residual(answer) for pair, answer in zip(pairs, maps, strict=True)]
    for pair, answer in zip(pairs, answers, strict=True):
        canvas.add_coarse(pair, answer)
    return [pair.fused(answer) for pair, answer in zip(pairs, answers, strict=True)]


def compose_details(
    canvas: Canvas,
    pairs: Sequence[AlignedPair],
    maps: Sequence[FusionMaps],
    details: Sequence[Future[Photo] | None],
) -> list[Photo]:
    """Composes the faces with source detail, and returns each in its target's aligned crop."""
    answers = [pair.smooth_residual(answer) for pair, answer in zip(pairs, maps, strict=True)]
    for pair, answer, detail in zip(pairs, answers, details, strict=True):
        canvas.add_detail(pair, answer, None if detail is None else detail.result())
    return [pair.fused(answer) for pair, answer in zip(pairs, answers, strict=True)]


def swap_in_studio(
    studio: StudioRunner,
    matches: Sequence[FaceMatch],
    photo: Photo,
    faces: Sequence[Face],
    pairs: Sequence[AlignedPair],
    canvas: Canvas,
) -> RenderedPicture:
    """Swaps the faces with the user's own swapper, blended by the draft's masks."""
    changed = canvas.changed
    for match, face, pair, mask in zip(matches, faces, pairs, canvas.masks, strict=True):
        sources = [(each.photo, each.face.mesh) for each in match.source_photos]
        opacity = pair.target.mask_over(mask, photo.shape)
        photo, pasted = studio(photo, face.mesh, sources, opacity)
        changed = np.maximum(changed, pasted)
    return RenderedPicture(photo, changed)


def compare(
    identity: IdentityEncoder,
    final: Picture,
    faces: Sequence[Face],
    matches: Sequence[FaceMatch],
) -> list[float]:
    """Returns cosines between the embeddings of the result's faces and of their sources."""
    image = final.image()
    return [
        float(identity(image, face.mesh) @ match.embedding)
        for face, match in zip(faces, matches, strict=True)
    ]
