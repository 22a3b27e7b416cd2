"""Trains MeshNet on labelled meshes; each face is also seen with the geometry of others."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from facefusion.geometry.align import MESH_FACE_SHARE, crop_photo, mesh_crop_transform, transform_points
from facefusion.geometry.mirror import mirrored
from facefusion.geometry.topology import (
    INNER_LIPS,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
    eye_distance,
)
from facefusion.nets.mesh import INPUT_SIZE, SHAPE_DIMENSIONS, MeshNet
from facefusion.training.augment import photometric
from facefusion.training.data import AlignedFaces
from facefusion.training.loop import Batch, to_input

#: Eyes, brows and lips carry the expression; they count this much more than the rest.
FEATURE_WEIGHT: Final = 4.0


def jittered(rng: np.random.Generator, size: int, turn: float, scale: float, shift: float) -> np.ndarray:
    """A random (2, 3) similarity about the centre: normal deviations in degrees, log scale and shares of the side."""
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), rng.normal(0, turn), float(np.exp(rng.normal(0, scale))))
    matrix[:, 2] += rng.normal(0, shift * size, 2)
    return np.asarray(matrix)


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The (2, 3) affine that applies `inner`, then `outer`."""
    return np.concatenate([outer[:, :2] @ inner[:, :2], (outer[:, :2] @ inner[:, 2] + outer[:, 2])[:, None]], axis=1)


def occlude(rng: np.random.Generator, image: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Lays a piece of another image over a part of the face: a hand, a scarf, a microphone."""
    size = image.shape[0]
    mask = np.zeros((size, size), np.uint8)
    centre = rng.uniform(0.15, 0.85, 2) * size
    corners = centre + rng.normal(0, 0.14 * size, (int(rng.integers(3, 7)), 2))
    cv2.fillConvexPoly(mask, cv2.convexHull(corners.astype(np.int32)), 255)
    patch = cv2.resize(other, (size, size)) if rng.random() < 0.8 else np.full_like(image, rng.integers(0, 255, 3))
    return np.where(mask[..., None] > 0, np.roll(patch, int(rng.integers(size)), axis=0), image)


class MeshTask:
    """Samples are jittered crops, 40 % of them warped to another face's mesh."""

    name = "mesh"

    def __init__(self, train: AlignedFaces, val: AlignedFaces) -> None:
        self.net = MeshNet()
        self.faces, self.val = train, val
        weights = np.ones(468, np.float32)
        weights[list(LEFT_EYE + RIGHT_EYE + LEFT_BROW + RIGHT_BROW + OUTER_LIPS + INNER_LIPS)] = FEATURE_WEIGHT
        self.weights = torch.from_numpy(weights / weights.mean())
        self._start()
        self.val_crops, self.val_points = self._val_views()

    def _start(self) -> None:
        """Principal components of the training meshes under the training jitter."""
        rng = np.random.default_rng(0)
        shapes = []
        for _ in range(2):
            for mesh in self.faces.meshes:
                shapes.append(transform_points(mesh, self._view(rng, mesh)) / INPUT_SIZE)
        flat = np.stack(shapes).reshape(len(shapes), -1)
        mean = flat.mean(0)
        _, values, rows = np.linalg.svd(flat - mean, full_matrices=False)
        basis = (rows[:SHAPE_DIMENSIONS] * values[:SHAPE_DIMENSIONS, None] / np.sqrt(len(flat))).T
        self.net.start_from(torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(basis.astype(np.float32)))

    @staticmethod
    def _view(rng: np.random.Generator, mesh: np.ndarray) -> np.ndarray:
        tight = mesh_crop_transform(mesh, MESH_FACE_SHARE, INPUT_SIZE)
        return compose(jittered(rng, INPUT_SIZE, 8, 0.09, 0.045), tight)

    def _val_views(self) -> tuple[Tensor, np.ndarray]:
        """Val crops as a detector would give them: a little off in place, size and turn; the same at each call."""
        rng = np.random.default_rng(2)
        crops, points = [], []
        for crop, mesh in zip(self.val.crops, self.val.meshes, strict=True):
            loose = jittered(rng, INPUT_SIZE, 3, 0.05, 0.02)
            matrix = compose(loose, mesh_crop_transform(mesh, MESH_FACE_SHARE, INPUT_SIZE))
            crops.append(crop_photo(crop, matrix, INPUT_SIZE))
            points.append(transform_points(mesh, matrix))
        return torch.from_numpy(np.stack(crops)), np.stack(points)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        faces = self.faces
        one = int(rng.integers(len(faces)))
        image, mesh = faces.crops[one], faces.meshes[one]
        if rng.random() < 0.4:
            other = int(rng.integers(len(faces)))
            if abs(faces.yaws[one] - faces.yaws[other]) < 25:
                image, mesh = faces.warps[other](image, mesh), faces.meshes[other]
        matrix = self._view(rng, mesh)
        crop = cv2.warpAffine(image, matrix, (INPUT_SIZE, INPUT_SIZE), borderMode=cv2.BORDER_REPLICATE)
        points = transform_points(mesh, matrix) / INPUT_SIZE
        if rng.random() < 0.2:
            crop = occlude(rng, crop, faces.crops[int(rng.integers(len(faces)))])
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
            points = mirrored(points * INPUT_SIZE, INPUT_SIZE) / INPUT_SIZE
        return {"crop": np.ascontiguousarray(photometric(rng, crop)), "points": points.astype(np.float32)}

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):  # nearly twice as fast; the points themselves need every bit
            features = self.net.features(to_input(batch["crop"]))
        found, truth = self.net.located(features.float()), batch["points"]
        eyes = (truth[:, [33, 133], :2].mean(1) - truth[:, [362, 263], :2].mean(1)).norm(dim=1).clamp(min=0.08)
        error = (found - truth).abs() * torch.tensor([1.0, 1.0, 0.5])
        loss = ((error.sum(-1) * self.weights).mean(1) / eyes).mean()
        return loss, {"loss": float(loss.detach())}

    @torch.no_grad()
    def predict(self, net: nn.Module) -> np.ndarray:
        return net(to_input(self.val_crops)).numpy() * INPUT_SIZE

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        found = self.predict(net)
        eyes = np.array([eye_distance(points) for points in self.val_points])
        error = np.linalg.norm((found - self.val_points)[..., :2], axis=-1).mean(1) / eyes * 100
        frontal = np.abs(self.val.yaws) < 30
        return {"val_error_pct": float(error.mean()), "val_error_frontal_pct": float(error[frontal].mean())}

    def picture(self, net: nn.Module) -> np.ndarray:
        """The predicted points on 16 val crops."""
        found, tiles = self.predict(net), []
        for crop, points in list(zip(self.val_crops.numpy(), found, strict=True))[:16]:
            tile = crop.copy()
            for x, y in points[:, :2]:
                cv2.circle(tile, (round(float(x)), round(float(y))), 1, (0, 255, 120), -1)
            tiles.append(tile)
        return np.concatenate([np.concatenate(tiles[4 * r : 4 * r + 4], 1) for r in range(4)], 0)
