"""Who goes where: the people of a fusion, and the target with a part of their face shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from facefusion.clock import Clock
from facefusion.finder import FaceFinder, Seen
from facefusion.fusion.cache import content_key
from facefusion.geometry.align import FUSION_FACE_SHARE, mesh_crop_transform
from facefusion.geometry.shape import LATTICE, bend, towards
from facefusion.perception.checks import check_face, check_pair
from facefusion.perception.spectacles import Spectacles
from facefusion.types import Face, FloatArray, Photo


@dataclass(frozen=True)
class Person:
    """A source, every photo of that person, who it is, and the face of the target photo that it replaces.

    `glasses` are what the source wears, `worn` what the target's face wears.
    """

    source: Seen
    every: Sequence[Seen]
    embedding: FloatArray
    face: Face
    glasses: Spectacles | None
    worn: Spectacles | None

    @classmethod
    def met(
        cls, finder: FaceFinder, photos: list[tuple[Photo, int | None]], target: Photo, face: Face | None, clock: Clock
    ) -> Person:
        """Finds who is in the numbered source photos, and the face of the target, if it is not given, that they replace.

        Raises:
            FusionError: one of the photos cannot be used.
        """
        seen = [finder.find_face(photo, "source", clock, number) for photo, number in photos]
        if face is None:
            there = finder.find_face(target, "target", clock, None)
        else:
            check_face(face, "target")
            there = Seen(target, content_key(target), face)
        yaw = there.face.yaw
        source = min(seen, key=lambda each: abs(each.face.yaw - yaw))
        check_pair(source.face, there.face)
        embedding = _mean_direction([finder.embedding(each, clock) for each in seen])
        return cls(source, seen, embedding, there.face, finder.glasses(source, clock), finder.glasses(there, clock))


def shaped(photo: Photo, people: Sequence[Person], amount: float) -> tuple[Photo, list[Face], FloatArray | None]:
    """The target with a part of the sources' face shapes: the photo, its faces, and (H, W) 1 where it was bent, or None."""
    faces, changed = [person.face for person in people], None
    if amount <= 0:
        return photo, faces, changed
    for i, person in enumerate(people):
        moved = towards(person.source.face.mesh, person.face.mesh, amount)
        view = mesh_crop_transform(person.face.mesh, FUSION_FACE_SHARE, LATTICE)
        photo, bent = bend(photo, person.face.mesh, moved, view)
        faces[i] = replace(person.face, mesh=moved)
        changed = bent if changed is None else np.maximum(changed, bent)
    return photo, faces, changed


def _mean_direction(embeddings: Sequence[FloatArray]) -> FloatArray:
    mean = np.mean(embeddings, axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)
