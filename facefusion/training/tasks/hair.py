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
from facefusion.training.pictures import tiled
from facefusion.training.samples.augment import jittered, photometric
from facefusion.training.samples.covering_labels import not_face
from facefusion.training.samples.data import AlignedFaces, require_images
from facefusion.training.samples.relighting import Lamps

#: Share of the samples onto which another face's hair or hat is pasted.
PASTED: Final = 0.4
#: Share of the samples under a synthetic lamp.
LAMPS: Final = 0.4
#: Least share of the crop that hair or hats cover on faces from which they are pasted.
LEAST_HAIR: Final = 0.03
#: Distance outside of the face's outline within which labels are used, as a share of the distance
#: to its centre.
MARGIN: Final = 0.1
#: Weight of the cross-entropy of the pixels, relative to the overlap loss.
PIXELS: Final = 2.0
#: Share of the training after which the network's own prediction is mixed into the labels (hard
#: bootstrapping, Reed et al., ICLR 2015 workshop).
BOOTSTRAP_START: Final = 0.4
#: Weight of the network's own prediction then: GrabCut sometimes mislabels a whole forehead.
BOOTSTRAP_WEIGHT: Final = 0.4
#: Number of val samples with pasted hair.
VAL_PASTED: Final = 96


def _label_region(mesh: np.ndarray, size: int) -> np.ndarray:
    """Returns where labels are used: (size, size) float32, 1 inside the widened outline."""
    mask = np.zeros((size, size), np.uint8)
    fill_points(mask, outline(mesh, MARGIN), 255)
    return mask.astype(np.float32) / 255


class LabelledFaces:
    """Faces with GrabCut's labels, from which samples are drawn.

    Args:
        faces: aligned faces.
        split: name of the split, for the message of an error.

    Attributes:
        labels: `not_face` of each face, (N, S, S) float32.
        with_hair: indices of the faces with hair or a hat over them.

    Raises:
        SystemExit: no face has hair or a hat over it.
    """

    def __init__(self, faces: AlignedFaces, split: str) -> None:
        self.faces, self.labels, self.lamps = faces, _labels(faces), Lamps(faces)
        size = faces.crops.shape[1]
        regions = np.stack([_label_region(mesh, size) for mesh in faces.meshes])
        self.with_hair = np.flatnonzero((self.labels * regions).mean((1, 2)) > LEAST_HAIR)
        require_images("hair", len(self.with_hair), f"{split} images with hair over the face")

    def sample(self, rng: np.random.Generator, pasted: float) -> dict[str, np.ndarray]:
        """Draws a sample.

        Args:
            rng: source of randomness.
            pasted: probability that another face's hair or hat is pasted onto it.

        Returns:
            `head` (64, 96, 3) RGB uint8, `hair` and `inside` (64, 96) float32: the label, and where
            it is used.
        """
        face = int(rng.integers(len(self.faces)))
        image, label = self.faces.crops[face], self.labels[face]
        if rng.random() < pasted:
            image, label = self._paste_hair(rng, face)
        if rng.random() < LAMPS:
            image = self.lamps(rng, face)(image)
        image = photometric(rng, image)
        size = self.faces.crops.shape[1]
        matrix = jittered(rng, size, 2, 0.05, 0.015)
        layers = [
            _shrunk(cv2.warpAffine(layer, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE))
            for layer in (image, label, _label_region(self.faces.meshes[face], size))
        ]
        if rng.random() < 0.5:
            layers = [layer[:, ::-1] for layer in layers]
        head, hair, inside = map(np.ascontiguousarray, layers)
        return {"head": head, "hair": hair, "inside": inside}

    def _paste_hair(self, rng: np.random.Generator, face: int) -> tuple[np.ndarray, np.ndarray]:
        """Puts another face's hair or hat onto `face`; returns its image and label."""
        other = int(self.with_hair[rng.integers(len(self.with_hair))])
        warp, mesh = self.faces.warps[face], self.faces.meshes[other]
        mask = cv2.GaussianBlur(warp(self.labels[other], mesh), (0, 0), 0.8)
        hair = photometric(rng, warp(self.faces.crops[other], mesh), 0.4)
        image = cv2.blendLinear(hair, self.faces.crops[face], mask, 1 - mask)
        return image, np.maximum(self.labels[face], mask)


class HairTask:
    """Training of HairNet on GrabCut's labels of what is not the face.

    40 % of the samples get another face's hair or hat as well.
    """

    name = "hair"

    def __init__(self, train: AlignedFaces, val: AlignedFaces) -> None:
        self.net = HairNet()
        self.train = LabelledFaces(train, "training")
        labelled = LabelledFaces(val, "validation")
        self.val_crops = np.stack([_shrunk(crop) for crop in val.crops])
        self.val_labels = np.stack([_shrunk(label) for label in labelled.labels])
        size = val.crops.shape[1]
        self.val_inside = np.stack([_shrunk(_label_region(mesh, size)) for mesh in val.meshes])
        rng = np.random.default_rng(5)
        samples = [labelled.sample(rng, pasted=1.0) for _ in range(VAL_PASTED)]
        self.val_pasted = {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return self.train.sample(rng, PASTED)

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.net.logits(to_input(batch["head"]))
        logits, truth, inside = logits.float()[:, 0], batch["hair"], batch["inside"]
        if progress > BOOTSTRAP_START:
            predicted = logits.detach() > 0
            truth = (1 - BOOTSTRAP_WEIGHT) * truth + BOOTSTRAP_WEIGHT * predicted
        pixels = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        pixels = (pixels * inside).sum() / inside.sum()
        dice = _overlap_inside(torch.sigmoid(logits), truth, inside).mean()
        figures = {"pixels": float(pixels.detach()), "overlap": float(dice.detach())}
        return PIXELS * pixels + 1 - dice, figures

    @staticmethod
    @torch.no_grad()
    def predict(net: nn.Module, heads: np.ndarray) -> np.ndarray:
        """Returns (N, 64, 96) opacity for (N, 64, 96, 3) RGB uint8."""
        return np.concatenate(
            [net(to_input(part))[:, 0].numpy() for part in torch.from_numpy(heads).split(64)]
        )

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        pasted = self.val_pasted
        maps = {
            "val_overlap": (self.predict(net, self.val_crops), self.val_labels, self.val_inside),
            "pasted_overlap": (self.predict(net, pasted["head"]), pasted["hair"], pasted["inside"]),
        }
        return {
            name: float(_overlap_inside(*map(torch.from_numpy, each)).mean())
            for name, each in maps.items()
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
        return tiled(tiles, 4)


def _shrunk(layer: np.ndarray) -> np.ndarray:
    """Returns what the network sees of a crop (S, S) or (S, S, 3): 64 rows of 96 pixels."""
    return np.asarray(cv2.resize(layer, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)[ROWS])


def _labels(faces: AlignedFaces) -> np.ndarray:
    """Returns `not_face` of each face, (N, S, S) float32."""
    return np.stack(
        [not_face(crop, mesh) for crop, mesh in zip(faces.crops, faces.meshes, strict=True)]
    )


def _overlap_inside(found: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
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
    size = faces.crops.shape[1]
    inside = np.stack([_shrunk(_label_region(mesh, size)) for mesh in faces.meshes])
    labels = np.stack([_shrunk(label) for label in _labels(faces)])
    return _overlap_inside(*map(torch.from_numpy, (found[:, ROWS], labels, inside))).numpy()


def find_hair(net: HairNet, faces: AlignedFaces) -> np.ndarray:
    """Finds what covers the upper part of each face: (N, CROP_SIZE, CROP_SIZE) float32."""
    heads = np.stack([_shrunk(crop) for crop in faces.crops])
    return np.stack([as_hair(opacity) for opacity in HairTask.predict(net, heads)])
