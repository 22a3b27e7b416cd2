"""Trains FaceParserNet on labelled synthetic faces with things in front of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.nets.parser import FaceParserNet
from facefusion.perception.coverings import Coverings, coverings_of
from facefusion.perception.face_parser import CROP_SIZE, FaceParts
from facefusion.perception.face_parts import PARTS, FacePart
from facefusion.training.loop import Batch, to_input
from facefusion.training.pictures import tiled
from facefusion.training.samples.covering_labels import glasses_kinds
from facefusion.training.samples.data import AlignedFaces
from facefusion.training.samples.parsed_faces import ParsedFaces
from facefusion.training.samples.part_labels import HAIR_OR_CLOTH, IGNORED

#: Weight of each class's pixels, by `FacePart`: rare classes more.
WEIGHTS: Final = (0.5, 0.6, 2.0, 3.0, 2.0, 3.0, 1.5, 1.0, 3.0, 2.0, 1.0, 1.5, 1.2)
#: Weight of the overlap loss, relative to the cross-entropy.
OVERLAP: Final = 0.7
#: Number of val samples.
VAL_SAMPLES: Final = 160
#: Share of the val samples with a thing in front.
VAL_THINGS: Final = 0.7
#: Number of val samples that a picture shows.
PICTURED: Final = 48
#: Colours of the classes in pictures, RGB, by `FacePart`.
COLOURS: Final = np.array(
    [
        (0, 0, 0), (255, 205, 160), (120, 70, 20), (255, 255, 255), (220, 60, 90), (120, 0, 40),
        (150, 110, 60), (90, 60, 200), (0, 200, 255), (0, 80, 160), (60, 160, 60), (255, 140, 0),
        (255, 0, 255),
    ],
    np.uint8,
)  # fmt: skip


class ParserTask:
    """Training of FaceParserNet: weighted cross-entropy and overlap of the classes.

    Args:
        train: faces with things of the training kinds.
        val: faces with things of kinds that training never shows.
    """

    name = "parser"

    def __init__(self, train: ParsedFaces, val: ParsedFaces) -> None:
        self.net = FaceParserNet()
        self.train = train
        rng = np.random.default_rng(5)
        samples = [val.sample(rng, VAL_THINGS) for _ in range(VAL_SAMPLES)]
        self.val_images, self.val_labels = (np.stack(part) for part in zip(*samples, strict=True))
        self.weights = torch.tensor(WEIGHTS)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        image, labels = self.train.sample(rng)
        return {"face": image, "labels": labels}

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.net.logits(to_input(batch["face"]))
        logits, labels = logits.float(), batch["labels"].long()
        known = torch.where(labels == HAIR_OR_CLOTH, IGNORED, labels)
        pixels = functional.cross_entropy(logits, known, weight=self.weights, ignore_index=IGNORED)
        pixels = pixels + _hair_or_cloth_loss(logits, labels)
        overlap = _mean_overlap(torch.softmax(logits, 1), known)
        figures = {"pixels": float(pixels.detach()), "overlap": float(overlap.detach())}
        return pixels + OVERLAP * (1 - overlap), figures

    @staticmethod
    @torch.no_grad()
    def predict(net: nn.Module, faces: np.ndarray) -> np.ndarray:
        """Returns (N, S, S) uint8 values of `FacePart` for (N, S, S, 3) RGB uint8."""
        parts = [
            net(to_input(part)).argmax(1).to(torch.uint8).numpy()
            for part in torch.from_numpy(faces).split(16)
        ]
        return np.concatenate(parts)

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        found = self.predict(net, self.val_images)
        scores = intersection_over_union(found, self.val_labels)
        return {"mean_iou": float(np.nanmean(list(scores.values()))), **scores}

    def picture(self, net: nn.Module) -> np.ndarray:
        """Shows val samples with their labels and the predictions."""
        images, labels = self.val_images[:PICTURED], self.val_labels[:PICTURED]
        tiles = []
        for image, truth, found in zip(images, labels, self.predict(net, images), strict=True):
            shown = [image, painted(image, truth), painted(image, found)]
            tiles.append(np.concatenate([each[::2, ::2] for each in shown], 1))
        return tiled(tiles, 4)


@torch.no_grad()
def find_coverings(net: FaceParserNet, faces: AlignedFaces) -> list[Coverings]:
    """Finds the coverings of aligned faces, but for shut lids.

    Glasses are found only on faces that are labelled as wearing any.
    """
    found = []
    for crop, mesh, kind in zip(faces.crops, faces.meshes, glasses_kinds(faces.names), strict=True):
        image = cv2.resize(crop, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR)
        probabilities = net(to_input(torch.from_numpy(image)[None]))[0].numpy()
        parts = FaceParts(probabilities, mesh * (CROP_SIZE / crop.shape[0]))
        coverings = coverings_of(parts, None)
        found.append(coverings if kind else replace(coverings, glasses=None))
    return found


def painted(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Paints labels (S, S) over an image (S, S, 3) RGB uint8."""
    colours = COLOURS[np.minimum(labels, PARTS - 1)]
    colours[labels == IGNORED] = 128
    colours[labels == HAIR_OR_CLOTH] = (40, 220, 220)
    return np.asarray(0.35 * image + 0.65 * colours, np.uint8)


def intersection_over_union(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Measures the agreement of two label maps by class, where `truth` is a class.

    Returns:
        By class name in lower case, intersection over union in [0, 1]; NaN where neither has it.
    """
    used = truth < PARTS
    scores = {}
    for part in FacePart:
        a, b = (found == part) & used, (truth == part) & used
        union = int((a | b).sum())
        scores[part.name.lower()] = float((a & b).sum() / union) if union else float("nan")
    return scores


def point_scores(labels: np.ndarray, found: np.ndarray) -> dict[FacePart, tuple[int, float]]:
    """Counts single points of each part, and measures the parser on them.

    Args:
        labels, found: (N,) parts of points.

    Returns:
        By part that occurs: number of its points, and intersection over union in [0, 1].
    """
    scores, counts = intersection_over_union(found, labels), np.bincount(labels, minlength=PARTS)
    return {
        part: (int(counts[part]), scores[part.name.lower()]) for part in FacePart if counts[part]
    }


def _hair_or_cloth_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns the cross-entropy of `HAIR_OR_CLOTH`, the mean over all pixels that are used."""
    chosen = labels == HAIR_OR_CLOTH
    both = torch.logsumexp(logits[:, [FacePart.HAIR, FacePart.CLOTH]], 1)
    loss = torch.logsumexp(logits, 1) - both
    return (loss * chosen).sum() / (labels != IGNORED).sum().clamp(min=1)


def _mean_overlap(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Returns the mean Dice coefficient of the classes that a batch shows.

    Args:
        probabilities: (N, 13, S, S).
        labels: (N, S, S), `IGNORED` where there is none.
    """
    used = (labels != IGNORED)[:, None]
    truth = functional.one_hot(labels.clamp(max=PARTS - 1), PARTS).permute(0, 3, 1, 2) * used
    found = probabilities * used
    both = (found * truth).sum((0, 2, 3))
    total = found.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    shown = truth.sum((0, 2, 3)) > 0
    return ((2 * both + 1) / (total + 1))[shown].mean()
