"""Trains SpectaclesNet on drawn spectacles only; real ones are used for its evaluation."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.nets.segmentation import SpectaclesNet
from facefusion.perception.spectacles import COLUMNS, CROP_SIZE, ROWS, as_spectacles
from facefusion.training.loop import Batch, to_input
from facefusion.training.losses import overlap
from facefusion.training.pictures import tiled
from facefusion.training.samples.augment import jittered, photometric
from facefusion.training.samples.covering_labels import glasses_kinds
from facefusion.training.samples.data import AlignedFaces, require_images
from facefusion.training.samples.drawn_spectacles import draw_spectacles

#: Share of the samples with drawn spectacles.
DRAWN: Final = 0.75
#: Weight of the pixels' opacity loss, relative to the overlap loss of the frames.
PIXELS: Final = 4.0
#: Number of val samples.
VAL_DRAWN: Final = 128
#: Share of the real spectacles that a picture shows: one in so many.
PICTURED: Final = 5


class SpectaclesTask:
    """Training of SpectaclesNet on faces without glasses, most with drawn ones, its labels."""

    name = "spectacles"

    def __init__(self, train: AlignedFaces, val: AlignedFaces) -> None:
        self.net = SpectaclesNet()
        self.faces = train
        self.without_glasses = _without_glasses(train, "training")
        rng, val_without_glasses = np.random.default_rng(5), _without_glasses(val, "validation")
        samples = [self._drawn(rng, val, val_without_glasses) for _ in range(VAL_DRAWN)]
        self.val_eyes, self.val_opacity = (np.stack(parts) for parts in zip(*samples, strict=True))
        has_glasses = np.array(glasses_kinds([*train.names, *val.names])) != ""
        require_images("spectacles", int(has_glasses.sum()), "images with glasses (glasses.csv)")
        crops = np.concatenate([train.crops, val.crops])
        self.eyes_with_glasses = crops[has_glasses][:, ROWS, COLUMNS]
        self.eyes_without_glasses = val.crops[val_without_glasses][:, ROWS, COLUMNS]

    @staticmethod
    def _drawn(
        rng: np.random.Generator, faces: AlignedFaces, choices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws the eyes of one of the faces `choices` and the opacity of its drawn glasses.

        Returns (88, 144, 3) RGB uint8, and (2, 88, 144) float32 of frame and glass.
        """
        face = int(choices[rng.integers(len(choices))])
        image = faces.crops[face]
        layers: list[np.ndarray] = [np.zeros((CROP_SIZE, CROP_SIZE), np.float32)] * 2
        if rng.random() < DRAWN:
            reflected = faces.crops[int(rng.integers(len(faces)))]
            drawn = draw_spectacles(rng, image, faces.meshes[face], reflected)
            image, layers = drawn.image, [drawn.frame, drawn.lens]
        image = photometric(rng, image)
        matrix = jittered(rng, CROP_SIZE, 2, 0.04, 0.012)
        image, *layers = (
            cv2.warpAffine(layer, matrix, (CROP_SIZE,) * 2, borderMode=cv2.BORDER_REPLICATE)[
                ROWS, COLUMNS
            ]
            for layer in (image, *layers)
        )
        opacity = np.stack(layers)
        if rng.random() < 0.5:
            image, opacity = image[:, ::-1], opacity[..., ::-1]
        return np.ascontiguousarray(image), np.ascontiguousarray(opacity)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        eyes, opacity = self._drawn(rng, self.faces, self.without_glasses)
        return {"eyes": eyes, "opacity": opacity}

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.net.logits(to_input(batch["eyes"]))
        logits, truth = logits.float(), batch["opacity"]
        pixels = functional.binary_cross_entropy_with_logits(logits, truth)
        dice = overlap(torch.sigmoid(logits[:, 0]), truth[:, 0])
        loss = PIXELS * pixels + 1 - dice.mean()
        return loss, {"pixels": float(pixels.detach()), "overlap": float(dice.detach().mean())}

    @staticmethod
    @torch.no_grad()
    def predict(net: nn.Module, eyes: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [net(to_input(part)).numpy() for part in torch.from_numpy(eyes).split(32)]
        )

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        found, truth = self.predict(net, self.val_eyes), self.val_opacity
        drawn = truth.max((1, 2, 3)) > 0
        dice = overlap(torch.from_numpy(found[drawn, 0]), torch.from_numpy(truth[drawn, 0]))
        return {
            "val_overlap": float(dice.mean()),
            "real_found": _share_found(self.predict(net, self.eyes_with_glasses)),
            "falsely_found": _share_found(self.predict(net, self.eyes_without_glasses)),
        }

    def picture(self, net: nn.Module) -> np.ndarray:
        """Shows real spectacles with the predicted frames in green and dark glass in red."""
        real = self.eyes_with_glasses[::PICTURED]
        tiles = []
        for eyes, opacities in zip(real, self.predict(net, real), strict=True):
            frame, glass = opacities[..., None]
            shown = eyes * (1 - frame) + np.array([0, 255, 0]) * frame
            shown = shown * (1 - glass / 2) + np.array([255, 0, 0]) * glass / 2
            tiles.append(np.concatenate([eyes, shown.astype(np.uint8)], 1))
        return tiled(tiles, 4)


def _without_glasses(faces: AlignedFaces, split: str) -> np.ndarray:
    """Returns the indices of the faces without glasses.

    Raises:
        SystemExit: there is none.
    """
    found = np.flatnonzero([kind == "" for kind in glasses_kinds(faces.names)])
    require_images("spectacles", len(found), f"{split} images without glasses")
    return found


def _share_found(opacities: np.ndarray) -> float:
    return float(np.mean([as_spectacles(opacity) is not None for opacity in opacities]))
