"""FusionPipeline: two photos in, one fused photo out."""

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

from facefusion.canvas import Canvas
from facefusion.choice import TierChooser
from facefusion.clock import STAGES, Clock, Progress
from facefusion.engines import Engine, forced_engines, open_network, select_engines
from facefusion.errors import PhotoRole
from facefusion.finder import FaceFinder
from facefusion.fusion.cache import FeatureCache, content_key
from facefusion.fusion.coarse import COARSE_SIZE, CoarseRunner, FusionMaps
from facefusion.fusion.refine import RefineRunner
from facefusion.fusion.studio import StudioNet
from facefusion.hub import embedded, resolve
from facefusion.layers import Finished
from facefusion.matching import FaceMatch, ReshapedTarget, match_faces, reshape_target
from facefusion.options import LIKENESS, FusionOptions
from facefusion.perception.coverings import CoveringsFinder
from facefusion.perception.detector import FaceDetector
from facefusion.perception.eyelids import EyelidsFinder
from facefusion.perception.hair import HairFinder
from facefusion.perception.identity import IdentityEncoder
from facefusion.perception.mesh import FaceMesh
from facefusion.perception.spectacles import SpectaclesFinder
from facefusion.photos import MAX_SOURCES, as_rgb, numbered
from facefusion.remembered import machine_key
from facefusion.results import ChosenTier, Picture, Results
from facefusion.runtime import WeightFile
from facefusion.speed import PERCEPTION, keep_speed, known_speed
from facefusion.steps import Steps
from facefusion.tiers import TIERS, Tier, TierSpec
from facefusion.types import Face, FusionResult, Photo, Swap
from facefusion.upgrades import upgrade_from_environment
from facefusion.views import AlignedPair, PreparedTarget

__all__ = ["LIKENESS", "MAX_SOURCES", "STAGES", "FusionPipeline", "Progress"]


class FusionPipeline:
    """The one object of the project: the networks, and for ten minutes what they measured. Safe for
    concurrent calls.

    Args:
        detector, mesh, identity, coverings, coarse, refine: the networks.
        cache: remembers faces, embeddings and aligned crops by the content of their photo;
            `cache.clear()` forgets them.
        chooser: chooses the tier where none is asked for; by default by what this machine is
            measured to need.
        speed_key: names what that measurement depends on, to find it again on the disk; empty for
            not at all.
        steps: which steps of the warp and of composing are done; all by default.
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
        #: The tier Studio, which `upgrades.upgrade` brings.
        self.studio: StudioNet | None = None
        #: A sentence for the page where other networks run than were asked for, or None.
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
                `owner/repo`; by default what `FACEFUSION_HUB_REPO` names, or else the embedded
                weights. Where a repository cannot be had, the embedded weights serve and `notice`
                says why.
            revision: the repository's commit, 40 hex digits.
            threads: threads of each network; all cores by default.
            engine: runs the fusion networks; by default for each the quickest that is installed
                (`engines.select_engines`).
            steps: which steps of the warp and of composing are done; all by default.

        Raises:
            WeightsError: a file is missing or damaged, or the name is none.
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
        """The tiers that this pipeline can run, `AUTO` first; `STUDIO` only with models of the
        user's own.
        """
        return [Tier.AUTO, *TIERS, *([Tier.STUDIO] if self.studio is not None else [])]

    def use_detector(self, detector: FaceDetector) -> None:
        """Takes another detector from now on, and forgets what the one before it found."""
        self.detector = detector
        self._finder = replace(self._finder, detector=detector)
        self.cache.clear()

    def expected_seconds(self) -> dict[Tier, float]:
        """By tier, what two photos of 1024 px were measured to take here; the first time, that
        takes up to a second.
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
            source: the face: an (H, W, 3) RGB uint8 array of any size, or a list of 1 to 3 of them,
                of one person. Grey, RGBA, float and 16-bit arrays are taken too (`photos.as_rgb`).
            target: the photo.
            face: which of its faces is replaced, or which several, from `find_faces`; the largest
                by default.
            tier: how much work to do. `AUTO` takes the best tier that this face gains from and that
                there is time for.
            budget: seconds that `AUTO` may take, with those that wait counted in; 0.8 by default.
            likeness: from 0, the photo's expression and face shape as they are, to 1, the person's
                features and a part of their face shape. Beyond 0.5 the photo bends a little around
                the face.
            blend: how much of the new face is seen, from 0, nothing, to 1, all of it.
            progress: told of each stage as it begins.

        Returns:
            The fused photo with its coarse preview, mask, identity similarity and timings.

        Raises:
            FusionError: one of the photos cannot be used; the message says which, why, and what to
                do.
            ValueError: no such tier, likeness or blend outside of [0, 1], no face, or more than
                three face photos.
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
        """Puts the faces of one source or of several into one photo, and yields a draft first.

        Args:
            swaps: which source replaces which face.
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
            # 1. Match: the faces of all photos, who they are, and what covers them.
            matches = [
                match_faces(self._finder, photos, photo, swap.face, clock)
                for photos, swap in zip(sources, swaps, strict=True)
            ]
            # 2. Tier: how much work this call does.
            chosen = self._choose_tier(options, matches, clock)
            # 3. Align: each source on its target's mesh, relit, without what covers it.
            with clock.stage("warp"):
                reshaped = reshape_target(photo, matches, options.shape_strength)
                pairs = self._align(matches, reshaped, options, chosen.spec, worker)
            details = [_render_detail(pair, chosen.spec, worker) for pair in pairs]
            # 4. Coarse: mask and residual at 128 px, and a draft from them.
            with clock.stage("coarse"):
                maps = [
                    self.coarse(*pair.at(COARSE_SIZE), match.embedding)
                    for pair, match in zip(pairs, matches, strict=True)
                ]
            refining = [self._refine(*each, worker) for each in zip(pairs, maps, strict=True)]
            with clock.stage("draft"):
                canvas = Canvas.of(reshaped.photo, reshaped.changed)
                crops = self._add_drafts(canvas, pairs, maps, options.blend)
            photo, faces = reshaped.photo, reshaped.faces
            del reshaped  # its mask takes more memory than the photo
            made = Results(matches, pairs, canvas.made, chosen, clock)
            yield made.result(canvas.made, crops, [math.nan] * len(matches))
            # 5. Refine: mask and residual at up to 512 px; or Studio, with the user's own models.
            final: Picture = canvas.made
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
                    canvas = canvas.again()
                    crops = self._add_details(canvas, pairs, maps, details, options.blend)
                final = canvas.made
            # 7. Check: how alike the result is to the source; the time that it took is learned.
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
                target = self._finder.view(match.target, coverings, spec, self.steps)
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
        """Refines a coarse answer beside what follows; None where the face is too small for it."""
        if not pair.target.refined:
            return None
        refine = partial(self.refine, *pair.at(pair.target.refined), maps)
        return worker.submit(copy_context().run, refine)

    def _add_drafts(
        self,
        canvas: Canvas,
        pairs: Sequence[AlignedPair],
        maps: Sequence[FusionMaps],
        blend: float,
    ) -> list[Photo]:
        """Adds the faces as the coarse network made them, and returns each in its target's crop."""
        answers = [pair.steadied(answer) for pair, answer in zip(pairs, maps, strict=True)]
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
        """Adds the faces with their sources' detail, and returns each in its target's crop."""
        answers = [pair.steadied(answer) for pair, answer in zip(pairs, maps, strict=True)]
        for pair, answer, detail in zip(pairs, answers, details, strict=True):
            rendered = None if detail is None else detail.result()
            canvas.add_detail(pair, answer, blend, self.steps, rendered)
        return [pair.fused(answer) for pair, answer in zip(pairs, answers, strict=True)]

    def _compare(
        self, final: Picture, faces: Sequence[Face], matches: Sequence[FaceMatch]
    ) -> list[float]:
        """Cosines between the identities of the result's faces and of their sources."""
        image = final.image()
        return [
            float(self.identity(image, face.mesh) @ match.embedding)
            for face, match in zip(faces, matches, strict=True)
        ]

    def find_faces(
        self, photo: Any, which: PhotoRole = "target", *, number: int | None = None
    ) -> list[Face]:
        """Every face of a photo, from left to right, also those that are too small or too far
        turned to be used.

        Args:
            photo: an (H, W, 3) RGB uint8 array of any size, or what `__call__` takes besides.
            which, number: the role of the photo, for the error.

        Raises:
            FusionError: it is no picture, or it shows no face.
        """
        photo = as_rgb(photo, which, number=number)
        faces = self._finder.faces(photo, content_key(photo), which, number)
        return sorted(faces, key=lambda face: float(face.mesh[:, 0].mean()))


def _render_detail(pair: AlignedPair, spec: TierSpec, worker: Executor) -> Future[Photo] | None:
    """Renders the warped source for composing, beside the networks; None where that is not done."""
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
) -> Finished:
    """The faces as the user's own swapper makes them, blended by the draft's masks."""
    changed = canvas.changed
    for match, face, pair, mask in zip(matches, faces, pairs, canvas.masks, strict=True):
        own = [(each.photo, each.face.mesh) for each in match.source_photos]
        opacity = pair.target.mask_over(mask, photo.shape)
        photo, pasted = studio(photo, face.mesh, own, opacity)
        changed = np.maximum(changed, pasted)
    return Finished(photo, changed)


def _work(clock: Clock) -> float:
    """Seconds of everything that came after the faces were known."""
    return sum(seconds for stage, seconds in clock.seconds.items() if stage not in PERCEPTION)
