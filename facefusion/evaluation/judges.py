"""Chooses the judges: networks from outside the product if installed, else the product's own.

The report names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np

from facefusion.engines.sessions import make_session
from facefusion.evaluation.failures import JudgeError
from facefusion.evaluation.measures import JudgedFace
from facefusion.evaluation.mediapipe_mesh import MediaPipeMesh, missing_packages
from facefusion.evaluation.pairs import DataError
from facefusion.geometry.align import ARCFACE_TEMPLATE, similarity_transform
from facefusion.geometry.topology import five_points
from facefusion.perception.checks import is_consistent
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.types import FloatArray, Photo

#: Side in pixels of MobileFaceNet's input.
ARCFACE_SIZE: Final = 112
#: Mean of the RGB values in [0, 1] in the training of MobileFaceNet.
IMAGENET_MEAN: Final = np.array([0.485, 0.456, 0.406])
#: Standard deviation of the RGB values in [0, 1] in the training of MobileFaceNet.
IMAGENET_STD: Final = np.array([0.229, 0.224, 0.225])
#: Warning if the product's own network judges geometry.
OWN_MESH_WARNING: Final = (
    "The MediaPipe face mesh is not installed ({packages}): the product's own MeshNet judges pose, expression and where the"
    " face is. A network that judges itself is lenient."
)
#: Warning if the product's own network judges identity.
OWN_IDENTITY_WARNING: Final = (
    "No --identity-judge was given: the product's own IdentityNet, which also trained the fusion network, judges identity. A"
    " network that judges itself is lenient."
)


class MeshJudge(Protocol):
    """Judge of geometry: the mesh of the largest face of a photo."""

    def __call__(self, photo: Photo) -> FloatArray | None:
        """Returns the mesh (468, 3) in pixels of `photo` (H, W, 3) RGB uint8; None if no face."""


class IdentityJudge(Protocol):
    """Judge of identity: the embedding of a face."""

    def __call__(self, photo: Photo, mesh: FloatArray) -> FloatArray:
        """Returns the unit-length (D,) embedding of a face.

        Args:
            photo: (H, W, 3) RGB uint8.
            mesh: (468, 3) in its pixels.
        """


@dataclass(frozen=True)
class EvaluationJudges:
    """The judges of geometry and identity.

    Attributes:
        mesh: measures geometry.
        identity: measures identity.
        mesh_name, identity_name: their names in the report.
        warnings: what limits their figures, whole sentences for the report.
        dimensions: length of `identity`'s embeddings, or None for the product's own network, for
            which no gallery is made.
    """

    mesh: MeshJudge
    identity: IdentityJudge
    mesh_name: str
    identity_name: str
    warnings: tuple[str, ...] = ()
    dimensions: int | None = None


class MobileFaceNet:
    """ArcFace-trained MobileFaceNet (Chen et al., 2018).

    Args:
        path: ONNX file, (1, 3, 112, 112) RGB, ImageNet mean and deviation -> (1, D).

    Raises:
        DataError: the file is missing, or is no network of this kind.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError(f"There is no file {path}.")
        try:
            self._net = make_session(path)
        except Exception as error:  # onnxruntime's errors have no common class
            raise DataError(f"{path} is not a network that can be opened: {error}") from error
        inputs = self._net.get_inputs()
        if len(inputs) != 1 or list(inputs[0].shape[1:]) != [3, ARCFACE_SIZE, ARCFACE_SIZE]:
            raise DataError(f"{path} does not take (1, 3, {ARCFACE_SIZE}, {ARCFACE_SIZE}) images.")
        self._input = inputs[0].name
        #: Length of the embeddings.
        self.dimensions = len(self._embed(np.zeros((ARCFACE_SIZE, ARCFACE_SIZE, 3), np.uint8)))

    def __call__(self, photo: Photo, mesh: FloatArray) -> FloatArray:
        """Returns the embedding; see `IdentityJudge`."""
        crop = cv2.warpAffine(
            photo, similarity_transform(five_points(mesh), ARCFACE_TEMPLATE), (ARCFACE_SIZE,) * 2
        )
        return self._embed(np.asarray(crop, np.uint8))

    def _embed(self, crop: Photo) -> FloatArray:
        normalised = (crop / 255 - IMAGENET_MEAN) / IMAGENET_STD
        x = normalised.transpose(2, 0, 1)[None].astype(np.float32)
        embedding = self._net.run(None, {self._input: x})[0][0]
        return np.asarray(embedding / max(float(np.linalg.norm(embedding)), 1e-9), np.float32)


class OwnMesh:
    """The product's own detector and mesh network."""

    def __init__(self, pipeline: FusionPipeline) -> None:
        self._pipeline = pipeline

    def __call__(self, photo: Photo) -> FloatArray | None:
        """Returns the mesh; see `MeshJudge`."""
        for detections in self._pipeline.networks.detector.attempts(photo):
            for detection in detections:
                face = self._pipeline.networks.mesh(photo, detection)
                if is_consistent(face):
                    return face.mesh
        return None


def judge_face(judges: EvaluationJudges, photo: Photo, name: str) -> JudgedFace:
    """Measures the mesh and the identity embedding of a photo.

    Args:
        judges: measure the photo.
        photo: (H, W, 3) RGB uint8.
        name: name of the photo in the error.

    Raises:
        JudgeError: the mesh judge finds no face.
    """
    mesh = judges.mesh(photo)
    if mesh is None:
        raise JudgeError(f"The mesh judge finds no face in the {name}.")
    return JudgedFace(photo, mesh, judges.identity(photo, mesh))


def choose_judges(pipeline: FusionPipeline, identity_file: Path | None) -> EvaluationJudges:
    """Chooses the best judges that are installed.

    Args:
        pipeline: the product, whose own networks replace missing judges.
        identity_file: MobileFaceNet as ONNX, or None.

    Raises:
        DataError: the identity file is no such network.
    """
    mesh: MeshJudge = OwnMesh(pipeline)
    mesh_name = "the product's own detector and MeshNet"
    warnings = []
    packages = missing_packages()
    if packages:
        warnings.append(OWN_MESH_WARNING.format(packages=" and ".join(packages)))
    else:
        mesh = MediaPipeMesh()
        mesh_name = "MediaPipe face mesh (not in the product, but the teacher of its MeshNet)"
    identity: IdentityJudge = pipeline.networks.identity
    identity_name = "the product's own IdentityNet"
    dimensions = None
    if identity_file is None:
        warnings.append(OWN_IDENTITY_WARNING)
    else:
        identity = network = MobileFaceNet(identity_file)
        dimensions = network.dimensions
        identity_name = (
            f"{identity_file.name} (not in the product, but the teacher of its IdentityNet)"
        )
    return EvaluationJudges(mesh, identity, mesh_name, identity_name, tuple(warnings), dimensions)
