"""Measures the real faces that fused ones are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tqdm import tqdm

from facefusion.errors import FusionError
from facefusion.evaluation.judges import EvaluationJudges
from facefusion.evaluation.lite0 import missing_packages
from facefusion.evaluation.measures import JudgedFace
from facefusion.evaluation.pairs import DataError, Pair, frontal_faces, shifted_pairs
from facefusion.evaluation.realism import FaceCrop, FaceFeatures, RealFaces
from facefusion.images.reading import read_photo
from facefusion.types import FloatArray, Photo


@dataclass(frozen=True)
class KnownFace:
    """Measurements of a face: `mesh` (468, 3) in photo pixels, `embedding` (D,), and `crop`."""

    mesh: FloatArray
    embedding: FloatArray
    crop: FaceCrop


@dataclass(frozen=True)
class KnownFaces:
    """The frontal faces of a data folder's validation split.

    Attributes:
        folder: the data folder.
        faces: by file, in the order of the split, without those that the mesh judge does not find.
        network: computes features, or None if its packages are not installed.
        real: the faces' features, or None without the network or for fewer than four faces.
        missing: why there are no features, a sentence, or empty.
    """

    folder: Path
    faces: dict[str, KnownFace]
    network: FaceFeatures | None
    real: RealFaces | None
    missing: str

    @classmethod
    def of(cls, folder: Path, judges: EvaluationJudges, *, features: bool = True) -> Self:
        """Measures every frontal face of `folder`.

        Args:
            folder: the data folder.
            judges: measure the faces.
            features: whether to compute features for the kernel distance.

        Raises:
            DataError: `faces.csv` cannot be used, a photo is missing, or fewer than two faces are
                found.
        """
        faces = {}
        for file in tqdm(frontal_faces(folder), desc="real faces", unit="face"):
            photo = read(folder, file)
            mesh = judges.mesh(photo)
            if mesh is not None:
                faces[file] = KnownFace(
                    mesh, judges.identity(photo, mesh), FaceCrop.of(photo, mesh)
                )
        if len(faces) < 2:
            raise DataError(
                "The validation split of faces.csv has no two large faces that look at the camera."
            )
        network, real, missing = None, None, ""
        if features and missing_packages():
            packages = " and ".join(missing_packages())
            missing = f"Not measured: the kernel distance; {packages} not installed."
        elif features and len(faces) < 4:
            missing = "Not measured: the kernel distance; it needs four real faces at the least."
        elif features:
            network = FaceFeatures()
            real = RealFaces.of([network(face.crop) for face in faces.values()])
        return cls(folder, faces, network, real, missing)

    def pairs(self, limit: int | None) -> list[Pair]:
        """Returns the first `limit` pairs of known faces, or all."""
        return shifted_pairs(list(self.faces))[:limit]

    def judged(self, file: str, photo: Photo) -> JudgedFace:
        """Joins a photo that was read with its measurements."""
        face = self.faces[file]
        return JudgedFace(photo, face.mesh, face.embedding)

    def read(self, file: str) -> Photo:
        """Reads one of the photos, (H, W, 3) RGB uint8."""
        return read(self.folder, file)


def read(folder: Path, file: str) -> Photo:
    """Reads a photo of the data folder, (H, W, 3) RGB uint8.

    Raises:
        DataError: the photo is missing.
    """
    try:
        return read_photo(folder / file, "target")
    except (FusionError, OSError) as error:
        raise DataError(
            f"faces.csv names {file}, which is no picture in the data folder."
        ) from error
