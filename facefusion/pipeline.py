"""FusionPipeline: two photos in, one fused photo out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from facefusion.compose.color import steady_light
from facefusion.compose.detail import compose_coarse, compose_detail
from facefusion.compose.paste import paste
from facefusion.errors import NoFaceError
from facefusion.errors import Photo as Which
from facefusion.fusion.coarse import CoarseNet
from facefusion.perception.checks import check_face, check_pair, is_consistent
from facefusion.perception.detector import FaceDetector
from facefusion.perception.identity import IdentityEncoder
from facefusion.perception.mesh import FaceMesh
from facefusion.photos import as_rgb
from facefusion.runtime import EMBEDDED_WEIGHTS, read_manifest
from facefusion.tiers import TIERS, Tier
from facefusion.types import Face, FloatArray, FusionResult, Photo, Timings
from facefusion.views import AlignedPair

#: Called with the stage that begins and the share of the work already done, in [0, 1].
Progress = Callable[[str, float], None]

#: Stages in their order, with the share of the work that lies before each (for progress bars, not measured).
STAGES: Final = {"detect": 0.0, "mesh": 0.3, "identity": 0.45, "warp": 0.5, "coarse": 0.6, "compose": 0.7, "check": 0.95}
#: Face photos of one person that a call takes at most.
MAX_SOURCES: Final = 3
#: Detections that are measured at each attempt, the largest first, before the next attempt is made.
MAX_CANDIDATES: Final = 3


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


class FusionPipeline:
    """The one object of the project. It holds the networks, and nothing of any photo: safe for concurrent calls."""

    def __init__(self, *, detector: FaceDetector, mesh: FaceMesh, identity: IdentityEncoder, coarse: CoarseNet) -> None:
        self.detector, self.mesh, self.identity, self.coarse = detector, mesh, identity, coarse

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
            coarse=CoarseNet(files["coarse"].path, threads=threads),
        )

    def __call__(
        self,
        source: Any,
        target: Any,
        *,
        tier: Tier | str = Tier.BEST,
        progress: Progress | None = None,
    ) -> FusionResult:
        """Puts the face of `source` into the photo `target`.

        Args:
            source: the face: an (H, W, 3) RGB uint8 array of any size, or a list of 1 to 3 of them, of one person. Grey,
                RGBA, float and 16-bit arrays are taken too (`photos.as_rgb`).
            target: the photo; its largest face is replaced.
            tier: how much work to do.
            progress: told of each stage as it begins.

        Returns:
            The fused photo with its coarse preview, mask, identity similarity and timings.

        Raises:
            FusionError: one of the photos cannot be used; the message says which, why, and what to do.
            ValueError: no such tier, or more than three face photos.
        """
        tier = Tier(tier)
        sources = list(source) if isinstance(source, (list, tuple)) else [source]
        if len(sources) > MAX_SOURCES:
            raise ValueError(f"at most {MAX_SOURCES} face photos, not {len(sources)}")
        numbers = [i + 1 for i in range(len(sources))] if len(sources) > 1 else [None]
        photos = [as_rgb(s, "source", number=n) for s, n in zip(sources or [None], numbers, strict=True)]
        target = as_rgb(target, "target")
        clock = _Clock(progress)

        source_faces = [self._find_face(p, "source", clock, n) for p, n in zip(photos, numbers, strict=True)]
        target_face = self._find_face(target, "target", clock, None)
        best = min(range(len(photos)), key=lambda i: abs(source_faces[i].yaw - target_face.yaw))
        source_photo, source_face = photos[best], source_faces[best]
        check_pair(source_face, target_face)
        with clock.stage("identity"):
            embedding = _mean_direction([self.identity(p, f.mesh) for p, f in zip(photos, source_faces, strict=True)])
        with clock.stage("warp"):
            pair = AlignedPair.align(
                source_photo, source_face, target, target_face, largest=TIERS[tier].detail_size, mesh=self.mesh
            )
        with clock.stage("coarse"):
            fused = self.coarse(pair.warped_small, pair.target_small, pair.face_mask)
        with clock.stage("compose"):
            fused = steady_light(fused, pair.face_mask)
            face, mask = compose_coarse(pair.warped_small, fused, pair.warped.shape[0])
            coarse, full_mask = paste(target, face, mask, pair.to_photo)
            image = coarse
            if TIERS[tier].carries_detail:
                face, mask = compose_detail(pair.warped, fused)
                image, full_mask = paste(target, face, mask, pair.to_photo)
        with clock.stage("check"):
            similarity = float(self.identity(image, target_face.mesh) @ embedding)
        return FusionResult(
            image, coarse, full_mask, similarity, Timings(clock.seconds), tier, source_face, target_face
        )

    def _find_face(self, photo: Photo, which: Which, clock: _Clock, number: int | None) -> Face:
        attempts = self.detector.attempts(photo)
        while True:
            with clock.stage("detect"):
                detections = next(attempts, None)
            if detections is None:
                raise NoFaceError(which, number=number)
            for detection in detections[:MAX_CANDIDATES]:
                with clock.stage("mesh"):
                    face = self.mesh(photo, detection)
                if is_consistent(face):
                    check_face(face, which, number=number)
                    return face


def _mean_direction(embeddings: Sequence[FloatArray]) -> FloatArray:
    mean = np.mean(embeddings, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)
