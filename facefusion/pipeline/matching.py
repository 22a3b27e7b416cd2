"""Matches each source with the face that it replaces, and optionally reshapes the target."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from facefusion.geometry.align import FUSION_FACE_SHARE, face_size, mesh_crop_transform
from facefusion.geometry.shape import LATTICE, blend_shape, warp_photo
from facefusion.perception.checks import check_coverings, check_face, check_pair
from facefusion.perception.coverings import Coverings
from facefusion.pipeline.clock import Clock
from facefusion.pipeline.faces import FaceFinder, LocatedFace
from facefusion.types import Face, FloatArray, Mask, Photo


@dataclass(frozen=True)
class FaceMatch:
    """A source face and the target face that it replaces.

    Attributes:
        source: the source photo that is warped, whose yaw is nearest to the target's.
        source_photos: all photos of the source.
        embedding: (128,) unit vector, identity embedding of the source.
        identity: (128,) unit vector, the identity that the coarse network is told: the source's, or
            further away from the target's.
        source_coverings: coverings of the source face.
        target: the face that is replaced.
        target_coverings: coverings of the target face.
    """

    source: LocatedFace
    source_photos: Sequence[LocatedFace]
    embedding: FloatArray
    identity: FloatArray
    source_coverings: Coverings
    target: LocatedFace
    target_coverings: Coverings

    @property
    def size(self) -> float:
        """Longer side of the target's face in pixels."""
        return face_size(self.target.face.mesh)


def match_faces(
    finder: FaceFinder,
    photos: Sequence[tuple[Photo, int | None]],
    target: Photo,
    face: Face | None,
    clock: Clock,
    contrast: float,
) -> FaceMatch:
    """Finds and measures the source's face and, in a second thread, the target's.

    Args:
        finder: finds and measures faces.
        photos: the source's photos, each with its number where there are several.
        target: (H, W, 3) RGB uint8.
        face: the target's face, from `find_faces`; the one of `find_face` if None.
        clock: records the stages' times.
        contrast: see `FusionOptions.contrast`.

    Raises:
        FusionError: a photo cannot be used.
    """
    with clock.side_by_side() as (source_clock, target_clock), ThreadPoolExecutor(1) as worker:
        target_result = worker.submit(_locate_target, finder, target, face, target_clock)
        located = [
            finder.find_face(photo, "source", source_clock, number) for photo, number in photos
        ]
        embeddings = [finder.embedding(each, source_clock) for each in located]
        coverings = [finder.find_coverings(each, source_clock) for each in located]
        target_face, target_coverings = target_result.result()
    for each, (_, number) in zip(coverings, photos, strict=True):
        check_coverings(each, "source", number=number)
    check_coverings(target_coverings, "target")
    yaw = target_face.face.yaw
    best = min(range(len(located)), key=lambda i: abs(located[i].face.yaw - yaw))
    check_pair(located[best].face, target_face.face)
    identity = embedding = _direction(np.mean(embeddings, axis=0))
    if contrast > 0:
        identity = _apart(embedding, finder.embedding(target_face, clock), contrast)
    return FaceMatch(
        source=located[best],
        source_photos=located,
        embedding=embedding,
        identity=identity,
        source_coverings=coverings[best],
        target=target_face,
        target_coverings=target_coverings,
    )


def _locate_target(
    finder: FaceFinder, photo: Photo, face: Face | None, clock: Clock
) -> tuple[LocatedFace, Coverings]:
    if face is None:
        located = finder.find_face(photo, "target", clock, None)
    else:
        check_face(face, "target")
        located = LocatedFace.of(photo, face)
    return located, finder.find_coverings(located, clock)


@dataclass(frozen=True)
class ReshapedTarget:
    """The target photo, with a part of the sources' face shapes.

    Attributes:
        photo: (H, W, 3) RGB uint8.
        faces: target faces, one for each match.
        changed: (H, W) float32 in {0, 1}, where the photo was warped, or None if it was not.
    """

    photo: Photo
    faces: list[Face]
    changed: Mask | None = None


def reshape_target(photo: Photo, matches: Sequence[FaceMatch], strength: float) -> ReshapedTarget:
    """Moves the target's face shapes part of the way towards the sources'.

    Args:
        photo: (H, W, 3) RGB uint8.
        matches: source faces and the target faces that they replace.
        strength: 0 leaves the photo as it is, 1 takes the sources' shapes.
    """
    faces = [match.target.face for match in matches]
    if strength <= 0:
        return ReshapedTarget(photo, faces)
    changed: Mask | None = None
    for i, match in enumerate(matches):
        mesh = match.target.face.mesh
        moved = blend_shape(match.source.face.mesh, mesh, strength)
        to_crop = mesh_crop_transform(mesh, FUSION_FACE_SHARE, LATTICE)
        photo, warped_area = warp_photo(photo, mesh, moved, to_crop)
        faces[i] = replace(match.target.face, mesh=moved)
        changed = warped_area if changed is None else np.maximum(changed, warped_area)
    return ReshapedTarget(photo, faces, changed)


def _apart(source: FloatArray, target: FloatArray, contrast: float) -> FloatArray:
    """Subtracts a share of the target's embedding, the less of it the more alike the two are.

    What would remain of two photos of one person is noise.
    """
    alike = max(float(source @ target), 0.0)
    return _direction(source - contrast * (1 - alike) * target)


def _direction(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)
