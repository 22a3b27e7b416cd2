"""Fuses photos: matches faces, aligns them, runs the networks and composes the result."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from facefusion.auto.chooser import TierChooser
from facefusion.auto.speed import PERCEPTION, keep_speed, known_speed
from facefusion.compose.layers import RenderedPicture
from facefusion.engines.selection import Engine, forced_engines, open_network, select_engines
from facefusion.errors import PhotoRole
from facefusion.fusion.coarse import COARSE_SIZE, CoarseRunner, FusionMaps
from facefusion.fusion.refine import RefineRunner
from facefusion.images.reading import MAX_SOURCES, as_rgb, numbered
from facefusion.machine.measurements import machine_key
from facefusion.models.hub import embedded, resolve
from facefusion.models.manifest import WeightFile
from facefusion.perception.coverings import CoveringsFinder
from facefusion.perception.detector import FaceDetector
from facefusion.perception.eyelids import EyelidsFinder
from facefusion.perception.hair import HairFinder
from facefusion.perception.identity import IdentityEncoder
from facefusion.perception.mesh import FaceMesh
from facefusion.perception.spectacles import SpectaclesFinder
from facefusion.pipeline.alignment import AlignedPair
from facefusion.pipeline.cache import FeatureCache, content_key
from facefusion.pipeline.canvas import Canvas
from facefusion.pipeline.clock import STAGES, Clock, Progress
from facefusion.pipeline.faces import FaceFinder
from facefusion.pipeline.matching import FaceMatch, ReshapedTarget, match_faces, reshape_target
from facefusion.pipeline.options import LIKENESS, FusionOptions
from facefusion.pipeline.results import ChosenTier, Picture, Results
from facefusion.pipeline.steps import Steps
from facefusion.pipeline.target import PreparedTarget
from facefusion.studio.insightface_models import upgrade_from_environment
from facefusion.studio.swapper import StudioNet
from facefusion.tiers import TIERS, Tier, TierSpec
from facefusion.types import Face, FusionResult, Photo, Swap

__all__ = ["LIKENESS", "MAX_SOURCES", "STAGES", "FusionPipeline", "Progress"]


class FusionPipeline:
    """The networks and a cache of their measurements; safe for concurrent calls.

    Args:
        detector, mesh, identity, coverings, coarse, refine: the networks.
        cache: holds faces, embeddings and aligned crops by the content of their photo, for ten
            minutes after their last use by default; `cache.clear()` empties it.
        chooser: chooses the tier for `Tier.AUTO`; by default from the speed measured on this
            machine.
        speed_key: key under which the measured speed is kept on disk; empty to keep none.
        steps: steps of warping and composing to run; all by default.
    """

    def __init__(
        self,
        *,
        detector: FaceDetector,
        mesh: FaceMesh,
        identity: IdentityEncoder,
        coverings: CoveringsFinder,
        coarse: CoarseRunner,
        refine: RefineRunner,
        cache: FeatureCache | None = None,
        chooser: TierChooser | None = None,
        speed_key: str = "",
        steps: Steps | None = None,
    ) -> None:
        self.detector, self.mesh, self.identity, self.coverings = (
            detector,
            mesh,
            identity,
            coverings,
        )
        self.coarse, self.refine = coarse, refine
        self.steps = Steps() if steps is None else steps
        self.cache = FeatureCache() if cache is None else cache
        speed, keep = partial(known_speed, self, speed_key), partial(keep_speed, speed_key)
        self.chooser = TierChooser(speed, keep=keep) if chooser is None else chooser
        self._finder = FaceFinder(detector, mesh, identity, coverings, self.cache)
        #: Network of the Studio tier, set by `insightface_models.upgrade`.
        self.studio: StudioNet | None = None
        #: Message for the page if other networks run than were requested, or None.
        self.notice: str | None = None

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path | None = None,
        *,
        revision: str | None = None,
        threads: int | None = None,
        engine: Engine | str | None = None,
        steps: Steps | None = None,
    ) -> Self:
        """Opens the networks.

        Args:
            weights: a directory with `manifest.json` and the ONNX files, or a Hub repository,
                `owner/repo`; by default the value of `FACEFUSION_HUB_REPO`, or else the embedded
                weights. If a repository is unavailable, the embedded weights are used and
                `notice` gives the reason.
            revision: the repository's commit, 40 hex digits.
            threads: threads of each network; all cores by default.
            engine: runs the fusion networks; by default the fastest installed one for each
                (`selection.select_engines`).
            steps: steps of warping and composing to run; all by default.

        Raises:
            WeightsError: a file is missing or damaged, or `weights` is no valid name.
        """
        found = resolve(weights, revision)
        try:
            pipe = cls._opened(found.files, threads, engine, steps)
        except Exception as error:
            if not found.name:
                raise
            found = embedded(found.name, f"they cannot be opened ({type(error).__name__})")
            pipe = cls._opened(found.files, threads, engine, steps)
        pipe.notice = found.notice
        upgrade_from_environment(pipe, threads)
        return pipe

    @classmethod
    def _opened(
        cls,
        files: dict[str, WeightFile],
        threads: int | None,
        engine: Engine | str | None,
        steps: Steps | None,
    ) -> Self:
        engines = (
            select_engines(files, threads) if engine is None else forced_engines(engine, files)
        )
        return cls(
            detector=FaceDetector(files["detector"].path, threads=threads),
            mesh=FaceMesh(files["mesh"].path, threads=threads),
            identity=IdentityEncoder(files["identity"].path, threads=threads),
            coverings=CoveringsFinder(
                SpectaclesFinder(files["spectacles"].path, threads=threads),
                HairFinder(files["hair"].path, threads=threads),
                EyelidsFinder(files["eyelids"].path, threads=threads),
            ),
            coarse=CoarseRunner(open_network(engines["coarse"], files, "coarse", threads)),
            refine=RefineRunner(open_network(engines["refine"], files, "refine", threads)),
            speed_key=machine_key(
                f"{threads} threads",
                *engines.values(),
                files["coarse"].sha256,
                files["refine"].sha256,
            ),
            steps=steps,
        )

    @property
    def tiers(self) -> list[Tier]:
        """Tiers that can be requested, `AUTO` first; `STUDIO` only with the user's own models."""
        return [Tier.AUTO, *TIERS, *([Tier.STUDIO] if self.studio is not None else [])]

    def use_detector(self, detector: FaceDetector) -> None:
        """Replaces the detector and clears the cache, which holds the old one's detections."""
        self.detector = detector
        self._finder = replace(self._finder, detector=detector)
        self.cache.clear()

    def expected_seconds(self) -> dict[Tier, float]:
        """Returns the measured seconds by tier for two photos of 1024 px.

        The first call measures, which takes up to a second.
        """
        return self.chooser.speed.expected_seconds

    def __call__(
        self,
        source: Any,
        target: Any,
        *,
        face: Face | Sequence[Face] | None = None,
        tier: Tier | str = Tier.AUTO,
        budget: float | None = None,
        likeness: float = LIKENESS,
        blend: float = 1.0,
        progress: Progress | None = None,
    ) -> FusionResult:
        """Puts the face of `source` into the photo `target`.

        Args:
            source: photo of the source face, (H, W, 3) RGB uint8 of any size, or a list of 1 to 3
                photos of one person. Grey, RGBA, float and 16-bit arrays are accepted too
                (`reading.as_rgb`).
            target: photo in which a face is replaced, in the same formats.
            face: the face or faces of the target to replace, from `find_faces`; the largest by
                default.
            tier: quality tier. `AUTO` takes the best tier that improves a face of this size and
                fits the budget.
            budget: seconds that `AUTO` may take, including queued calls; 0.8 by default.
            likeness: from 0, the target's expression and face shape, to 1, the source's features
                and a part of its face shape. Beyond 0.5 the target photo is warped a little around
                the face.
            blend: opacity of the new face, in [0, 1].
            progress: called at the beginning of each stage.

        Returns:
            The fused photo with its coarse preview, mask, identity similarity and timings.

        Raises:
            FusionError: a photo cannot be used; the message says which, why, and what to do.
            ValueError: unknown tier, likeness or blend outside of [0, 1], no face, or more than
                three source photos.
        """
        faces = list(face) if isinstance(face, Sequence) else [face]
        swaps = [Swap(source, each) for each in faces]
        *_, result = self.stream(
            swaps,
            target,
            tier=tier,
            budget=budget,
            likeness=likeness,
            blend=blend,
            progress=progress,
        )
        return result

    def stream(
        self,
        swaps: Sequence[Swap],
        target: Any,
        *,
        tier: Tier | str = Tier.AUTO,
        budget: float | None = None,
        likeness: float = LIKENESS,
        blend: float = 1.0,
        progress: Progress | None = None,
    ) -> Iterator[FusionResult]:
        """Puts the faces of one or several sources into one photo, and yields a draft first.

        Args:
            swaps: sources, each with the face that it replaces.
            target, tier, budget, likeness, blend, progress: see `__call__`.

        Yields:
            A draft, whose `image` is its `coarse` picture and whose identity similarity is NaN;
            then the result.

        Raises:
            FusionError, ValueError: see `__call__`.
        """
        options = FusionOptions(Tier(tier), budget, likeness, blend)
        if options.tier not in self.tiers:
            raise ValueError(f"there is no tier {options.tier} here: its models are missing")
        if not swaps:
            raise ValueError("at least one face is needed")
        sources = [numbered(swap.source) for swap in swaps]
        photo, clock = as_rgb(target, "target"), Clock(progress)
        with self.chooser.load.running_one(), ThreadPoolExecutor(1) as worker:
            # 1. Match: faces of all photos, identity embeddings and coverings.
            matches = [
                match_faces(self._finder, photos, photo, swap.face, clock)
                for photos, swap in zip(sources, swaps, strict=True)
            ]
            # 2. Tier: the requested one, or Auto's choice.
            chosen = self._choose_tier(options, matches, clock)
            # 3. Align: each source on its target's mesh, relit, coverings excluded.
            with clock.stage("warp"):
                reshaped = reshape_target(photo, matches, options.shape_strength)
                pairs = self._align(matches, reshaped, options, chosen.spec, worker)
            details = [_render_detail(pair, chosen.spec, worker) for pair in pairs]
            # 4. Coarse: mask and residual at 128 px, and the draft composed from them.
            with clock.stage("coarse"):
                maps = [
                    self.coarse(*pair.network_inputs(COARSE_SIZE), match.embedding)
                    for pair, match in zip(pairs, matches, strict=True)
                ]
            refining = [self._refine(*each, worker) for each in zip(pairs, maps, strict=True)]
            with clock.stage("draft"):
                canvas = Canvas.of(reshaped.photo, reshaped.changed)
                crops = self._add_drafts(canvas, pairs, maps, options.blend)
            photo, faces = reshaped.photo, reshaped.faces
            del reshaped  # its mask takes more memory than the photo
            made = Results(matches, pairs, canvas.layers, chosen, clock)
            yield made.result(canvas.layers, crops, [math.nan] * len(matches))
            # 5. Refine: mask and residual at up to 512 px; or Studio, with the user's own models.
            final: Picture = canvas.layers
            for i, answer in enumerate(refining):
                if answer is not None:
                    with clock.stage("refine"):
                        maps[i] = answer.result()
            if chosen.tier is Tier.STUDIO and self.studio is not None:
                with clock.stage("refine"):
                    final = _in_studio(self.studio, matches, photo, faces, pairs, canvas)
            # 6. Compose: the source's detail, at the resolution of the photo.
            if chosen.spec.refine_size:
                with clock.stage("compose"):
                    canvas = canvas.without_faces()
                    crops = self._add_details(canvas, pairs, maps, details, options.blend)
                final = canvas.layers
            # 7. Check: identity similarity of the result; the time taken updates the chooser.
            with clock.stage("check"):
                similarities = self._compare(final, faces, matches)
            if chosen.tier in TIERS:
                self.chooser.observe(
                    chosen.tier, chosen.face_size, _work(clock), faces=len(matches)
                )
            yield made.result(final, crops, similarities)

    def _choose_tier(
        self, options: FusionOptions, matches: Sequence[FaceMatch], clock: Clock
    ) -> ChosenTier:
        size = max(match.size for match in matches)
        if options.tier is not Tier.AUTO:
            return ChosenTier(options.tier, size)
        elapsed = sum(clock.seconds.values())
        choice = self.chooser.choose(
            size, elapsed=elapsed, faces=len(matches), budget=options.budget
        )
        return ChosenTier(choice.tier, size, choice)

    def _align(
        self,
        matches: Sequence[FaceMatch],
        reshaped: ReshapedTarget,
        options: FusionOptions,
        spec: TierSpec,
        worker: Executor,
    ) -> list[AlignedPair]:
        sources = [
            self._finder.source(match.source, match.source_coverings, self.steps).prepared(worker)
            for match in matches
        ]
        pairs = []
        for match, face, source in zip(matches, reshaped.faces, sources, strict=True):
            if reshaped.changed is None:
                coverings = match.target_coverings
                target = self._finder.target(match.target, coverings, spec, self.steps)
            else:
                coverings = self.coverings(reshaped.photo, face.mesh)
                target = PreparedTarget.of(reshaped.photo, face.mesh, coverings, spec, self.steps)
            pairs.append(
                AlignedPair.align(
                    source,
                    target,
                    mesh=self.mesh,
                    expression_strength=options.expression_strength,
                    coverings=coverings,
                    steps=self.steps,
                )
            )
        return pairs

    def _refine(
        self, pair: AlignedPair, maps: FusionMaps, worker: Executor
    ) -> Future[FusionMaps] | None:
        """Refines a coarse answer in the worker thread; None if the face is too small for it."""
        if not pair.target.sizes.refine:
            return None
        refine = partial(self.refine, *pair.network_inputs(pair.target.sizes.refine), maps)
        return worker.submit(copy_context().run, refine)

    def _add_drafts(
        self,
        canvas: Canvas,
        pairs: Sequence[AlignedPair],
        maps: Sequence[FusionMaps],
        blend: float,
    ) -> list[Photo]:
        """Composes the coarse network's faces, and returns each in its target's aligned crop."""
        answers = [pair.smooth_residual(answer) for pair, answer in zip(pairs, maps, strict=True)]
        for pair, answer in zip(pairs, answers, strict=True):
            canvas.add_coarse(pair, answer, blend, self.steps)
        return [pair.fused(answer) for pair, answer in zip(pairs, answers, strict=True)]

    def _add_details(
        self,
        canvas: Canvas,
        pairs: Sequence[AlignedPair],
        maps: Sequence[FusionMaps],
        details: Sequence[Future[Photo] | None],
        blend: float,
    ) -> list[Photo]:
        """Composes the faces with source detail, and returns each in its target's aligned crop."""
        answers = [pair.smooth_residual(answer) for pair, answer in zip(pairs, maps, strict=True)]
        for pair, answer, detail in zip(pairs, answers, details, strict=True):
            rendered = None if detail is None else detail.result()
            canvas.add_detail(pair, answer, blend, self.steps, rendered)
        return [pair.fused(answer) for pair, answer in zip(pairs, answers, strict=True)]

    def _compare(
        self, final: Picture, faces: Sequence[Face], matches: Sequence[FaceMatch]
    ) -> list[float]:
        """Returns cosines between the embeddings of the result's faces and of their sources."""
        image = final.image()
        return [
            float(self.identity(image, face.mesh) @ match.embedding)
            for face, match in zip(faces, matches, strict=True)
        ]

    def find_faces(
        self, photo: Any, which: PhotoRole = "target", *, number: int | None = None
    ) -> list[Face]:
        """Finds every face of a photo, also those too small or too far turned to be used.

        Args:
            photo: (H, W, 3) RGB uint8 of any size, or another format that `__call__` accepts.
            which, number: role and position of the photo, for the error message.

        Returns:
            Faces, from left to right.

        Raises:
            FusionError: the array is no picture, or it shows no face.
        """
        photo = as_rgb(photo, which, number=number)
        faces = self._finder.faces(photo, content_key(photo), which, number)
        return sorted(faces, key=lambda face: float(face.mesh[:, 0].mean()))


def _render_detail(pair: AlignedPair, spec: TierSpec, worker: Executor) -> Future[Photo] | None:
    """Renders the warped source in the worker thread; None if the tier composes no detail."""
    window = pair.target.window
    if window is None or not spec.refine_size:
        return None
    return worker.submit(pair.rendered, window)


def _in_studio(
    studio: StudioNet,
    matches: Sequence[FaceMatch],
    photo: Photo,
    faces: Sequence[Face],
    pairs: Sequence[AlignedPair],
    canvas: Canvas,
) -> RenderedPicture:
    """Swaps the faces with the user's own swapper, blended by the draft's masks."""
    changed = canvas.changed
    for match, face, pair, mask in zip(matches, faces, pairs, canvas.masks, strict=True):
        own = [(each.photo, each.face.mesh) for each in match.source_photos]
        opacity = pair.target.mask_over(mask, photo.shape)
        photo, pasted = studio(photo, face.mesh, own, opacity)
        changed = np.maximum(changed, pasted)
    return RenderedPicture(photo, changed)


def _work(clock: Clock) -> float:
    """Returns the seconds of all stages after perception."""
    return sum(seconds for stage, seconds in clock.seconds.items() if stage not in PERCEPTION)
