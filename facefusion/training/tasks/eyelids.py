"""Trains EyelidsNet on eyes that were labelled by eye, with the few shut ones oversampled."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.nets.eyelids import EyelidsNet
from facefusion.perception.eyelids import CORNERS, SHUT, eye_crops
from facefusion.training.loop import Batch, to_input
from facefusion.training.pictures import tiled
from facefusion.training.samples.augment import photometric
from facefusion.training.samples.data import FaceImage, require_images

#: Share of the samples that show a shut eye.
SHUT_SHARE: Final = 0.3
#: Standard deviation of an eye's corners, as a share of its width: above the mesh network's error.
JITTER: Final = 0.07
#: Target probability of a label: label smoothing, as some labels are wrong.
LABEL_CONFIDENCE: Final = 0.97


def shut_eyes(names: Sequence[str]) -> np.ndarray:
    """Returns (N, 2) labels of image-left and image-right eyes: 1 shut, 0 open, -1 unclear.

    `shut_eyes.csv` was labelled by eye, on crops sorted by a network that was trained on the first
    few labels. Eyes that look down until no iris is visible count as shut.

    Args:
        names: of the data set's images.
    """
    with Path(__file__).with_name("shut_eyes.csv").open(newline="", encoding="utf-8") as handle:
        kinds = {
            (row["file"], row["eye"]): {"shut": 1, "unclear": -1}[row["kind"]]
            for row in csv.DictReader(handle)
        }
    return np.array([[kinds.get((name, eye), 0) for eye in ("left", "right")] for name in names])


class EyelidsTask:
    """Training of EyelidsNet; 30 % of the samples are shut eyes."""

    name = "eyelids"

    def __init__(self, train: list[FaceImage], val: list[FaceImage]) -> None:
        self.net = EyelidsNet()
        self.faces = train
        labels = shut_eyes([face.name for face in train])
        self.shut, self.open = (np.argwhere(labels == kind) for kind in (1, 0))
        for kind, eyes in (("a shut", self.shut), ("an open", self.open)):
            require_images("eyelids", len(eyes), f"training images with {kind} eye (shut_eyes.csv)")
        self.val_eyes = np.concatenate([eye_crops(face.image, face.mesh) for face in val])
        self.val_labels = shut_eyes([face.name for face in val]).reshape(-1)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        shut = bool(rng.random() < SHUT_SHARE)
        eyes = self.shut if shut else self.open
        index, eye = eyes[int(rng.integers(len(eyes)))]
        face = self.faces[index]
        mesh = face.mesh.copy()
        for left, right in CORNERS:
            width = np.hypot(*(mesh[right, :2] - mesh[left, :2]))
            mesh[[left, right], :2] += rng.normal(0, JITTER * width, (2, 2))
        crop = photometric(rng, np.ascontiguousarray(eye_crops(face.image, mesh)[eye]))
        return {"eyes": crop, "shut": np.array([shut], np.float32)}

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        logits, truth = self.net.logits(to_input(batch["eyes"])), batch["shut"]
        loss = functional.binary_cross_entropy_with_logits(
            logits, truth * LABEL_CONFIDENCE + (1 - truth) * (1 - LABEL_CONFIDENCE)
        )
        accuracy = ((logits > 0) == (truth > 0.5)).float().mean()
        return loss, {"accuracy": float(accuracy)}

    @staticmethod
    @torch.no_grad()
    def predict(net: nn.Module, eyes: np.ndarray) -> np.ndarray:
        """Returns (N,) probabilities that eyes (N, 32, 48, 3) RGB uint8 are shut."""
        return np.concatenate(
            [net(to_input(part))[:, 0].numpy() for part in torch.from_numpy(eyes).split(256)]
        )

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        called_shut = self.predict(net, self.val_eyes) > SHUT[0]
        shut, opened = (called_shut[self.val_labels == kind] for kind in (1, 0))
        return {
            "val_shut_found": float(shut.mean()) if len(shut) else 0.0,
            "val_open_called_shut": float(opened.mean()) if len(opened) else 0.0,
        }

    def picture(self, net: nn.Module) -> np.ndarray:
        """Shows the val eyes that are most likely shut, in order; bars show the probability."""
        found = self.predict(net, self.val_eyes)
        tiles = []
        for eye in np.argsort(-found)[:60]:
            tile = cv2.resize(self.val_eyes[eye], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
            tile[-4:] = 0
            tile[-4:, : round(found[eye] * tile.shape[1])] = (0, 255, 0)
            tiles.append(tile)
        return tiled(tiles, 10)
