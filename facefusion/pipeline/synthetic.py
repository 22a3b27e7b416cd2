"""Makes photos with a synthetic face, on which the speed of a machine is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from facefusion.auto.speed import FACE_SIDE
from facefusion.geometry.topology import MESH_POINTS, five_points
from facefusion.perception.coverings import Coverings
from facefusion.perception.hair import CROP_SIZE as HAIR_SIZE
from facefusion.perception.second_look import Look
from facefusion.pipeline.networks import Networks
from facefusion.types import Detection, Face, FloatArray, Mesh, Photo

#: Side in pixels of the photos.
SIDE: Final = 1024
#: Angle in radians between consecutive points of a sunflower pattern, the golden angle.
GOLDEN_ANGLE: Final = 2.399963


def synthetic_photos() -> list[Photo]:
    """Returns a source and a target photo, (1024, 1024, 3) RGB uint8 of one grey each."""
    return [np.full((SIDE, SIDE, 3), level, np.uint8) for level in (127, 128)]


def with_synthetic_face(networks: Networks) -> Networks:
    """Returns networks that find a synthetic face in every photo, in the time of a real one."""
    finder: Any = _SyntheticFaceFinder(networks)
    coverings: Any = _NoCoverings(networks)
    return replace(networks, detector=finder, mesh=finder, coverings=coverings)


class _NoCoverings:
    """Networks of coverings that run as usual but find none."""

    def __init__(self, networks: Networks) -> None:
        self._coverings = networks.coverings

    def __call__(self, photo: Photo, mesh: Mesh) -> Coverings:
        self._coverings(photo, mesh)
        return Coverings(None, np.zeros((HAIR_SIZE, HAIR_SIZE), np.float32))


class _SyntheticFaceFinder:
    """Detector and mesh network that run as usual but return a synthetic face."""

    def __init__(self, networks: Networks) -> None:
        self._detector = networks.detector
        self._mesh = networks.mesh
        self.measure = networks.mesh.measure
        self._points = _disc()
        box = np.concatenate([self._points[:, :2].min(0), self._points[:, :2].max(0)])
        self._detection = Detection(box, 1.0, five_points(self._points))

    def passes(self, photo: Photo) -> Iterator[list[Detection]]:
        self._detector.glance(photo)
        yield [self._detection]

    def right_way_up(self, photo: Photo, face: Face) -> Look:
        self._detector.right_way_up(photo, face)
        return Look(face.detection, 1.0)

    def __call__(self, photo: Photo, detection: Detection) -> Face:
        self._mesh(photo, detection)
        return Face(detection, self._points, 0.0, 0.0, 0.0)


def _disc() -> FloatArray:
    """Returns 468 points spread evenly over a disc of a face's size, in pixels of the photo."""
    index = np.arange(MESH_POINTS)
    angle = index * GOLDEN_ANGLE
    radius = FACE_SIDE / 2 * np.sqrt((index + 0.5) / MESH_POINTS)
    points = [
        SIDE / 2 + radius * np.cos(angle),
        SIDE / 2 + radius * np.sin(angle),
        np.zeros(MESH_POINTS),
    ]
    return np.stack(points, axis=1).astype(np.float32)
