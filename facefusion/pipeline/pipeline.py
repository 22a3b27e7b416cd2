"""Fuses photos: matches faces, aligns them, runs the networks and composes the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from facefusion.auto.chooser import TierChooser
from facefusion.auto.speed import FACE_SIDE, PERCEPTION, Speed, keep_speed, known_speed, measure
from facefusion.engines.registry import Engine
from facefusion.errors import PhotoRole
from facefusion.images.reading import MAX_SOURCES, as_rgb, numbered
from facefusion.perception.coverings import Coverings
from facefusion.pipeline import stages
from facefusion.pipeline.cache import FeatureCache, content_key
from facefusion.pipeline.canvas import Canvas
from facefusion.pipeline.clock import STAGES, Clock, Progress
from facefusion.pipeline.faces import FaceFinder, LocatedFace
from facefusion.pipeline.loading import Loading, open_networks
from facefusion.pipeline.matching import match_faces, reshape_target
from facefusion.pipeline.networks import Networks
from facefusion.pipeline.options import LIKENESS, FusionOptions
from facefusion.pipeline.results import Checked, Picture, Results
from facefusion.pipeline.steps import Steps
from facefusion.pipeline.synthetic import synthetic_photos, with_synthetic_face
from facefusion.tiers import TIERS, Backend, Tier
from facefusion.types import Face, FusionResult, Photo, Swap

__all__ = ["LIKENESS", "MAX_SOURCES", "STAGES", "FusionPipeline", "Progress"]


class FusionPipeline:
    """Open networks and a cache of their measurements; safe for concurrent calls.

    Nothing but the cache and the chooser's measurements changes after construction.

    Args:
        networks: the open networks.
        cache: holds faces, embeddings and aligned crops by the content of their photo, for ten
            minutes after their last use by default; `cache.clear()` empties it.
        chooser: chooses the tier for `Tier.AUTO`; by default from the speed measured on this
            machine.
        speed_key: key under which the measured speed is kept on disk; empty to keep none.
        steps: steps of warping and composing to run; all by default.
        notice: message for the user if other networks run than were requested, or None.
    """

    def __init__(
        self,
        networks: Networks,
        *,
        cache: FeatureCache | None = None,
        chooser: TierChooser | None = None,
        speed_key: str = "",
        steps: Steps | None = None,
        notice: str | None = None,
    ) -> None:
        self.networks: Final = networks
        self.cache: Final = FeatureCache() if cache is None else cache
        self.steps: Final = Steps() if steps is None else steps
        self.notice: Final = notice
        self.chooser: Final = chooser or TierChooser(
            partial(known_speed, self._measure_speed, speed_key),
            keep=partial(keep_speed, speed_key),
        )
        self._finder: Final = FaceFinder(
            networks.detector,
            networks.mesh,
            networks.identity,
            networks.coverings,
            self.cache,
            self.steps,
        )

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path | None = None,
        *,
        revision: str | None = None,
        threads: int | None = None,
        engine: Engine | str | None = None,
        device: str = "cpu",
        models: str | Path | None = None,
        accept_licence: str = "",
        steps: Steps | None = None,
    ) -> Self:
        """Opens the networks.

        Args:
            weights: a directory with `manifest.json` and the ONNX files, or a Hub repository,
                `owner/repo`; by default the value of `FACEFUSION_HUB_REPO`, or else the embedded
                weights. If a repository is unavailable, the embedded weights are used and
                `notice` gives the reason.
            revision: the repository's commit, 40 hex digits.
            threads: threads of each network; as many as the process may use by default.
            engine: runs the fusion networks; by default the fastest installed one for each
                (`selection.select_engines`).
            device: torch device of the refine network, such as `"cuda"`; if it cannot be used, the
                CPU is, and the log gives the reason.
            models: insightface's models for the tier `STUDIO`: a directory, or
                `owner/repo@revision` in the Hub's cache; by default the value of
                `FACEFUSION_MODELS`, or none.
            accept_licence: `insightface-non-commercial` to accept the licence of `models`.
            steps: steps of warping and composing to run; all by default.

        Raises:
            WeightsError: a file is missing or damaged, `weights` is no valid name, or `models`
                cannot be used.
        """
        loading = Loading(threads, engine, device)
        opened = open_networks(
            weights, revision, loading, models=models, accept_licence=accept_licence
        )
        return cls(opened.networks, speed_key=opened.speed_key, steps=steps, notice=opened.notice)

    def with_steps(self, steps: Steps) -> FusionPipeline:
        """Returns a pipeline with the same networks and other steps, with a cache of its own."""
        return FusionPipeline(self.networks, chooser=self.chooser, steps=steps, notice=self.notice)

    @property
    def tiers(self) -> list[Tier]:
        """Tiers that can be requested, `AUTO` first; `STUDIO` only with the user's own models."""
        return [Tier.AUTO, *TIERS, *([Tier.STUDIO] if self.networks.studio is not None else [])]

    def expected_seconds(self) -> dict[Tier, float]:
        """Returns the expected seconds by tier for two photos of 1024 px that are not cached.

        The first call measures, which takes up to a second.
        """
        return self.chooser.expected(FACE_SIDE, self.chooser.speed.perception)

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
            face: target faces to replace, from `find_faces`; by default that of `find_face`.
            tier: quality tier. `AUTO` takes the best tier that improves a face of this size and
                fits the budget.
            budget: seconds that `AUTO` may take, including queued calls; by default 2.5, and 0.8
                while others wait.
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
        with self.chooser.traffic.running_one() as call, ThreadPoolExecutor(1) as executor:
            # 1. Match: faces of all photos, identity embeddings and coverings.
            matches = [
                match_faces(self._finder, photos, photo, swap.face, clock, options.contrast)
                for photos, swap in zip(sources, swaps, strict=True)
            ]
            # 2. Tier: the requested one, or Auto's choice.
            chosen = stages.choose_tier(self.chooser, options, matches, clock)
            # 3. Align: each source on its target's mesh, relit, coverings excluded.
            with clock.stage("warp"):
                reshaped = reshape_target(photo, matches, options.shape_strength)
                aligner = stages.Aligner(self._finder, chosen.spec, options.expression_strength)
                pairs = aligner.align(matches, reshaped, executor)
            # Begins in the second thread, for step 6.
            details = stages.start_details(pairs, chosen.spec, executor)
            # 4. Coarse: mask and residual at 128 px, and the draft composed from them.
            with clock.stage("coarse"):
                maps = stages.run_coarse(self.networks.coarse, pairs, matches)
            refining = stages.start_refining(self.networks.refine, pairs, maps, executor)
            with clock.stage("draft"):
                canvas = Canvas.of(reshaped.photo, reshaped.changed, options.blend, self.steps)
                crops = stages.compose_drafts(canvas, pairs, maps)
            faces = reshaped.faces
            del reshaped  # its mask takes more memory than the photo
            made = Results(matches, pairs, canvas.layers, chosen, clock)
            yield made.result(canvas.layers, crops, [Checked()] * len(matches))
            # 5. Refine: mask and residual at up to 512 px; or Studio, with the user's own models.
            maps = stages.finish_refining(refining, maps, clock)
            final: Picture = canvas.layers
            if chosen.spec.backend is Backend.STUDIO and self.networks.studio is not None:
                with clock.stage("refine"):
                    studio = self.networks.studio
                    final = stages.swap_in_studio(studio, matches, faces, pairs, canvas)
            # 6. Compose: the source's detail, at the resolution of the photo.
            if chosen.spec.refine_size:
                with clock.stage("compose"):
                    canvas = canvas.without_faces()
                    crops = stages.compose_details(canvas, pairs, maps, details)
                final = canvas.layers
            # 7. Check: identity similarity and flaws; the time taken updates the chooser.
            with clock.stage("check"):
                checked = stages.check(
                    self.networks.identity, final, canvas, faces, matches, pairs, maps
                )
            if chosen.tier in TIERS and call.alone:
                seconds = clock.seconds_without(PERCEPTION)
                self.chooser.observe(chosen.tier, chosen.face_size, seconds, faces=len(matches))
            yield made.result(final, crops, checked)

    def _measure_speed(self) -> Speed:
        """Times every tier on two grey photos with a synthetic face."""
        pipeline = FusionPipeline(with_synthetic_face(self.networks), steps=self.steps)
        pair = synthetic_photos()
        return measure(lambda tier: pipeline(*pair, tier=tier).timings.stages, pipeline.cache.clear)

    def find_faces(
        self, photo: Any, which: PhotoRole = "target", *, number: int | None = None
    ) -> list[Face]:
        """Finds every face of a photo from left to right, also those that cannot be used.

        Args:
            photo: (H, W, 3) RGB uint8 of any size, or another format that `__call__` accepts.
            which, number: role and position of the photo, for the error message.

        Raises:
            FusionError: the array is no picture, or it shows no face.
        """
        photo = as_rgb(photo, which, number=number)
        faces = self._finder.faces(photo, content_key(photo), which, number)
        return sorted(faces, key=lambda face: float(face.mesh[:, 0].mean()))

    def find_face(self, photo: Any, which: PhotoRole, *, number: int | None = None) -> Face:
        """Finds the face that a fusion takes where none is chosen: the largest that can be used.

        Raises:
            FusionError: the array is no picture, or shows no face that can be used.
        """
        photo = as_rgb(photo, which, number=number)
        return self._finder.find_face(photo, which, Clock(None), number).face

    def find_coverings(self, photo: Photo, face: Face) -> Coverings:
        """Finds what covers a face, from `find_faces`, of a photo (H, W, 3) RGB uint8."""
        return self._finder.find_coverings(LocatedFace.of(photo, face), Clock(None))
