"""Loads training faces: images, meshes and aligned crops of synthetic people.

They are read once and shared by all workers.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    rescale_transform,
    transform_points,
)
from facefusion.geometry.topology import eye_distance
from facefusion.geometry.warp import MeshWarp

#: Side of the cached aligned crops in pixels: the 128 px training view with a margin for jitter,
#: and without a second blur.
CROP_SIZE: Final = 192
#: Largest eye distance in pixels; larger images are shrunk, as no training view shows larger faces.
MAX_EYE_DISTANCE: Final = 150.0
#: Lattice points a side of the precomputed training warps: a third of the serving lattice's cost.
TRAINING_GRID: Final = 25
#: Side in pixels of the training warps' flow fields: small, to hold a thousand faces in memory.
TRAINING_FLOW_SIZE: Final = 128


@dataclass(frozen=True)
class FaceImage:
    """One training image.

    Attributes:
        image: (H, W, 3) RGB uint8.
        mesh: (468, 3) in its pixels.
        yaw: degrees.
        name: its file's name.
        faces_found: number of faces in it.
    """

    image: np.ndarray
    mesh: np.ndarray
    yaw: float
    name: str
    faces_found: int


def load_faces(root: Path, split: str) -> list[FaceImage]:
    """Reads the images of one split.

    Args:
        root: folder with `faces.csv`, `mesh468.npz` and the images.
        split: "train" or "val".
    """
    archive = np.load(root / "mesh468.npz")
    meshes = dict(zip((str(name) for name in archive["files"]), archive["mesh"], strict=True))
    faces = []
    with (root / "faces.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if row["split"] != split or row["file"] not in meshes:
                continue
            image = cv2.imread(str(root / row["file"]))
            mesh = meshes[row["file"]].astype(np.float32)
            if image is None:
                raise FileNotFoundError(root / row["file"])
            scale = MAX_EYE_DISTANCE / eye_distance(mesh)
            if scale < 1:
                image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                mesh = mesh * scale
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            faces.append(
                FaceImage(image, mesh, float(row["yaw_deg"]), row["file"], int(row["faces_found"]))
            )
    return faces


def require_images(stage: str, count: int, what: str, least: int = 1) -> None:
    """Stops a stage that has too few images.

    Raises:
        SystemExit: `count` is less than `least`.
    """
    if count < least:
        raise SystemExit(f"{stage} needs {least} or more {what}, and the data folder has {count}")


@dataclass(frozen=True)
class AlignedFaces:
    """Aligned crops of a split.

    Attributes:
        crops: (N, S, S, 3) RGB uint8, the face upright and 60 % of the side.
        meshes: (N, 468, 3) in crop pixels.
        yaws: (N,) degrees.
        warps: N warps onto each mesh.
        names: N names, as in `FaceImage`.
    """

    crops: np.ndarray
    meshes: np.ndarray
    yaws: np.ndarray
    warps: list[MeshWarp]
    names: list[str]

    def __len__(self) -> int:
        return len(self.crops)


def align_faces(faces: list[FaceImage], size: int = CROP_SIZE) -> AlignedFaces:
    """Aligns the faces to crops of `size` pixels and prepares the warp onto each of them."""
    crops, meshes, warps = [], [], []
    for face in faces:
        # As at serving: crops of all sides are those of the coarse network, enlarged.
        small = mesh_crop_transform(face.mesh, FUSION_FACE_SHARE, COARSE_SIZE)
        matrix = rescale_transform(small, size / COARSE_SIZE)
        crops.append(crop_photo(face.image, matrix, size, cv2.BORDER_REFLECT_101))
        meshes.append(transform_points(face.mesh, matrix))
        warps.append(
            MeshWarp(meshes[-1], size, TRAINING_GRID, triangles=True, flow_size=TRAINING_FLOW_SIZE)
        )
    yaws = np.array([face.yaw for face in faces], np.float32)
    return AlignedFaces(
        np.stack(crops), np.stack(meshes), yaws, warps, [face.name for face in faces]
    )
