"""Finds and measures the faces of a photo, and caches the measurements by its content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, Self

from facefusion.errors import NoFaceError, PhotoRole
from facefusion.geometry.sampling import PhotoPart, shrinks
from facefusion.perception.boxes import same_face
from facefusion.perception.checks import check_face, is_consistent, is_usable
from facefusion.perception.coverings import Coverings, CoveringsFinder
from facefusion.perception.detector import FaceDetector
from facefusion.perception.identity import IdentityEncoder
from facefusion.perception.mesh import FaceMesh
from facefusion.perception.second_look import Look
from facefusion.pipeline.cache import FeatureCache, content_key
from facefusion.pipeline.clock import Clock
from facefusion.pipeline.source import AlignedFace, SourceView
from facefusion.pipeline.steps import Steps
from facefusion.pipeline.target import PreparedTarget
from facefusion.tiers import TierSpec
from facefusion.types import Detection, Face, FloatArray, Photo

#: Most faces measured in one detection pass, the largest first.
MAX_FACES: Final = 32
#: Approximate bytes of a cached face: mesh, box and points.
FACE_BYTES: Final = 8192


@dataclass(frozen=True)
class LocatedFace:
    """A face, its photo and the photo's content key."""

    photo: Photo
    key: bytes
    face: Face

    @classmethod
    def of(cls, photo: Photo, face: Face) -> Self:
        """Makes one from a face of a photo (H, W, 3) RGB uint8."""
        return cls(photo, content_key(photo), face)


@dataclass(frozen=True)
class _Measured:
    """A measured face, and how certain it is."""

    face: Face
    look: Look


@dataclass(frozen=True)
class FaceFinder:
    """Perception networks behind a cache.

    Attributes:
        detector, mesh, identity, coverings: the networks.
        cache: holds measurements by the content of their photo.
        steps: steps of warping and composing to run.
    """

    detector: FaceDetector
    mesh: FaceMesh
    identity: IdentityEncoder
    coverings: CoveringsFinder
    cache: FeatureCache
    steps: Steps

    def find_face(
        self, photo: Photo, role: PhotoRole, clock: Clock, number: int | None
    ) -> LocatedFace:
        """Returns the face of a photo that is used where none is chosen, from the cache or measured.

        It is the first of `faces`. A cached face adds no stage to the clock.

        Raises:
            NoFaceError, FaceTooSmallError, FaceTurnedError: there is no face, or none can be used.
        """
        key = content_key(photo)
        cached: tuple[Face, ...] | None = self.cache.get(("faces", key))
        face = (
            cached[0]
            if cached
            else self.cache.get_or_make(
                ("face", key), lambda: self._measure_largest(photo, role, clock, number), FACE_BYTES
            )
        )
        if not is_usable(face):  # another one may be
            face = self.faces(photo, key, role, number)[0]
        check_face(face, role, number=number)
        return LocatedFace(photo, key, face)

    def faces(
        self, photo: Photo, key: bytes, role: PhotoRole, number: int | None
    ) -> tuple[Face, ...]:
        """Returns every face, from the cache or measured.

        Certain faces come before doubtful ones, then usable ones before others, then large ones
        before small ones and those with much lower scores (`boxes.ordered`).
        """

        def last(each: _Measured) -> tuple[bool, bool]:
            return not each.look.certain, not is_usable(each.face)

        def measure() -> tuple[Face, ...]:
            doubtful: list[_Measured] = []
            for detections in self._passes_for_all(photo):
                measured = [self._measured(photo, each) for each in detections[:MAX_FACES]]
                found = [each for each in measured if each is not None]
                if any(each.look.certain for each in found):
                    return tuple(each.face for each in sorted(found, key=last))
                doubtful += found
            if doubtful:
                return (max(doubtful, key=lambda each: each.look.score).face,)
            raise NoFaceError(role, number=number)

        return self.cache.get_or_make(
            ("faces", key), measure, lambda faces: len(faces) * FACE_BYTES
        )

    def embedding(self, located: LocatedFace, clock: Clock) -> FloatArray:
        """Returns the identity embedding, a unit vector, from the cache or measured."""

        def measure() -> FloatArray:
            with clock.stage("identity"):
                return self.identity(located.photo, located.face.mesh)

        key = ("identity", located.key, located.face.detection.box.tobytes())
        return self.cache.get_or_make(key, measure, lambda value: value.nbytes)

    def find_coverings(self, located: LocatedFace, clock: Clock) -> Coverings:
        """Returns the coverings of a face, from the cache or measured."""

        def find() -> Coverings:
            with clock.stage("coverings"):
                return self.coverings(located.photo, located.face.mesh)

        key = ("coverings", located.key, located.face.detection.box.tobytes())
        return self.cache.get_or_make(key, find, lambda coverings: coverings.nbytes)

    def source(self, located: LocatedFace, coverings: Coverings) -> SourceView:
        """Returns the face as a source; its crops and photo parts are made on demand and cached."""
        return SourceView(
            located.face.mesh,
            partial(self._aligned, located, coverings),
            partial(self._part, located),
        )

    def _aligned(self, located: LocatedFace, coverings: Coverings, size: int) -> AlignedFace:
        def crop() -> AlignedFace:
            return AlignedFace.of(
                located.photo, located.face, coverings, size, strands=self.steps.hairline
            )

        key = ("crop", located.key, size, self.steps)
        return self.cache.get_or_make(key, crop, lambda face: face.nbytes)

    def _part(self, located: LocatedFace, size: int) -> PhotoPart:
        def crop() -> PhotoPart:
            return PhotoPart.around(located.photo, located.face.mesh, size)

        if not shrinks(located.face.mesh, size):  # the photo itself: nothing to cache
            return crop()
        return self.cache.get_or_make(
            ("part", located.key, size), crop, lambda part: part.image.nbytes
        )

    def target(self, located: LocatedFace, coverings: Coverings, tier: TierSpec) -> PreparedTarget:
        """Returns the face as a target, from the cache or prepared."""

        def prepare() -> PreparedTarget:
            return PreparedTarget.of(located.photo, located.face.mesh, coverings, tier, self.steps)

        key = (
            "view",
            located.key,
            located.face.mesh.tobytes(),
            tier.detail_size,
            tier.refine_size,
            self.steps,
        )
        return self.cache.get_or_make(key, prepare, lambda target: target.nbytes)

    def _passes_for_all(self, photo: Photo) -> Iterator[list[Detection]]:
        """Yields the detector's passes; the first joins those that find upright faces.

        It begins as `find_face` does, so that both agree on the photo's first face.
        """
        attempts = self.detector.passes(photo)
        faces = next(attempts, [])
        for further in islice(attempts, 2):
            faces += [
                face for face in further if not any(same_face(face.box, each.box) for each in faces)
            ]
        yield faces
        yield from attempts

    def _measure_largest(
        self, photo: Photo, role: PhotoRole, clock: Clock, number: int | None
    ) -> Face:
        doubtful: list[_Measured] = []
        attempts = self.detector.passes(photo)
        while True:
            with clock.stage("detect"):
                detections = next(attempts, None)
            if detections is None:
                break
            for detection in detections[:MAX_FACES]:
                with clock.stage("mesh"):
                    measured = self._measured(photo, detection)
                if measured is not None and measured.look.certain:
                    return measured.face
                doubtful += [] if measured is None else [measured]
        if not doubtful:
            raise NoFaceError(role, number=number)
        return max(doubtful, key=lambda measured: measured.look.score).face

    def _measured(self, photo: Photo, detection: Detection) -> _Measured | None:
        """Measures a face the right way up, or returns None if the networks disagree about it."""
        face = self.mesh(photo, detection)
        look = self.detector.right_way_up(photo, face)
        if look is None:
            return None
        if look.turned:
            face = self.mesh(photo, look.face)
        return _Measured(face, look) if is_consistent(face) else None
