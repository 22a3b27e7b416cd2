"""Who goes where: the people of a fusion, and the target with a part of their face shapes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from facefusion.clock import Clock
from facefusion.finder import FaceFinder, Seen
from facefusion.fusion.cache import content_key
from facefusion.geometry.align import FUSION_FACE_SHARE, mesh_crop_transform
from facefusion.geometry.shape import LATTICE, bend, towards
from facefusion.perception.checks import check_face, check_pair
from facefusion.perception.coverings import Coverings
from facefusion.types import Face, FloatArray, Photo


@dataclass(frozen=True)
class Person:
    """A source, every photo of that person, who it is, and the face of the target photo that it replaces.

    `theirs` is what lies over the source's face, `worn` what lies over the target's.
    """

    source: Seen
    every: Sequence[Seen]
    embedding: FloatArray
    target: Seen
    theirs: Coverings
    worn: Coverings

    @property
    def face(self) -> Face:
        """The face that is replaced."""
        return self.target.face

    @classmethod
    def met(
        cls, finder: FaceFinder, photos: list[tuple[Photo, int | None]], target: Photo, face: Face | None, clock: Clock
    ) -> Person:
        """Finds who is in the numbered source photos and, at the same time, the face of the target that they replace.

        Raises:
            FusionError: one of the photos cannot be used.
        """
        with clock.side_by_side() as (mine, theirs), ThreadPoolExecutor(1) as beside:
            looking = beside.submit(_target, finder, target, face, theirs)
            seen = [finder.find_face(photo, "source", mine, number) for photo, number in photos]
            embedding = _mean_direction([finder.embedding(each, mine) for each in seen])
            worn = [finder.worn(each, mine) for each in seen]
            there, kept = looking.result()
        yaw = there.face.yaw
        best = min(range(len(seen)), key=lambda i: abs(seen[i].face.yaw - yaw))
        check_pair(seen[best].face, there.face)
        return cls(seen[best], seen, embedding, there, worn[best], kept)


def _target(finder: FaceFinder, photo: Photo, face: Face | None, clock: Clock) -> tuple[Seen, Coverings]:
    """The face of the target photo, looked for if it is not given, and what lies over it."""
    if face is None:
        there = finder.find_face(photo, "target", clock, None)
    else:
        check_face(face, "target")
        there = Seen(photo, content_key(photo), face)
    return there, finder.worn(there, clock)


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
