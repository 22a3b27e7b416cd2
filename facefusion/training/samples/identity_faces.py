"""Draws faces for the identity networks: fused, with another face's geometry, blended, degraded."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.compose.color import match_light
from facefusion.geometry.align import ARCFACE_TEMPLATE, similarity_transform
from facefusion.geometry.mask import face_mask, skin_mask
from facefusion.geometry.topology import five_points
from facefusion.nets.identity import INPUT_SIZE
from facefusion.training.samples.augment import camera, light
from facefusion.training.samples.data import AlignedFaces

#: Largest difference in yaw, in degrees, between a face and the photo that it is fused into.
FUSED_YAW: Final = 25.0
#: Share of fused faces with a weak mask.
WEAK_MASK: Final = 0.4
#: Standard deviation in pixels of the mesh points of fused faces: the mesh network's error.
MESH_NOISE: Final = 0.8
#: Largest difference in yaw, in degrees, between a face and another one whose geometry it gets.
WARP_YAW: Final = 30.0
#: Share of the samples that are warped to another face's geometry.
WARPED: Final = 0.6
#: Share of those that are blended with a third face.
BLENDED: Final = 0.6


def arcface_crop(image: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Cuts the 112 px ArcFace crop of the face with this mesh."""
    matrix = similarity_transform(five_points(mesh), ARCFACE_TEMPLATE)
    return cv2.warpAffine(
        image, matrix, (INPUT_SIZE, INPUT_SIZE), borderMode=cv2.BORDER_REFLECT_101
    )


def arcface_crops(faces: AlignedFaces) -> np.ndarray:
    """Cuts the ArcFace crop of each face: (N, 112, 112, 3) RGB uint8."""
    return np.stack(
        [arcface_crop(crop, mesh) for crop, mesh in zip(faces.crops, faces.meshes, strict=True)]
    )


def fuse_faces(
    rng: np.random.Generator, faces: AlignedFaces, source: int
) -> tuple[np.ndarray, np.ndarray]:
    """Puts the face `source` into another photo, as fusion does.

    It takes that photo's light, under a sometimes weak mask, with small changes of the pixels.

    Returns:
        (S, S, 3) RGB uint8 crop of the other photo, and its mesh (468, 3).
    """
    similar = np.flatnonzero(np.abs(faces.yaws - faces.yaws[source]) < FUSED_YAW)
    other = int(similar[rng.integers(len(similar))])
    target, mesh, size = faces.crops[other], faces.meshes[other], faces.crops.shape[1]
    strength = float(rng.uniform(0.5, 1.0)) if rng.random() < WEAK_MASK else 1.0
    mask = face_mask(mesh, size) * strength
    noise = np.pad(rng.normal(0, MESH_NOISE, (468, 2)), ((0, 0), (0, 1)))
    source_mesh = (faces.meshes[source] + noise).astype(np.float32)
    warped = faces.warps[other](faces.crops[source], source_mesh)
    warped = match_light(warped, target, skin_mask(mesh, size))(warped)
    cells = int(rng.choice([6, 12, 24, 48]))
    changes = rng.normal(0, rng.uniform(0, 18), (cells, cells, 1))
    changes = changes + rng.normal(0, rng.uniform(0, 6), (cells, cells, 3))
    changed = warped + cv2.resize(
        changes.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
    )
    fused = target + mask[..., None] * (changed - target)
    return np.clip(fused + 0.5, 0, 255).astype(np.uint8), mesh


def warp_and_blend(
    rng: np.random.Generator, faces: AlignedFaces, source: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws the face `source`: mostly with another face's geometry, often blended with a third.

    Returns:
        (S, S, 3) RGB uint8 crop, and its mesh (468, 3).
    """
    image, mesh = faces.crops[source], faces.meshes[source]
    if rng.random() >= WARPED:
        return image, mesh
    other = int(rng.integers(len(faces)))
    if abs(faces.yaws[source] - faces.yaws[other]) >= WARP_YAW:
        return image, mesh
    image, mesh = faces.warps[other](image, mesh), faces.meshes[other]
    if rng.random() < BLENDED:
        third = int(rng.integers(len(faces)))
        is_similar = abs(faces.yaws[third] - faces.yaws[other]) < WARP_YAW
        share = rng.uniform(0.2, 0.8) if is_similar else 0.0
        third_face = faces.warps[other](faces.crops[third], faces.meshes[third])
        image = cv2.addWeighted(image, 1 - share, third_face, share, 0)
    return image, mesh


def augmented_copy(rng: np.random.Generator, crop: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Augments a face and returns its ArcFace crop.

    The copy has other light, blur and compression, is 30 % smaller and turned by 5 degrees.
    """
    centre = crop.shape[0] / 2
    turn = cv2.getRotationMatrix2D((centre, centre), float(rng.choice([-5, 5])), 1.0)
    turned = cv2.warpAffine(crop, turn, crop.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    small = cv2.resize(turned, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    back = cv2.resize(small, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    changed = cv2.GaussianBlur(light(rng, back), (0, 0), 1.0)
    _, data = cv2.imencode(".jpg", camera(rng, changed), [cv2.IMWRITE_JPEG_QUALITY, 50])
    # The crop uses the original face's alignment: the 5 degrees remain, as after a poor detection.
    return arcface_crop(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8), mesh)


def augmented_copies(rng: np.random.Generator, faces: AlignedFaces) -> np.ndarray:
    """Returns the `augmented_copy` of each face, (N, 112, 112, 3) RGB uint8."""
    return np.stack(
        [
            augmented_copy(rng, crop, mesh)
            for crop, mesh in zip(faces.crops, faces.meshes, strict=True)
        ]
    )
