"""Trains HairNet to predict GrabCut's labels faster, and more steadily under other light."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.geometry.mask import fill_points, outline
from facefusion.nets.segmentation import HairNet
from facefusion.perception.hair import CROP_SIZE, ROWS, as_hair
from facefusion.training.loop import Batch, to_input
from facefusion.training.losses import overlap
from facefusion.training.samples.augment import photometric
from facefusion.training.samples.covering_labels import not_face
from facefusion.training.samples.data import AlignedFaces
from facefusion.training.samples.relighting import Lamps
from facefusion.training.tasks.mesh import jittered

#: Share of the samples onto which another face's hair or hat is pasted.
WEARING: Final = 0.4
#: Share of the samples under a synthetic lamp.
LAMPS: Final = 0.4
#: Least share of the crop that hair or hats cover on faces from which they are pasted.
LEAST_WORN: Final = 0.03
#: Distance outside of the face's outline within which labels are used, as a share of the distance
#: to its centre.
MARGIN: Final = 0.1
#: Weight of the cross-entropy of the pixels, relative to the overlap loss.
PIXELS: Final = 2.0
#: Share of the training after which the network's own prediction is mixed into the labels (hard
#: bootstrapping, Reed et al., ICLR 2015 workshop).
OPINION_FROM: Final = 0.4
#: Weight of the network's own prediction then: GrabCut sometimes mislabels a whole forehead.
OPINION: Final = 0.4
VAL_WORN: Final = 96


def _inside(mesh: np.ndarray, size: int) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    fill_points(mask, outline(mesh, MARGIN), 255)
    return mask.astype(np.float32) / 255


class HairTask:
    """Training of HairNet on GrabCut's labels of what is not the face.

    40 % of the samples get another face's hair or hat as well.
    """

    name = "hair"

    def __init__(self, train: AlignedFaces, val: AlignedFaces) -> None:
        self.net = HairNet()
        self.faces, self.labels, self.lamps = train, _labels(train), Lamps(train)
        self.worn = _worn(train, self.labels)
        self.val_crops = np.stack([_shrunk(crop) for crop in val.crops])
        labels = _labels(val)
        self.val_labels = np.stack([_shrunk(label) for label in labels])
        self.val_inside = np.stack(
            [_shrunk(_inside(mesh, val.crops.shape[1])) for mesh in val.meshes]
        )
        rng, worn, lamps = np.random.default_rng(5), _worn(val, labels), Lamps(val)
        samples = [
            self._sample(rng, val, labels, lamps, worn, wearing=1.0) for _ in range(VAL_WORN)
        ]
        self.val_worn = {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}

    @staticmethod
    def _sample(
        rng: np.random.Generator,
        faces: AlignedFaces,
        labels: np.ndarray,
        lamps: Lamps,
        worn: np.ndarray,
        wearing: float,
    ) -> dict[str, np.ndarray]:
        face = int(rng.integers(len(faces)))
        image, label, size = faces.crops[face], labels[face], faces.crops.shape[1]
        if rng.random() < wearing:
            other, warp = int(worn[rng.integers(len(worn))]), faces.warps[face]
            over = cv2.GaussianBlur(warp(labels[other], faces.meshes[other]), (0, 0), 0.8)
            theirs = photometric(rng, warp(faces.crops[other], faces.meshes[other]), 0.4)
            image = cv2.blendLinear(theirs, image, over, 1 - over)
            label = np.maximum(label, over)
        if rng.random() < LAMPS:
            image = lamps(rng, face)(image)
        image = photometric(rng, image)
        matrix = jittered(rng, size, 2, 0.05, 0.015)
        layers = [
            _shrunk(cv2.warpAffine(layer, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE))
            for layer in (image, label, _inside(faces.meshes[face], size))
        ]
        if rng.random() < 0.5:
            layers = [layer[:, ::-1] for layer in layers]
        return dict(
            zip(
                ("head", "hair", "inside"),
                (np.ascontiguousarray(layer) for layer in layers),
                strict=True,
            )
        )

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return self._sample(rng, self.faces, self.labels, self.lamps, self.worn, WEARING)

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.net.logits(to_input(batch["head"]))
        logits, truth, inside = logits.float()[:, 0], batch["hair"], batch["inside"]
        if progress > OPINION_FROM:
            truth = (1 - OPINION) * truth + OPINION * (logits.detach() > 0)
        pixels = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        pixels = (pixels * inside).sum() / inside.sum()
        alike = _alike(torch.sigmoid(logits), truth, inside).mean()
        return PIXELS * pixels + 1 - alike, {
            "pixels": float(pixels.detach()),
            "overlap": float(alike.detach()),
        }

    @staticmethod
    @torch.no_grad()
    def predict(net: nn.Module, heads: np.ndarray) -> np.ndarray:
        """Returns (N, 64, 96) opacity for (N, 64, 96, 3) RGB uint8."""
        return np.concatenate(
            [net(to_input(part))[:, 0].numpy() for part in torch.from_numpy(heads).split(64)]
        )

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        worn = self.val_worn
        real = (self.predict(net, self.val_crops), self.val_labels, self.val_inside)
        pasted = (self.predict(net, worn["head"]), worn["hair"], worn["inside"])
        return {
            name: float(_alike(*(torch.from_numpy(part) for part in parts)).mean())
            for name, parts in (("val_overlap", real), ("pasted_overlap", pasted))
        }

    def picture(self, net: nn.Module) -> np.ndarray:
        """Shows faces of the val split with their labels in blue and the predictions in green."""
        tiles = []
        for i, found in enumerate(self.predict(net, self.val_crops)):
            row = [self.val_crops[i]]
            for opacity, colour in ((self.val_labels[i], (0, 0, 255)), (found, (0, 255, 0))):
                weight = 0.7 * (opacity * self.val_inside[i])[..., None]
                row.append((row[0] * (1 - weight) + np.array(colour) * weight).astype(np.uint8))
            tiles.append(np.concatenate(row, 1))
        tiles = tiles[: len(tiles) // 4 * 4]
        return np.concatenate(
            [np.concatenate(tiles[i : i + 4], 1) for i in range(0, len(tiles), 4)], 0
        )


def _shrunk(layer: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.resize(layer, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)[ROWS])


def _labels(faces: AlignedFaces) -> np.ndarray:
    """Returns `not_face` of each face, (N, S, S) float32."""
    return np.stack(
        [not_face(crop, mesh) for crop, mesh in zip(faces.crops, faces.meshes, strict=True)]
    )


def _worn(faces: AlignedFaces, labels: np.ndarray) -> np.ndarray:
    """Returns the indices of the faces with hair or a hat over them."""
    size = faces.crops.shape[1]
    inner = np.stack([_inside(mesh, size) for mesh in faces.meshes])
    return np.flatnonzero((labels * inner).mean((1, 2)) > LEAST_WORN)


def _alike(found: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """Returns the `overlap` of two maps where `inside` is 1."""
    return overlap(found * inside, truth * inside)


def agreement(found: np.ndarray, faces: AlignedFaces) -> np.ndarray:
    """Measures the agreement with GrabCut's labels inside the face, above the mouth.

    Args:
        found: (N, CROP_SIZE, CROP_SIZE) opacity from `HairFinder`.
        faces: the faces.

    Returns:
        (N,) Dice coefficients in [0, 1].
    """
    inside = np.stack([_shrunk(_inside(mesh, faces.crops.shape[1])) for mesh in faces.meshes])
    labels = np.stack([_shrunk(label) for label in _labels(faces)])
    return _alike(*(torch.from_numpy(each) for each in (found[:, ROWS], labels, inside))).numpy()


def find_hair(net: HairNet, faces: AlignedFaces) -> np.ndarray:
    """Finds what covers the upper part of each face: (N, CROP_SIZE, CROP_SIZE) float32."""
    return np.stack(
        [
            as_hair(found)
            for found in HairTask.predict(net, np.stack([_shrunk(crop) for crop in faces.crops]))
        ]
    )
