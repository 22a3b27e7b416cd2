"""Trains MeshNet on the teacher's labels of faces as they are, warped and redrawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from facefusion.geometry.align import (
    MESH_FACE_SHARE,
    chain,
    crop_photo,
    mesh_crop_transform,
    transform_points,
)
from facefusion.geometry.shape import EXPRESSION_POINTS
from facefusion.geometry.topology import eye_distance
from facefusion.nets.mesh import INPUT_SIZE, SHAPE_DIMENSIONS, MeshNet
from facefusion.training.loop import Batch, to_input
from facefusion.training.pictures import tiled
from facefusion.training.samples.augment import jittered, photometric
from facefusion.training.samples.data import AlignedFaces, require_images
from facefusion.training.samples.expressions import DrawnFaces, MeshTeacher

#: Weight of eyes, brows and lips, relative to the other points: they carry the expression.
FEATURE_WEIGHT: Final = 4.0
#: Number of drawn faces of the val split that are evaluated.
VAL_DRAWN: Final = 256
#: Number of views of each mesh that the shape space is made from.
SHAPE_VIEWS: Final = 2
#: Least number of training images: the shape space needs as many views as dimensions.
MIN_IMAGES: Final = -(-SHAPE_DIMENSIONS // SHAPE_VIEWS)
#: Yaw in degrees below which a face counts as frontal.
FRONTAL_YAW: Final = 30.0
#: Standard deviations of the training views: degrees, log scale, share of the side.
TRAINING_JITTER: Final = (8.0, 0.09, 0.045)
#: Standard deviations of the val views, as from a detector: degrees, log scale, share of the side.
VAL_JITTER: Final = (3.0, 0.05, 0.02)


def occlude(rng: np.random.Generator, image: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Covers a part of the face with a piece of another image, as a hand or a scarf would."""
    size = image.shape[0]
    mask = np.zeros((size, size), np.uint8)
    centre = rng.uniform(0.15, 0.85, 2) * size
    corners = centre + rng.normal(0, 0.14 * size, (int(rng.integers(3, 7)), 2))
    cv2.fillConvexPoly(mask, cv2.convexHull(corners.astype(np.int32)), 255)
    patch = (
        cv2.resize(other, (size, size))
        if rng.random() < 0.8
        else np.full_like(image, rng.integers(0, 255, 3))
    )
    return np.where(mask[..., None] > 0, np.roll(patch, int(rng.integers(size)), axis=0), image)


class MeshTask:
    """Training of MeshNet on jittered crops of the faces of `DrawnFaces`, labelled by the teacher.

    The teacher labels the very image; the warp's points are not used, because the teacher's error
    differs from skin to skin, and at serving the network measures such composites.
    """

    name = "mesh"

    def __init__(self, train: AlignedFaces, val: AlignedFaces) -> None:
        require_images(self.name, len(train), "training images", MIN_IMAGES)
        self.net = MeshNet()
        self.faces, self.val = train, val
        self.drawn_faces, self.teacher = DrawnFaces(train), MeshTeacher()
        weights = np.ones(468, np.float32)
        weights[list(EXPRESSION_POINTS)] = FEATURE_WEIGHT
        self.weights = torch.from_numpy(weights / weights.mean())
        self._start_shape_space()
        self.val_crops, self.val_points = self._val_views(val.crops, val.meshes)
        rng, drawn_faces, teacher = np.random.default_rng(3), DrawnFaces(val), MeshTeacher()
        drawn = [drawn_faces(rng) for _ in range(VAL_DRAWN)]
        self.drawn_crops, self.drawn_points = self._val_views(
            [face.image for face in drawn], [teacher(face) for face in drawn]
        )

    def _start_shape_space(self) -> None:
        """Starts the network from principal components of the meshes under the training jitter."""
        rng = np.random.default_rng(0)
        shapes = [
            transform_points(mesh, self._view(rng, mesh)) / INPUT_SIZE
            for _ in range(SHAPE_VIEWS)
            for mesh in self.faces.meshes
        ]
        flat = np.stack(shapes).reshape(len(shapes), -1)
        mean = flat.mean(0)
        _, values, rows = np.linalg.svd(flat - mean, full_matrices=False)
        basis = (rows[:SHAPE_DIMENSIONS] * values[:SHAPE_DIMENSIONS, None] / np.sqrt(len(flat))).T
        self.net.start_from(
            torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(basis.astype(np.float32))
        )

    @staticmethod
    def _view(rng: np.random.Generator, mesh: np.ndarray) -> np.ndarray:
        crop_matrix = mesh_crop_transform(mesh, MESH_FACE_SHARE, INPUT_SIZE)
        return chain(jittered(rng, INPUT_SIZE, *TRAINING_JITTER), crop_matrix)

    @staticmethod
    def _val_views(
        faces: Sequence[np.ndarray], meshes: Sequence[np.ndarray]
    ) -> tuple[Tensor, np.ndarray]:
        """Cuts val crops as from a detector: slightly off in place, size and turn.

        The same at each call.
        """
        rng = np.random.default_rng(2)
        crops, points = [], []
        for crop, mesh in zip(faces, meshes, strict=True):
            jitter = jittered(rng, INPUT_SIZE, *VAL_JITTER)
            matrix = chain(jitter, mesh_crop_transform(mesh, MESH_FACE_SHARE, INPUT_SIZE))
            crops.append(crop_photo(crop, matrix, INPUT_SIZE))
            points.append(transform_points(mesh, matrix))
        return torch.from_numpy(np.stack(crops)), np.stack(points)

    def _draw_face(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draws a face, mirrored half of the time, and its mesh by the teacher."""
        face = self.drawn_faces(rng)
        if rng.random() < 0.5:
            face = face.mirrored()
        return face.image, self.teacher(face)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        image, mesh = self._draw_face(rng)
        matrix = self._view(rng, mesh)
        crop = cv2.warpAffine(
            image, matrix, (INPUT_SIZE, INPUT_SIZE), borderMode=cv2.BORDER_REPLICATE
        )
        points = transform_points(mesh, matrix) / INPUT_SIZE
        if rng.random() < 0.2:
            crop = occlude(rng, crop, self.faces.crops[int(rng.integers(len(self.faces)))])
        return {
            "crop": np.ascontiguousarray(photometric(rng, crop)),
            "points": points.astype(np.float32),
        }

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):  # nearly twice as fast; the points need 32 bits
            features = self.net.features(to_input(batch["crop"]))
        found, truth = self.net.located(features.float()), batch["points"]
        eyes = (
            (truth[:, [33, 133], :2].mean(1) - truth[:, [362, 263], :2].mean(1))
            .norm(dim=1)
            .clamp(min=0.08)
        )
        error = (found - truth).abs() * torch.tensor([1.0, 1.0, 0.5])
        loss = ((error.sum(-1) * self.weights).mean(1) / eyes).mean()
        return loss, {"loss": float(loss.detach())}

    @staticmethod
    @torch.no_grad()
    def predict(net: nn.Module, crops: Tensor) -> np.ndarray:
        return (
            np.concatenate([net(to_input(part)).numpy() for part in crops.split(64)]) * INPUT_SIZE
        )

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        error = _errors(self.predict(net, self.val_crops), self.val_points)
        found = self.predict(net, self.drawn_crops)
        drawn = _errors(found, self.drawn_points)
        features = _errors(found, self.drawn_points, EXPRESSION_POINTS)
        return {
            "val_error_pct": float(error.mean()),
            "val_error_frontal_pct": float(error[np.abs(self.val.yaws) < FRONTAL_YAW].mean()),
            "drawn_error_pct": float(drawn.mean()),
            "drawn_features_pct": float(features.mean()),
            "drawn_features_p90": float(np.percentile(features, 90)),
        }

    def picture(self, net: nn.Module) -> np.ndarray:
        """Shows the predicted points on 32 drawn val faces, with the teacher's in blue."""
        crops, truth = self.drawn_crops[:32], self.drawn_points[:32]
        tiles = []
        for crop, found, label in zip(crops.numpy(), self.predict(net, crops), truth, strict=True):
            tile = crop.copy()
            for points, colour in ((label, (60, 120, 255)), (found, (0, 255, 120))):
                for x, y in points[list(EXPRESSION_POINTS), :2]:
                    cv2.circle(tile, (round(float(x)), round(float(y))), 1, colour, -1)
            tiles.append(tile)
        return tiled(tiles, 8)


def _errors(found: np.ndarray, truth: np.ndarray, points: Sequence[int] = ()) -> np.ndarray:
    """Returns the mean error of each face, in % of its eye distance."""
    chosen = list(points) or slice(None)
    eyes = np.array([eye_distance(mesh) for mesh in truth])
    return np.asarray(np.linalg.norm((found - truth)[:, chosen, :2], axis=-1).mean(1) / eyes * 100)
