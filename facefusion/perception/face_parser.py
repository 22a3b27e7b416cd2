"""Tells the parts of a face and what lies in front of it apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facefusion.engines.sessions import make_session
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    beyond_edge,
    crop_photo,
    mesh_crop_transform,
    transform_points,
)
from facefusion.geometry.mask import fill_points, outline
from facefusion.perception.face_parts import FacePart
from facefusion.perception.inputs import centred
from facefusion.types import FloatArray, Mask, Mesh, Photo

#: Side in pixels of the aligned crop that the network sees.
CROP_SIZE: Final = 256
#: Growth of the face's outline inside of which things count, as a share of the distance to its
#: centre.
NEAR: Final = 0.12


@dataclass(frozen=True)
class FaceParts:
    """Probabilities of the parts of a face.

    Attributes:
        probabilities: (13, 256, 256) float32, by `FacePart`, over the face's aligned crop.
        mesh: (468, 3) in pixels of that crop.
        outside: (256, 256) float32, 1 beyond the photo's edge, which counts as background; None if
            the photo goes on beyond the crop.
    """

    probabilities: FloatArray
    mesh: Mesh
    outside: Mask | None = None

    def of(self, *parts: FacePart) -> Mask:
        """Returns the probability of any of these parts, (256, 256) float32 in [0, 1]."""
        return np.asarray(self.probabilities[list(parts)].sum(0), np.float32)

    def face(self, growth: float = 0.0) -> Mask:
        """Returns the face's outline with its forehead: (256, 256) float32, 0 or 1."""
        mask = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
        fill_points(mask, outline(self.mesh, growth), 1)
        return mask.astype(np.float32)

    def share(self, *parts: FacePart) -> float:
        """Returns the share of the face that these parts take, in [0, 1]."""
        face = self.face()
        return float((self.of(*parts) * face).sum() / max(float(face.sum()), 1.0))


class FaceParser:
    """Network that tells the parts of a face apart.

    Args:
        path: ONNX file, (1, 3, 256, 256) RGB in [-1, 1] -> (1, 13, 256, 256) probabilities.
        threads: intra-op threads.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._session = make_session(path, threads)

    def __call__(self, photo: Photo, mesh: Mesh) -> FaceParts:
        """Parses the face with this mesh (468, 3) in `photo` (H, W, 3) RGB uint8."""
        to_crop = mesh_crop_transform(mesh, FUSION_FACE_SHARE, CROP_SIZE)
        crop = crop_photo(photo, to_crop, CROP_SIZE)
        probabilities = self.probabilities(crop)
        outside = beyond_edge(photo.shape, to_crop, CROP_SIZE)
        if outside is not None:  # the crop repeats the photo's edge there
            probabilities *= 1 - outside
            probabilities[FacePart.BACKGROUND] += outside
        return FaceParts(probabilities, transform_points(mesh, to_crop), outside)

    def probabilities(self, crop: Photo) -> FloatArray:
        """Parses an aligned crop (256, 256, 3) RGB uint8: (13, 256, 256) float32, by `FacePart`."""
        return np.asarray(self._session.run(None, {"face": centred(crop[None])})[0][0], np.float32)
