"""Makes samples for reconstruction, the only test with a known right answer.

A portrait T is given another person's face (T'), and T's own face is warped to another pose and
light (S). The product puts S into T' and should return T. The samples are made from the data's
meshes and from geometry alone, never by the product's networks, so that they stay the same when
the networks change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.evaluation.measures import face_hull
from facefusion.evaluation.pairs import DataError, ValFace
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    transform_points,
)
from facefusion.geometry.topology import INNER_LIPS, MESH_POINTS
from facefusion.geometry.warp import MeshWarp
from facefusion.images.reading import read_photo
from facefusion.types import FloatArray, Photo

#: Default number of samples.
SAMPLES: Final = 40
#: Seed of the choice of faces and light.
SEED: Final = 7
#: Side of the samples in pixels; the face takes 60 % of it.
SIZE: Final = 384
#: Largest difference of yaw between a face and the mesh that it is warped to, in degrees.
MAX_YAW_DIFFERENCE: Final = 20.0
#: Standard deviation, relative to the side, of the low-pass that keeps T's light on the new face.
LIGHT_SIGMA: Final = 0.1
#: Standard deviation, relative to the side, of the mask's edge.
EDGE_SIGMA: Final = 0.02
#: Standard deviation, relative to the side, of the edge of an open mouth.
MOUTH_EDGE_SIGMA: Final = 0.006
#: Largest gamma of the light on S, as a power of two.
GAMMA: Final = 0.5
#: Largest change of a channel's gain by this light.
GAIN: Final = 0.12
#: Largest strength of light from one side, relative to the mean light.
RAMP: Final = 0.3


@dataclass(frozen=True)
class Sample:
    """One portrait to reconstruct, every image (SIZE, SIZE, 3) RGB uint8.

    Attributes:
        name: the file of T.
        source: S, T's face in another pose and light.
        target: T', T with another person's face.
        truth: T.
        inside: (SIZE, SIZE) bool, T's face, where figures are measured.
    """

    name: str
    source: Photo
    target: Photo
    truth: Photo
    inside: np.ndarray


def read_meshes(folder: Path) -> dict[str, FloatArray]:
    """Reads the meshes of `mesh468.npz`, (468, 3) in image pixels, by file.

    Raises:
        DataError: it is missing or has another form.
    """
    path = folder / "mesh468.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            meshes = {
                str(name): np.asarray(mesh, np.float32)
                for name, mesh in zip(archive["files"], archive["mesh"], strict=True)
            }
    except (OSError, KeyError, ValueError) as error:
        raise DataError("The data folder has no mesh468.npz that can be read.") from error
    if any(mesh.shape != (MESH_POINTS, 3) for mesh in meshes.values()):
        raise DataError(f"mesh468.npz does not hold meshes of {MESH_POINTS} points.")
    return meshes


def put_other_face(truth: Photo, mesh: FloatArray, other: Photo, other_mesh: FloatArray) -> Photo:
    """Makes T': the other face on T's mesh, in T's light, under a soft mask.

    The inside of an open mouth stays T's.

    Args:
        truth: T, (S, S, 3) RGB uint8.
        mesh: its face, (468, 3) in its pixels.
        other: the other person's crop, (S', S', 3) RGB uint8.
        other_mesh: its face, (468, 3) in its pixels.
    """
    size = truth.shape[0]
    swapped = MeshWarp(mesh, size)(other, other_mesh)
    own_light, other_light = (
        cv2.GaussianBlur(image, (0, 0), LIGHT_SIGMA * size).astype(np.float32)
        for image in (truth, swapped)
    )
    swapped = np.clip(swapped + own_light - other_light, 0, 255)
    mouth = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mouth, [np.rint(mesh[list(INNER_LIPS), :2]).astype(np.int32)], 1)
    face, mouth_inside = (
        cv2.GaussianBlur(np.asarray(part, np.float32), (0, 0), sigma * size)
        for part, sigma in ((face_hull(mesh, truth.shape), EDGE_SIGMA), (mouth, MOUTH_EDGE_SIGMA))
    )
    mask = (face * (1 - mouth_inside))[..., None]
    return np.asarray(np.rint(truth * (1 - mask) + swapped * mask), np.uint8)


def relight(rng: np.random.Generator, image: Photo) -> Photo:
    """Changes exposure, white balance and direction of light of `image` (H, W, 3)."""
    height, width = image.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    ramp = 1 + RAMP * rng.uniform() * (np.cos(angle) * across + np.sin(angle) * down)[..., None]
    bright = (image / 255) ** (2 ** rng.uniform(-GAMMA, GAMMA))
    lit = np.clip(bright * (1 + rng.uniform(-GAIN, GAIN, 3)) * ramp, 0, 1)
    return np.asarray(np.rint(255 * lit), np.uint8)


def make_samples(
    folder: Path, faces: list[ValFace], count: int, seed: int = SEED
) -> Iterator[Sample]:
    """Makes the samples from the faces of a split.

    Args:
        folder: the data folder.
        faces: the split; faces without a mesh are skipped.
        count: most samples; the first ones are the same for every count.
        seed: of the choice of faces and light.

    Raises:
        DataError: `mesh468.npz` cannot be used, or a photo is missing.
    """
    meshes = read_meshes(folder)
    known = [face for face in faces if face.file in meshes]
    order = np.random.default_rng(seed).permutation(len(known))
    made = 0
    for index in order:
        if made == count:
            return
        rng = np.random.default_rng((seed, int(index)))
        face = known[index]
        similar = [f for f in known if f != face and abs(f.yaw - face.yaw) < MAX_YAW_DIFFERENCE]
        if len(similar) < 2:
            continue
        other, pose = (similar[i] for i in rng.choice(len(similar), 2, replace=False))
        truth, mesh = _crop(folder, face.file, meshes[face.file])
        other_photo, other_mesh = _crop(folder, other.file, meshes[other.file])
        pose_mesh = transform_points(
            meshes[pose.file], mesh_crop_transform(meshes[pose.file], FUSION_FACE_SHARE, SIZE)
        )
        source = relight(rng, np.asarray(MeshWarp(pose_mesh, SIZE)(truth, mesh), np.uint8))
        target = put_other_face(truth, mesh, other_photo, other_mesh)
        made += 1
        yield Sample(face.file, source, target, truth, face_hull(mesh, truth.shape))


def _crop(folder: Path, file: str, mesh: FloatArray) -> tuple[Photo, FloatArray]:
    if not (folder / file).is_file():
        raise DataError(f"faces.csv names {file}, which is no file in the data folder.")
    matrix = mesh_crop_transform(mesh, FUSION_FACE_SHARE, SIZE)
    photo = crop_photo(read_photo(folder / file, "target"), matrix, SIZE, cv2.BORDER_REFLECT_101)
    return np.asarray(photo, np.uint8), transform_points(mesh, matrix)
