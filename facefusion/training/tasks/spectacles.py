"""Trains SpectaclesNet on drawn spectacles only; real ones are used for its evaluation."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.nets.segmentation import SpectaclesNet
from facefusion.perception.spectacles import COLUMNS, CROP_SIZE, ROWS, Spectacles, as_spectacles
from facefusion.training.loop import Batch, to_input
from facefusion.training.losses import overlap
from facefusion.training.samples.augment import photometric
from facefusion.training.samples.covering_labels import glasses_kinds
from facefusion.training.samples.data import AlignedFaces
from facefusion.training.samples.drawn_spectacles import draw_spectacles
from facefusion.training.tasks.mesh import jittered

#: Share of the samples with spectacles.
WEARING: Final = 0.75
#: Weight of the pixels' opacity loss, relative to the overlap loss of the frames.
PIXELS: Final = 4.0
VAL_DRAWN: Final = 128


class SpectaclesTask:
    """Training of SpectaclesNet on faces without glasses, most with drawn ones, its labels."""

    name = "spectacles"

    def __init__(self, train: AlignedFaces, val: AlignedFaces) -> None:
        self.net = SpectaclesNet()
        self.faces, self.bare = train, _bare(train)
        rng, bare = np.random.default_rng(5), _bare(val)
        samples = [self._drawn(rng, val, bare) for _ in range(VAL_DRAWN)]
        self.val_eyes, self.val_opacity = (np.stack(parts) for parts in zip(*samples, strict=True))
        kinds = np.array(glasses_kinds([*train.names, *val.names]))
        crops = np.concatenate([train.crops, val.crops])
        self.real, self.none = (
            crops[kinds != ""][:, ROWS, COLUMNS],
            val.crops[bare][:, ROWS, COLUMNS],
        )

    @staticmethod
    def _drawn(
        rng: np.random.Generator, faces: AlignedFaces, bare: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws the eyes of a face and the opacity of its glasses.

        Returns (88, 144, 3) RGB uint8, and (2, 88, 144) float32 of frame and glass.
        """
        face = int(bare[rng.integers(len(bare))])
        image = faces.crops[face]
        layers: list[np.ndarray] = [np.zeros((CROP_SIZE, CROP_SIZE), np.float32)] * 2
        if rng.random() < WEARING:
            drawn = draw_spectacles(
                rng, image, faces.meshes[face], faces.crops[int(rng.integers(len(faces)))]
            )
            image, layers = drawn.image, [drawn.frame, drawn.lens]
        image = photometric(rng, image)
        matrix = jittered(rng, CROP_SIZE, 2, 0.04, 0.012)
        image, *layers = (
            cv2.warpAffine(i, matrix, (CROP_SIZE, CROP_SIZE), borderMode=cv2.BORDER_REPLICATE)[
                ROWS, COLUMNS
            ]
            for i in (image, *layers)
        )
        opacity = np.stack(layers)
        if rng.random() < 0.5:
            image, opacity = image[:, ::-1], opacity[..., ::-1]
        return np.ascontiguousarray(image), np.ascontiguousarray(opacity)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        eyes, opacity = self._drawn(rng, self.faces, self.bare)
        return {"eyes": eyes, "opacity": opacity}

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.net.logits(to_input(batch["eyes"]))
        logits, truth = logits.float(), batch["opacity"]
        pixels = functional.binary_cross_entropy_with_logits(logits, truth)
        alike = overlap(torch.sigmoid(logits[:, 0]), truth[:, 0])
        loss = PIXELS * pixels + 1 - alike.mean()
        return loss, {"pixels": float(pixels.detach()), "overlap": float(alike.detach().mean())}

    @staticmethod
    @torch.no_grad()
    def predict(net: nn.Module, eyes: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [net(to_input(part)).numpy() for part in torch.from_numpy(eyes).split(32)]
        )

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        found, truth = self.predict(net, self.val_eyes), self.val_opacity
        worn = truth.max((1, 2, 3)) > 0
        alike = overlap(torch.from_numpy(found[worn, 0]), torch.from_numpy(truth[worn, 0]))
        return {
            "val_overlap": float(alike.mean()),
            "real_found": _share_found(self.predict(net, self.real)),
            "falsely_found": _share_found(self.predict(net, self.none)),
        }

    def picture(self, net: nn.Module) -> np.ndarray:
        """Shows real spectacles with the predicted frames in green and dark glass in red."""
        tiles = []
        for eyes, (frame, glass) in zip(
            self.real[::5], self.predict(net, self.real[::5]), strict=True
        ):
            shown = eyes * (1 - frame[..., None]) + np.array([0, 255, 0]) * frame[..., None]
            shown = (
                shown * (1 - glass[..., None] / 2) + np.array([255, 0, 0]) * glass[..., None] / 2
            )
            tiles.append(np.concatenate([eyes, shown.astype(np.uint8)], 1))
        tiles = tiles[: len(tiles) // 4 * 4]
        return np.concatenate(
            [np.concatenate(tiles[i : i + 4], 1) for i in range(0, len(tiles), 4)], 0
        )


def _bare(faces: AlignedFaces) -> np.ndarray:
    return np.flatnonzero([kind == "" for kind in glasses_kinds(faces.names)])


def _share_found(opacities: np.ndarray) -> float:
    return float(np.mean([as_spectacles(opacity) is not None for opacity in opacities]))


def find_spectacles(net: SpectaclesNet, faces: AlignedFaces) -> list[Spectacles | None]:
    """Finds the glasses of each face that is labelled as wearing any.

    Measured at CROP_SIZE; None for the others.
    """
    found: list[Spectacles | None] = [None] * len(faces)
    for i, kind in enumerate(glasses_kinds(faces.names)):
        if kind:
            crop = faces.crops[i]
            if crop.shape[0] != CROP_SIZE:
                crop = cv2.resize(crop, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
            found[i] = as_spectacles(SpectaclesTask.predict(net, crop[None, ROWS, COLUMNS])[0])
    return found
