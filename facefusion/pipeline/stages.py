"""Implements the steps of `FusionPipeline.stream`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from contextvars import copy_context
from dataclasses import dataclass

import numpy as np

from facefusion.auto.chooser import TierChooser
from facefusion.compose.layers import RenderedPicture
from facefusion.fusion.coarse import COARSE_SIZE, CoarseRunner, FusionMaps
from facefusion.fusion.refine import RefineRunner
from facefusion.perception.coverings import Coverings
from facefusion.perception.identity import IdentityEncoder
from facefusion.pipeline.alignment import AlignedPair
from facefusion.pipeline.canvas import Canvas
from facefusion.pipeline.checks import ComposedFace, flaws
from facefusion.pipeline.clock import Clock
from facefusion.pipeline.faces import FaceFinder
from facefusion.pipeline.kept import kept
from facefusion.pipeline.matching import FaceMatch, ReshapedTarget
from facefusion.pipeline.options import FusionOptions
from facefusion.pipeline.results import Checked, ChosenTier, Picture
from facefusion.pipeline.target import PreparedTarget
from facefusion.studio.swapper import StudioRunner
from facefusion.tiers import Tier, TierSpec
from facefusion.types import Face, Photo


def choose_tier(
    chooser: TierChooser, options: FusionOptions, matches: Sequence[FaceMatch], clock: Clock
) -> ChosenTier:
    """Returns the requested tier, or Auto's choice for the largest face."""
    size = max(match.size for match in matches)
    if options.tier is not Tier.AUTO:
        return ChosenTier(options.tier, size)
    elapsed = sum(clock.seconds.values())
    choice = chooser.choose(size, elapsed=elapsed, faces=len(matches), budget=options.budget)
    return ChosenTier(choice.tier, size, choice)


@dataclass(frozen=True)
class Aligner:
    """Settings of the alignment of a call.

    Attributes:
        finder: cached measurements of the faces.
        tier: sizes of the aligned crops.
        expression_strength: share of the measured difference in expression that is corrected, in
            [0, 1].
    """

    finder: FaceFinder
    tier: TierSpec
    expression_strength: float

    def align(
        self, matches: Sequence[FaceMatch], reshaped: ReshapedTarget, executor: Executor
    ) -> list[AlignedPair]:
        """Warps each source onto its target, which is measured anew if the photo was reshaped."""
        sources = [
            self.finder.source(match.source, match.source_coverings).prepared(executor)
            for match in matches
        ]
        pairs = []
        for match, face, source in zip(matches, reshaped.faces, sources, strict=True):
            target, coverings = self._target(match, face, reshaped)
            pairs.append(
                AlignedPair.align(
                    source,
                    target,
                    mesh=self.finder.mesh,
                    expression_strength=self.expression_strength,
                    coverings=coverings,
                    steps=self.finder.steps,
                )
            )
        return pairs

    def _target(
        self, match: FaceMatch, face: Face, reshaped: ReshapedTarget
    ) -> tuple[PreparedTarget, Coverings]:
        if reshaped.changed is None:
            coverings = match.target_coverings
            return self.finder.target(match.target, coverings, self.tier), coverings
        photo, steps = reshaped.photo, self.finder.steps
        coverings = self.finder.coverings(photo, face.mesh)
        return PreparedTarget.of(photo, face.mesh, coverings, self.tier, steps), coverings


def start_details(
    pairs: Sequence[AlignedPair], tier: TierSpec, executor: Executor
) -> list[Future[Photo] | None]:
    """Renders the warped sources in the executor; None where the tier composes no detail."""
    windows = [pair.target.window if tier.refine_size else None for pair in pairs]
    return [
        None if window is None else executor.submit(pair.rendered, window)
        for pair, window in zip(pairs, windows, strict=True)
    ]


def run_coarse(
    coarse: CoarseRunner, pairs: Sequence[AlignedPair], matches: Sequence[FaceMatch]
) -> list[FusionMaps]:
    """Runs the coarse network on each pair."""
    return [
        coarse(*pair.network_inputs(COARSE_SIZE), match.identity)
        for pair, match in zip(pairs, matches, strict=True)
    ]


#: The refine network's answer, and when it was there, as of `time.perf_counter`.
Refined = tuple[FusionMaps, float]


def start_refining(
    refine: RefineRunner,
    pairs: Sequence[AlignedPair],
    maps: Sequence[FusionMaps],
    executor: Executor,
) -> list[Future[Refined] | None]:
    """Refines coarse answers in the executor; None where the face is too small for it."""

    def start(pair: AlignedPair, answer: FusionMaps) -> Future[Refined] | None:
        size = pair.target.sizes.refine
        if not size:
            return None
        inputs = pair.network_inputs(size)
        return executor.submit(
            copy_context().run, lambda: (refine(*inputs, answer), time.perf_counter())
        )

    return [start(pair, answer) for pair, answer in zip(pairs, maps, strict=True)]


def finish_refining(
    refining: Sequence[Future[Refined] | None], maps: Sequence[FusionMaps], clock: Clock
) -> list[FusionMaps]:
    """Waits for the refined answers; coarse ones stay where none was started.

    The stage lasts from the end of the draft to the last answer, whatever the caller does with the
    draft meanwhile: so the sum of all stages is the time of a call that does not pause.
    """
    answers = list(maps)
    for i, refined in enumerate(refining):
        if refined is not None:
            clock.report("refine")
            answers[i], end = refined.result()
            clock.add_until("refine", end)
    return answers


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
    faces: Sequence[Face],
    pairs: Sequence[AlignedPair],
    canvas: Canvas,
) -> RenderedPicture:
    """Swaps the faces with the user's own swapper, blended by the draft's masks."""
    photo, changed = canvas.layers.photo, canvas.changed
    for match, face, pair, mask in zip(matches, faces, pairs, canvas.masks, strict=True):
        sources = [(each.photo, each.face.mesh) for each in match.source_photos]
        opacity = pair.target.mask_over(mask, photo.shape)
        photo, pasted = studio(photo, face.mesh, sources, opacity)
        changed = np.maximum(changed, pasted)
    return RenderedPicture(photo, changed)


def check(
    identity: IdentityEncoder,
    final: Picture,
    canvas: Canvas,
    faces: Sequence[Face],
    matches: Sequence[FaceMatch],
    pairs: Sequence[AlignedPair],
    maps: Sequence[FusionMaps],
) -> list[Checked]:
    """Compares the result's faces with their sources, and looks for flaws in them."""
    image, photo = final.image(), canvas.layers.photo
    checked = []
    for face, match, pair, answer in zip(faces, matches, pairs, maps, strict=True):
        mask = canvas.blend * pair.final_mask(answer.mask)
        source_mesh = match.source.face.mesh
        composed = ComposedFace.of(photo, image, mask, face.mesh, source_mesh, pair.beard)
        similarity = float(identity(image, face.mesh) @ match.embedding)
        keeps = kept(match.source_coverings, match.target_coverings)
        checked.append(Checked(similarity, flaws(composed, keeps), keeps))
    return checked
