"""FusionPipeline: two photos in, one fused photo out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from facefusion.canvas import Canvas
from facefusion.choice import TierChooser
from facefusion.clock import STAGES, Clock, Progress
from facefusion.engines import Engine, known_engines, open_network, wanted
from facefusion.errors import Photo as Which
from facefusion.finder import FaceFinder
from facefusion.fusion.cache import FeatureCache, content_key
from facefusion.fusion.coarse import COARSE_SIZE, CoarseNet
from facefusion.fusion.refine import RefineNet
from facefusion.fusion.studio import StudioNet
from facefusion.geometry.align import face_size
from facefusion.hub import embedded, resolve
from facefusion.people import Person, shaped
from facefusion.perception.coverings import CoveringsFinder
from facefusion.perception.detector import FaceDetector
from facefusion.perception.eyelids import EyelidsFinder
from facefusion.perception.hair import HairFinder
from facefusion.perception.identity import IdentityEncoder
from facefusion.perception.mesh import FaceMesh
from facefusion.perception.spectacles import SpectaclesFinder
from facefusion.photos import MAX_SOURCES, as_rgb, numbered
from facefusion.remembered import machine_key
from facefusion.runtime import WeightFile
from facefusion.speed import PERCEPTION, keep_speed, known_speed
from facefusion.steps import Steps
from facefusion.tiers import TIERS, Tier, TierChoice, tier_spec
from facefusion.types import Face, FloatArray, FusedFace, FusionResult, Photo, Swap, Timings
from facefusion.upgrades import upgrade_from_environment
from facefusion.views import AlignedPair, TargetView

__all__ = ["LIKENESS", "MAX_SOURCES", "STAGES", "FusionPipeline", "Progress"]

#: What `likeness` does. At 0 the target's expression is held as far as it can be measured, in the middle as far as the two
#: meshes tell it; from there on the target's face shape moves towards the person's, at 1 by `SHAPE_AT_MOST`.
LIKENESS: Final = 0.5
SHAPE_AT_MOST: Final = 0.6


class FusionPipeline:
    """The one object of the project: the networks, and for ten minutes what they measured. Safe for concurrent calls.

    Args:
        detector, mesh, identity, coverings, coarse, refine: the networks.
        cache: remembers faces, embeddings and aligned crops by the content of their photo; `cache.clear()` forgets them.
        chooser: chooses the tier where none is asked for; by default by what this machine is measured to need.
        speed_key: names what that measurement depends on, to find it again on the disk; empty for not at all.
        steps: which steps of the warp and of composing are done; all by default.
    """

    def __init__(
        self,
        *,
        detector: FaceDetector,
        mesh: FaceMesh,
        identity: IdentityEncoder,
        coverings: CoveringsFinder,
        coarse: CoarseNet,
        refine: RefineNet,
        cache: FeatureCache | None = None,
        chooser: TierChooser | None = None,
        speed_key: str = "",
        steps: Steps | None = None,
    ) -> None:
        self.detector, self.mesh, self.identity, self.coverings = detector, mesh, identity, coverings
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
            weights: a directory with `manifest.json` and the ONNX files, or a Hub repository, `owner/repo`; by default what
                `FACEFUSION_HUB_REPO` names, or else the embedded weights. Where a repository cannot be had, the embedded
                weights serve and `notice` says why.
            revision: the repository's commit, 40 hex digits.
            threads: threads of each network; all cores by default.
            engine: runs the fusion networks; by default for each the quickest that is installed (`engines.known_engines`).
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
        cls, files: dict[str, WeightFile], threads: int | None, engine: Engine | str | None, steps: Steps | None
    ) -> Self:
        engines = known_engines(files, threads) if engine is None else wanted(engine, files)
        return cls(
            detector=FaceDetector(files["detector"].path, threads=threads),
            mesh=FaceMesh(files["mesh"].path, threads=threads),
            identity=IdentityEncoder(files["identity"].path, threads=threads),
            coverings=CoveringsFinder(
                SpectaclesFinder(files["spectacles"].path, threads=threads),
                HairFinder(files["hair"].path, threads=threads),
                EyelidsFinder(files["eyelids"].path, threads=threads),
            ),
            coarse=CoarseNet(open_network(engines["coarse"], files, "coarse", threads)),
            refine=RefineNet(open_network(engines["refine"], files, "refine", threads)),
            speed_key=machine_key(f"{threads} threads", *engines.values(), files["coarse"].sha256, files["refine"].sha256),
            steps=steps,
        )

    @property
    def tiers(self) -> list[Tier]:
        """The tiers that this pipeline can run, `AUTO` first; `STUDIO` only with models of the user's own."""
        return [Tier.AUTO, *TIERS, *([Tier.STUDIO] if self.studio is not None else [])]

    def use_detector(self, detector: FaceDetector) -> None:
        """Takes another detector from now on, and forgets what the one before it found."""
        self.detector = detector
        self._finder = replace(self._finder, detector=detector)
        self.cache.clear()

    def expected_seconds(self) -> dict[Tier, float]:
        """By tier, what two photos of 1024 px were measured to take here; the first time, that takes up to a second."""
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
            source: the face: an (H, W, 3) RGB uint8 array of any size, or a list of 1 to 3 of them, of one person. Grey,
                RGBA, float and 16-bit arrays are taken too (`photos.as_rgb`).
            target: the photo.
            face: which of its faces is replaced, or which several, from `find_faces`; the largest by default.
            tier: how much work to do. `AUTO` takes the best tier that this face gains from and that there is time for.
            budget: seconds that `AUTO` may take, with those that wait counted in; 0.8 by default.
            likeness: from 0, the photo's expression and face shape as they are, to 1, the person's features and a part of
                their face shape. Beyond 0.5 the photo bends a little around the face.
            blend: how much of the new face is seen, from 0, nothing, to 1, all of it.
            progress: told of each stage as it begins.

        Returns:
            The fused photo with its coarse preview, mask, identity similarity and timings.

        Raises:
            FusionError: one of the photos cannot be used; the message says which, why, and what to do.
            ValueError: no such tier, likeness or blend outside of [0, 1], no face, or more than three face photos.
        """
        faces = list(face) if isinstance(face, Sequence) else [face]
        swaps = [Swap(source, each) for each in faces]
        *_, result = self.stream(swaps, target, tier=tier, budget=budget, likeness=likeness, blend=blend, progress=progress)
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
        """Puts the faces of one person or of several into one photo, and hands out the draft as soon as there is one.

        Args:
            swaps: whose face goes where.
            target, tier, budget, likeness, blend, progress: see `__call__`.

        Yields:
            A draft, whose `image` is its `coarse` picture and whose identity similarity is NaN; then the result.

        Raises:
            FusionError, ValueError: see `__call__`.
        """
        tier = Tier(tier)
        if tier not in self.tiers:
            raise ValueError(f"there is no tier {tier} here: it needs models that were not brought")
        for name, share in (("likeness", likeness), ("blend", blend)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is between 0 and 1, not {share}")
        if not swaps:
            raise ValueError("at least one face is needed")
        sources = [numbered(swap.source) for swap in swaps]
        target = as_rgb(target, "target")
        with self.chooser.load.one_more():
            yield from self._fuse(
                sources, [swap.face for swap in swaps], target, tier, budget, likeness, blend, Clock(progress)
            )

    def _fuse(
        self,
        sources: Sequence[list[tuple[Photo, int | None]]],
        chosen: Sequence[Face | None],
        target: Photo,
        tier: Tier,
        budget: float | None,
        likeness: float,
        blend: float,
        clock: Clock,
    ) -> Iterator[FusionResult]:
        """The method, from photos that were read to the result: see `stream`."""
        asked = zip(sources, chosen, strict=True)
        people = [Person.met(self._finder, photos, target, face, clock) for photos, face in asked]
        largest, elapsed = max(face_size(person.face.mesh) for person in people), sum(clock.seconds.values())
        choice = None
        if tier is Tier.AUTO:
            choice = self.chooser.choose(largest, elapsed=elapsed, faces=len(people), budget=budget)
            tier = choice.tier
        with ThreadPoolExecutor(1) as beside:
            yield from self._composed(people, target, tier, largest, choice, likeness, blend, clock, beside)

    def _composed(
        self,
        people: Sequence[Person],
        target: Photo,
        tier: Tier,
        largest: float,
        choice: TierChoice | None,
        likeness: float,
        blend: float,
        clock: Clock,
        beside: Executor,
    ) -> Iterator[FusionResult]:
        """The method, from people who were met to the result; `beside` does what can be done at the same time."""
        with clock.stage("warp"):
            shape = SHAPE_AT_MOST * max(0.0, 2 * likeness - 1)
            photo, faces, bent = shaped(target, people, shape)
            spec = tier_spec(tier)
            sources = [self._finder.source(person.source, person.theirs, self.steps) for person in people]
            sources = [source.prepared(beside) for source in sources]
            pairs = []
            for person, face, source in zip(people, faces, sources, strict=True):
                if bent is None:
                    worn, view = person.worn, self._finder.view(person.target, person.worn, spec, self.steps)
                else:
                    worn = self.coverings(photo, face.mesh)
                    view = TargetView.of(photo, face.mesh, worn, spec, self.steps)
                settled = max(0.0, 1 - 2 * likeness)
                pairs.append(
                    AlignedPair.align(source, view, mesh=self.mesh, settled=settled, worn=worn, steps=self.steps)
                )
        windows = [pair.target.window for pair in pairs]
        rendered = [
            beside.submit(pair.rendered, window) if window is not None and spec.refine_size else None
            for pair, window in zip(pairs, windows, strict=True)
        ]
        with clock.stage("coarse"):
            maps = [self.coarse(*pair.at(COARSE_SIZE), person.embedding) for pair, person in zip(pairs, people, strict=True)]
        # The refine network answers while the draft is composed and shown.
        refining = {
            i: beside.submit(copy_context().run, partial(self.refine, *pair.at(pair.target.refined), maps[i]))
            for i, pair in enumerate(pairs)
            if pair.target.refined
        }
        with clock.stage("draft"):
            canvas = Canvas.of(photo, bent)
            answers = [pair.steadied(answer) for pair, answer in zip(pairs, maps, strict=True)]
            for pair, answer in zip(pairs, answers, strict=True):
                canvas.add_coarse(pair, answer, blend, self.steps)
            draft, bent = canvas.made, None
            made = [pair.fused(answer) for pair, answer in zip(pairs, answers, strict=True)]

        def result(
            image: Callable[[], Photo], mask: Callable[[], FloatArray], similarities: Sequence[float]
        ) -> FusionResult:
            replaced = tuple(
                FusedFace(person.source.face, person.face, similarity, pair.warped, fused, pair.to_photo)
                for person, similarity, pair, fused in zip(people, similarities, pairs, made, strict=True)
            )
            timings = Timings(dict(clock.seconds))
            return FusionResult(image, draft.image, mask, timings, tier, replaced, choice)

        yield result(draft.image, draft.mask, [float("nan")] * len(people))
        image, mask, refined = draft.image, draft.mask, list(maps)
        for i, later in refining.items():
            with clock.stage("refine"):
                refined[i] = later.result()
        refined = [pair.steadied(answer) for pair, answer in zip(pairs, refined, strict=True)]
        if tier is Tier.STUDIO and self.studio is not None:
            with clock.stage("refine"):  # in the refine network's place
                swapped, changed = photo, canvas.changed
                for person, face, pair, opacity in zip(people, faces, pairs, canvas.masks, strict=True):
                    own = [(each.photo, each.face.mesh) for each in person.every]
                    swapped, pasted = self.studio(swapped, face.mesh, own, pair.target.mask_over(opacity, photo.shape))
                    changed = np.maximum(changed, pasted)
                image, mask = swapped.copy, changed.copy
        if spec.refine_size:
            with clock.stage("compose"):
                canvas = canvas.again()
                for pair, ready, answer in zip(pairs, rendered, refined, strict=True):
                    face_image = None if ready is None else ready.result()
                    canvas.add_detail(pair, answer, blend, self.steps, face_image)
                made = [pair.fused(answer) for pair, answer in zip(pairs, refined, strict=True)]
            image, mask = canvas.made.image, canvas.made.mask
        with clock.stage("check"):
            seen = image()
            similarities = [
                float(self.identity(seen, face.mesh) @ person.embedding) for face, person in zip(faces, people, strict=True)
            ]
            del seen
        rest = sum(seconds for stage, seconds in clock.seconds.items() if stage not in PERCEPTION)
        if tier in TIERS:
            self.chooser.observe(tier, largest, rest, faces=len(people))
        yield result(image, mask, similarities)

    def find_faces(self, photo: Any, which: Which = "target", *, number: int | None = None) -> list[Face]:
        """Every face of a photo, from left to right, also those that are too small or too far turned to be used.

        Args:
            photo: an (H, W, 3) RGB uint8 array of any size, or what `__call__` takes besides.
            which, number: the role of the photo, for the error.

        Raises:
            FusionError: it is no picture, or it shows no face.
        """
        photo = as_rgb(photo, which, number=number)
        faces = self._finder.faces(photo, content_key(photo), which, number)
        return sorted(faces, key=lambda face: float(face.mesh[:, 0].mean()))
