"""FusionPipeline: two photos in, one fused photo out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, Self

import numpy as np

from facefusion.choice import TierChooser
from facefusion.compose.detail import compose_coarse, compose_detail
from facefusion.compose.paste import paste
from facefusion.errors import NoFaceError
from facefusion.errors import Photo as Which
from facefusion.fusion.cache import FeatureCache, content_key
from facefusion.fusion.coarse import CoarseNet
from facefusion.fusion.refine import LEAST_SIZE, RefineNet
from facefusion.geometry.align import FUSION_FACE_SHARE, face_size, mesh_crop_transform
from facefusion.geometry.shape import LATTICE, bend, towards
from facefusion.perception.checks import check_face, check_pair, is_consistent
from facefusion.perception.detector import FaceDetector
from facefusion.perception.identity import IdentityEncoder
from facefusion.perception.mesh import FaceMesh
from facefusion.perception.spectacles import Spectacles, SpectaclesFinder
from facefusion.photos import as_rgb
from facefusion.runtime import EMBEDDED_WEIGHTS, read_manifest
from facefusion.speed import PERCEPTION, known_speed, machine_key
from facefusion.tiers import TIERS, Tier
from facefusion.types import Detection, Face, FloatArray, FusionResult, Photo, Timings
from facefusion.views import AlignedPair, aligned_crop

#: Called with the stage that begins and the share of the work already done, in [0, 1].
Progress = Callable[[str, float], None]

#: Stages in their order, with the share of the work that lies before each (for progress bars, not measured).
STAGES: Final = {
    "detect": 0.0, "mesh": 0.2, "identity": 0.35, "glasses": 0.38, "warp": 0.4, "coarse": 0.5, "refine": 0.55,
    "compose": 0.8, "check": 0.95,
}  # fmt: skip
#: Face photos of one person that a call takes at most.
MAX_SOURCES: Final = 3
#: Detections that are measured at each attempt, the largest first, before the next attempt is made.
MAX_CANDIDATES: Final = 3
#: What `likeness` does. At 0 the target's expression is held as far as it can be measured, at 1 nothing of the person's own
#: features is taken back for it; from the middle on the target's face shape moves towards the person's, at 1 by this share.
LIKENESS: Final = 0.5
SHAPE_AT_MOST: Final = 0.6
#: About what a remembered face takes: mesh, box, points.
FACE_BYTES: Final = 8192


@dataclass
class _Clock:
    """Times the stages of one call."""

    progress: Progress | None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        if self.progress is not None:
            self.progress(name, STAGES[name])
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class _Seen:
    """A photo, its content key and the face that is used."""

    photo: Photo
    key: bytes
    face: Face


Options = ParamSpec("Options")


def _counted(
    fuse: Callable[Concatenate[FusionPipeline, Options], FusionResult],
) -> Callable[Concatenate[FusionPipeline, Options], FusionResult]:
    """Counts each call as running while it does, for those that choose a tier beside it."""

    @wraps(fuse)
    def call(self: FusionPipeline, /, *args: Options.args, **options: Options.kwargs) -> FusionResult:
        with self.chooser.load.one_more():
            return fuse(self, *args, **options)

    return call


class FusionPipeline:
    """The one object of the project: the networks, and for ten minutes what they measured. Safe for concurrent calls.

    Args:
        detector, mesh, identity, spectacles, coarse, refine: the networks.
        cache: remembers faces, embeddings and aligned crops by the content of their photo; `cache.clear()` forgets them.
        chooser: chooses the tier where none is asked for; by default by what this machine is measured to need.
        speed_key: names what that measurement depends on, to find it again on the disk; empty for not at all.
    """

    def __init__(
        self,
        *,
        detector: FaceDetector,
        mesh: FaceMesh,
        identity: IdentityEncoder,
        spectacles: SpectaclesFinder,
        coarse: CoarseNet,
        refine: RefineNet,
        cache: FeatureCache | None = None,
        chooser: TierChooser | None = None,
        speed_key: str = "",
    ) -> None:
        self.detector, self.mesh, self.identity, self.spectacles = detector, mesh, identity, spectacles
        self.coarse, self.refine = coarse, refine
        self.cache = FeatureCache() if cache is None else cache
        self.chooser = TierChooser(partial(known_speed, self, speed_key)) if chooser is None else chooser

    @classmethod
    def from_pretrained(cls, weights: str | Path | None = None, *, threads: int | None = None) -> Self:
        """Opens the networks.

        Args:
            weights: a directory with `manifest.json` and the ONNX files; the embedded weights by default.
            threads: threads of each network; all cores by default.

        Raises:
            WeightsError: a file is missing or damaged.
        """
        files = read_manifest(Path(weights) if weights is not None else EMBEDDED_WEIGHTS)
        return cls(
            detector=FaceDetector(files["detector"].path, threads=threads),
            mesh=FaceMesh(files["mesh"].path, threads=threads),
            identity=IdentityEncoder(files["identity"].path, threads=threads),
            spectacles=SpectaclesFinder(files["spectacles"].path, threads=threads),
            coarse=CoarseNet(files["coarse"].path, threads=threads),
            refine=RefineNet(files["refine"].path, threads=threads),
            speed_key=machine_key(f"{threads} threads", files["coarse"].sha256, files["refine"].sha256),
        )

    def expected_seconds(self) -> dict[Tier, float]:
        """By tier, what two photos of 1024 px were measured to take here; the first time, that takes up to a second."""
        return self.chooser.speed.expected_seconds

    @_counted
    def __call__(
        self,
        source: Any,
        target: Any,
        *,
        tier: Tier | str = Tier.AUTO,
        budget: float | None = None,
        likeness: float = LIKENESS,
        progress: Progress | None = None,
    ) -> FusionResult:
        """Puts the face of `source` into the photo `target`.

        Args:
            source: the face: an (H, W, 3) RGB uint8 array of any size, or a list of 1 to 3 of them, of one person. Grey,
                RGBA, float and 16-bit arrays are taken too (`photos.as_rgb`).
            target: the photo; its largest face is replaced.
            tier: how much work to do. `AUTO` takes the best tier that this face gains from and that there is time for.
            budget: seconds that `AUTO` may take, with those that wait counted in; 0.8 by default.
            likeness: from 0, the photo's expression and face shape as they are, to 1, the person's features and a part of
                their face shape. Beyond 0.5 the photo bends a little around the face.
            progress: told of each stage as it begins.

        Returns:
            The fused photo with its coarse preview, mask, identity similarity and timings.

        Raises:
            FusionError: one of the photos cannot be used; the message says which, why, and what to do.
            ValueError: no such tier, a likeness outside of [0, 1], or more than three face photos.
        """
        tier = Tier(tier)
        if not 0 <= likeness <= 1:
            raise ValueError(f"likeness is between 0 and 1, not {likeness}")
        sources = list(source) if isinstance(source, (list, tuple)) else [source]
        if len(sources) > MAX_SOURCES:
            raise ValueError(f"at most {MAX_SOURCES} face photos, not {len(sources)}")
        numbers = [i + 1 for i in range(len(sources))] if len(sources) > 1 else [None]
        photos = [as_rgb(s, "source", number=n) for s, n in zip(sources or [None], numbers, strict=True)]
        target = as_rgb(target, "target")
        clock = _Clock(progress)

        sources_seen = [self._find_face(p, "source", clock, n) for p, n in zip(photos, numbers, strict=True)]
        seen = self._find_face(target, "target", clock, None)
        source_seen = min(sources_seen, key=lambda each: abs(each.face.yaw - seen.face.yaw))
        check_pair(source_seen.face, seen.face)
        embedding = _mean_direction([self._embedding(each, clock) for each in sources_seen])
        worn, theirs = self._glasses(seen, clock), self._glasses(source_seen, clock)
        size_in_photo, elapsed = face_size(seen.face.mesh), sum(clock.seconds.values())
        choice = self.chooser.choose(size_in_photo, elapsed=elapsed, budget=budget) if tier is Tier.AUTO else None
        tier = tier if choice is None else choice.tier
        with clock.stage("warp"):
            photo, face, bent = _shaped(target, seen.face, source_seen.face, SHAPE_AT_MOST * max(0.0, 2 * likeness - 1))
            largest = TIERS[tier].detail_size
            if bent is not None and worn is not None:
                worn = self.spectacles(photo, face.mesh)
            pair = AlignedPair.align(
                partial(self._aligned, source_seen, theirs), photo, face, largest=largest, mesh=self.mesh,
                settled=1 - likeness, worn=worn, hidden=theirs.hidden if theirs is not None else None,
            )  # fmt: skip
        with clock.stage("coarse"):
            fused = self.coarse(pair.warped_small, pair.target_small, pair.face_mask, embedding)
        refined, size = fused, min(TIERS[tier].refine_size, pair.warped.shape[0])
        if size >= LEAST_SIZE:
            with clock.stage("refine"):
                refined = self.refine(*pair.at(size, photo), fused)
        with clock.stage("compose"):
            skin, mask = compose_coarse(pair.warped_small, fused, pair.warped.shape[0])
            coarse, full_mask = paste(photo, skin, mask, pair.to_photo)
            image = coarse
            if TIERS[tier].refine_size:
                skin, mask = compose_detail(pair.warped, refined)
                image, full_mask = paste(photo, skin, mask, pair.to_photo, full_mask)
            if bent is not None:
                full_mask = np.maximum(full_mask, bent)
        with clock.stage("check"):
            similarity = float(self.identity(image, face.mesh) @ embedding)
        rest = sum(seconds for stage, seconds in clock.seconds.items() if stage not in PERCEPTION)
        self.chooser.observe(tier, size_in_photo, rest)
        faces = source_seen.face, seen.face
        return FusionResult(image, coarse, full_mask, similarity, Timings(clock.seconds), tier, *faces, choice)

    def _find_face(self, photo: Photo, which: Which, clock: _Clock, number: int | None) -> _Seen:
        """The face of a photo, measured or remembered; a remembered one leaves no stage in the timings."""
        key = content_key(photo)
        face = self.cache.get_or_make(("face", key), lambda: self._measured(photo, which, clock, number), FACE_BYTES)
        check_face(face, which, number=number)
        return _Seen(photo, key, face)

    def _embedding(self, seen: _Seen, clock: _Clock) -> FloatArray:
        def measure() -> FloatArray:
            with clock.stage("identity"):
                return self.identity(seen.photo, seen.face.mesh)

        return self.cache.get_or_make(("identity", seen.key), measure, lambda value: value.nbytes)

    def _glasses(self, seen: _Seen, clock: _Clock) -> Spectacles | None:
        """What the face wears; that it wears nothing is remembered, too."""

        def find() -> tuple[Spectacles | None]:
            with clock.stage("glasses"):
                return (self.spectacles(seen.photo, seen.face.mesh),)

        key = ("glasses", seen.key)
        (worn,) = self.cache.get_or_make(key, find, lambda found: found[0].nbytes if found[0] is not None else 0)
        return worn

    def _aligned(self, seen: _Seen, worn: Spectacles | None, size: int) -> tuple[Photo, FloatArray]:
        """The face, cut out and aligned, without its spectacles."""

        def cut() -> tuple[Photo, FloatArray]:
            crop, points = aligned_crop(seen.photo, seen.face, size)
            return (crop if worn is None else worn.taken_off(crop)), points

        return self.cache.get_or_make(("crop", seen.key, size), cut, 3 * size * size + FACE_BYTES)

    def _looks(self, photo: Photo) -> Iterator[list[Detection]]:
        yield self.detector.glance(photo)
        yield from self.detector.attempts(photo)

    def _measured(self, photo: Photo, which: Which, clock: _Clock, number: int | None) -> Face:
        attempts = self._looks(photo)
        while True:
            with clock.stage("detect"):
                detections = next(attempts, None)
            if detections is None:
                raise NoFaceError(which, number=number)
            for detection in detections[:MAX_CANDIDATES]:
                with clock.stage("mesh"):
                    face = self.mesh(photo, detection)
                if is_consistent(face):
                    return face


def _shaped(target: Photo, face: Face, source: Face, amount: float) -> tuple[Photo, Face, FloatArray | None]:
    """The target with a part of the source's face shape: the photo, its face, and where it was bent, if it was."""
    if amount <= 0:
        return target, face, None
    moved = towards(source.mesh, face.mesh, amount)
    photo, bent = bend(target, face.mesh, moved, mesh_crop_transform(face.mesh, FUSION_FACE_SHARE, LATTICE))
    return photo, replace(face, mesh=moved), bent


def _mean_direction(embeddings: Sequence[FloatArray]) -> FloatArray:
    mean = np.mean(embeddings, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)
