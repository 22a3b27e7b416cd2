"""Measures and shows what fusion networks make of validation faces."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from facefusion.evaluation.realism import RealFaces
from facefusion.nets.coarse import fuse
from facefusion.training.tensors.draws import Draws
from facefusion.training.tensors.faces import PackedFaces
from facefusion.training.tensors.figures import face_features, ssim
from facefusion.training.tensors.loss_networks import LossNetworks
from facefusion.training.tensors.objective import LIGHT_CELLS
from facefusion.training.tensors.odds import Odds
from facefusion.training.tensors.sampler import TensorSampler
from facefusion.training.tensors.scenes import Batch, Scenes
from facefusion.training.tensors.stages import FusionStage

#: Number of batches of the figures.
VAL_BATCHES: Final = 4
#: Samples of such a batch.
VAL_BATCH: Final = 32
#: Pairs in the picture.
PICTURED: Final = 24
#: Columns of the picture.
COLUMNS: Final = 3


class Validation:
    """Figures and a picture, always of the same samples.

    Args:
        faces: validation faces.
        networks: frozen networks.
        view: side of the samples in pixels.
        odds: probabilities in a sample of the figures.
        batches: batches of the figures.
    """

    def __init__(
        self,
        faces: PackedFaces,
        networks: LossNetworks,
        view: int,
        odds: Odds,
        batches: int | None = None,
    ) -> None:
        self.faces, self.networks, self.batches = faces, networks, batches or VAL_BATCHES
        self.device = faces.meshes.device
        self.sampler = TensorSampler(faces, view, odds)
        self.scenes = Scenes(faces, view, Draws(self.device))
        self.people = networks.embed_faces(faces)

    @torch.no_grad()
    def figures(self, stage: FusionStage) -> dict[str, float]:
        """Returns figures of networks.

        `ssim` and `psnr` (dB) of paired samples; of unpaired ones the similarity to the source
        (`id`, and `plain_id` of the plain warp) and to the target's person (`target_id`),
        `expression` in eye distances, `light` and `cover`, the errors of light and mask; with
        EfficientNet-Lite0 also `realism`, their kernel distance from the targets, x 1000.
        """
        found = []
        fused: list[np.ndarray] = []
        real: list[np.ndarray] = []
        with torch.random.fork_rng(devices=_devices(self.device)):
            torch.manual_seed(11)
            for _ in range(self.batches):
                batch = self.sampler(VAL_BATCH)
                answer = _fused(stage, batch)
                found.append(self._figures(batch, answer))
                fused += self._features(answer["fused"], batch["face"])
                real += self._features(batch["target"], batch["face"])
        figures = {name: float(np.mean([each[name] for each in found])) for name in found[0]}
        if self.networks.lite0 is None:
            return figures
        return figures | {"realism": RealFaces.of(real).distance(fused)}

    def _features(self, images: Tensor, face: Tensor) -> list[np.ndarray]:
        """Returns the features of unpaired faces, (D,) each."""
        lite0, half = self.networks.lite0, VAL_BATCH // 2
        if lite0 is None:
            return []
        return list(face_features(lite0, images[half:].clamp(0, 1), face[half:]).cpu().numpy())

    def _figures(self, batch: Batch, answer: dict[str, Tensor]) -> dict[str, float]:
        half = VAL_BATCH // 2
        fused, target, face = (
            each[half:] for each in (answer["fused"], batch["target"], batch["face"])
        )
        points, source = batch["points"][half:], batch["source"][half:]
        plain = fuse(batch["warped"][half:], target, face, 0.0)
        figures = {}
        for name, images in (("id", fused), ("plain_id", plain), ("target_id", fused)):
            people = batch["index"][half:] if name == "target_id" else source
            embedded = self.networks.embed(images, points)[-1]
            figures[name] = float((embedded * self.people[-1][people]).sum(1).mean())
        cell = fused.shape[-1] // LIGHT_CELLS
        light, weight = (functional.avg_pool2d(each, cell) for each in (fused - target, face))
        squares = (answer["fused"] - batch["truth"])[:half] ** 2 * batch["face"][:half]
        error = squares.sum((1, 2, 3)) / (3 * batch["face"][:half].sum((1, 2, 3))).clamp(min=1)
        similar = ssim(
            answer["fused"][:half].clamp(0, 1), batch["truth"][:half], batch["face"][:half]
        )
        wrong = (answer["mask"] - batch["face"] * (1 - batch["covered"])).abs() * batch["face"]
        return figures | {
            "expression": float(
                self.networks.expression_error(fused, target, points, jitter=False)
            ),
            "light": float((light.abs() * weight).sum() / (3 * weight.sum())),
            "ssim": float(similar.mean()),
            "psnr": float((-10 * torch.log10(error.clamp(min=1e-6))).mean()),
            "cover": float(wrong[half:].sum() / batch["face"][half:].sum()),
        }

    @torch.no_grad()
    def picture(self, stage: FusionStage) -> np.ndarray:
        """Shows warped source, target, mask, residual and result of pairs, RGB uint8.

        A third each: light faces onto dark skin, the other way round, and others.
        """
        with torch.random.fork_rng(devices=_devices(self.device)):
            batch = self.scenes.pairs(*_pictured(self.faces))
        answer = _fused(stage, batch)
        panels = [
            batch["warped"],
            batch["target"],
            answer["mask"].expand(-1, 3, -1, -1),
            0.5 + answer["delta"],
            answer["fused"],
        ]
        rows = torch.cat(panels, 3).clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1)
        images = list(rows.cpu().numpy())
        length = math.ceil(len(images) / COLUMNS)
        columns = [np.concatenate(images[i * length : (i + 1) * length]) for i in range(COLUMNS)]
        return np.concatenate(columns, axis=1)


def _fused(stage: FusionStage, batch: Batch) -> dict[str, Tensor]:
    stage.eval()
    return stage(batch, batch["identity"])


def _devices(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _pictured(faces: PackedFaces) -> tuple[Tensor, Tensor]:
    """Returns targets and sources of the picture, always the same ones."""
    generator = np.random.default_rng(5)
    plain = (faces.yaw.abs() < 14) & ~faces.glasses
    tone = faces.tone.cpu().numpy()
    frontal = np.flatnonzero(plain.cpu().numpy())
    ordered = frontal[np.argsort(tone[frontal])]
    third = PICTURED // 3
    dark, light = ordered[: max(len(ordered) // 3, 1)], ordered[-max(len(ordered) // 3, 1) :]
    draw = generator.choice
    index = [draw(dark, third), draw(light, third), draw(ordered, third)]
    source = [draw(light, third), draw(dark, third), draw(ordered, third)]
    device = faces.meshes.device
    targets, sources = (
        torch.from_numpy(np.concatenate(each)).to(device) for each in (index, source)
    )
    return targets, sources
