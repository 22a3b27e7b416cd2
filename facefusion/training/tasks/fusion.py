"""Trains fusion networks: all that the coarse and the refine stage share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.nets.coarse import fuse
from facefusion.training.adversary import Adversary
from facefusion.training.loop import Batch
from facefusion.training.loss_networks import LossNetworks
from facefusion.training.losses import (
    fine_chroma,
    gradient_l1,
    identity_leak,
    low_pass,
    weighted_l1,
)
from facefusion.training.pictures import tiled
from facefusion.training.samples.data import AlignedFaces
from facefusion.training.samples.swap_odds import DEFAULT_ODDS
from facefusion.training.samples.swaps import SwapSampler

Net = TypeVar("Net", bound=nn.Module)

#: Share of the training after which the losses in `RAMPED` have their full weight.
RAMP_END: Final = 0.08
#: Weight of coverings in paired samples, relative to unpaired ones.
PAIRED_COVERING: Final = 0.3
#: Weight of the face in the reconstruction, relative to its surroundings.
FACE_WEIGHT: Final = 4.0
#: Cells a side in which light is compared; larger views are averaged in larger cells.
LIGHT_CELLS: Final = 16
#: Number of val samples.
VAL_SAMPLES: Final = 160
#: Number of val samples that are run at once.
VAL_BATCH: Final = 32
#: Number of val samples in a picture.
PICTURED: Final = 24
#: Hinge loss of an undecided discriminator.
UNDECIDED: Final = 2.0
#: Standard deviation of the noise on each of an embedding's 128 numbers, which are about 0.09.
IDENTITY_NOISE: Final = 0.03


@dataclass(frozen=True)
class Weights:
    """Weights of the losses, by their names in the log.

    Attributes:
        reconstruction, gradient: pixels and edges of reconstructions.
        covering: the mask where coverings lie over either face.
        light: the target's light on unpaired faces.
        detail: the warped source's edges on unpaired faces.
        chroma: the residual's colour on scales below a cheek's width (`losses.fine_chroma`).
        identity, expression: losses of `LossNetworks` on unpaired faces.
        leak: similarity of unpaired faces to the target's person (`losses.identity_leak`). Twice
            this weight costs light and expression.
        adversary: the discriminator's loss on unpaired faces.
    """

    reconstruction: float = 10.0
    gradient: float = 8.0
    covering: float = 6.0
    light: float = 11.0
    detail: float = 2.0
    chroma: float = 6.0
    identity: float = 4.0
    expression: float = 28.0
    leak: float = 3.5
    adversary: float = 0.7


#: Losses whose weight ramps up until `RAMP_END`: they have no useful gradient on the faces of an
#: untrained network.
RAMPED: Final = ("identity", "expression", "leak", "adversary")


class FusionTask(Generic[Net]):
    """Training of a fusion network on the samples of `SwapSampler`.

    The stages differ in `run`.

    Args:
        net: the network.
        train, val: aligned faces.
        networks: frozen networks for the losses of unpaired faces.
        view: side of the samples in pixels.
    """

    name: str
    odds = DEFAULT_ODDS
    weights = Weights()

    def __init__(
        self, net: Net, train: AlignedFaces, val: AlignedFaces, networks: LossNetworks, view: int
    ) -> None:
        self.net, self.networks = net, networks
        self.sampler = SwapSampler(train, networks.find_coverings(train), view, self.odds)
        self.adversary = Adversary()
        self.embeddings = networks.embed_faces(train)
        self.identities = networks.embed_faces(train, shipped=True)
        val_sampler = SwapSampler(val, networks.find_coverings(val), view, self.odds)
        samples = [val_sampler(np.random.default_rng((11, i))) for i in range(VAL_SAMPLES)]
        self.val_batch: Batch = {
            key: torch.from_numpy(np.stack([sample[key] for sample in samples]))
            for key in samples[0]
        }
        self.val_embeddings = networks.embed_faces(val)
        self.val_identities = networks.embed_faces(val, shipped=True)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return self.sampler(rng)

    def state(self) -> dict[str, Any]:
        return self.adversary.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.adversary.restore(state)

    def run(self, net: Net, images: dict[str, Tensor]) -> dict[str, Tensor]:
        """Adds `logits`, `mask`, `delta`, `fused` to the images of a batch."""
        raise NotImplementedError

    def run_batch(self, net: Net, batch: Batch, identities: Tensor) -> dict[str, Tensor]:
        """Runs the network on a batch.

        Args:
            net: the network.
            batch: samples of `SwapSampler`.
            identities: (N, 128) embedding of each face of the split.

        Returns:
            The images and masks of the batch, and what `run` adds: (B, C, view, view).
        """
        images = {
            key: batch[key].permute(0, 3, 1, 2).float() / 255
            for key in ("warped", "target", "truth")
        }
        images |= {key: batch[key][:, None] for key in ("face", "covered")}
        images = {
            key: value.contiguous(memory_format=torch.channels_last)
            for key, value in images.items()
        }
        return self.run(net, images | {"identity": identities[batch["source"][:, 0]]})

    def extra_loss(self, x: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Returns a further loss of a stage, with its figures."""
        return x["fused"].new_zeros(()), {}

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        # Noise as between embeddings of different photos of one person.
        identities = functional.normalize(
            self.identities + IDENTITY_NOISE * torch.randn_like(self.identities)
        )
        x = self.run_batch(self.net, batch, identities)
        network_losses, discriminator = self._network_losses(x, batch)
        losses = self._image_losses(x, batch["paired"].view(-1, 1, 1, 1)) | network_losses
        ramp = min(1.0, progress / RAMP_END)
        total = x["fused"].new_zeros(())
        for name, loss in losses.items():
            weight = getattr(self.weights, name) * (ramp if name in RAMPED else 1.0)
            total = total + weight * loss
        extra, extra_figures = self.extra_loss(x, batch)
        figures = {name: float(loss.detach()) for name, loss in losses.items()}
        return total + extra, figures | extra_figures | {"discriminator": discriminator}

    def _image_losses(self, x: dict[str, Tensor], paired: Tensor) -> dict[str, Tensor]:
        """Returns the losses that need no other network, by name."""
        face, covered, fused = x["face"], x["covered"], x["fused"]
        reconstructed = paired * (1 + (FACE_WEIGHT - 1) * face)
        # Unpaired samples: coverings stay the target's, the rest is the source's in the target's
        # light.
        transferred = (1 - paired) * face
        # On logits: the mask is nearly 1 almost everywhere, where a sigmoid's gradient vanishes.
        mask_error = functional.binary_cross_entropy_with_logits(
            x["logits"], 1 - covered, reduction="none"
        )
        masked = transferred + PAIRED_COVERING * paired * face
        return {
            "reconstruction": weighted_l1(fused, x["truth"], reconstructed),
            "gradient": gradient_l1(fused, x["truth"], reconstructed),
            "covering": (mask_error * masked).sum() / (masked.sum() + 1),
            "light": _light_error(fused, x["target"], transferred),
            "detail": gradient_l1(fused, x["warped"], transferred * (1 - covered), scales=1),
            "chroma": fine_chroma(x["delta"], face),
        }

    def _network_losses(
        self, x: dict[str, Tensor], batch: Batch
    ) -> tuple[dict[str, Tensor], float]:
        """Returns the losses by other networks on unpaired faces, by name.

        Trains the discriminator by one step, and returns its loss as well.
        """
        unpaired = torch.nonzero(batch["paired"][:, 0] == 0)[:, 0]
        if not len(unpaired):
            return dict.fromkeys(RAMPED, x["fused"].new_zeros(())), UNDECIDED
        fused, target, warped, face = (
            x[name][unpaired] for name in ("fused", "target", "warped", "face")
        )
        points = batch["points"][unpaired]
        source = self.embeddings[batch["source"][unpaired, 0]]
        no_glasses = batch["no_glasses"][unpaired, 0]
        found = self.networks.embed_images(fused, points, jitter=True)
        with torch.no_grad():
            plain = self.networks.embed_images(fuse(warped, target, face, 0.0), points)
            replaced = self.networks.embed_images(target, points)
        discriminator = self.adversary.train_step(x["truth"][unpaired], fused, face)
        # Only without glasses: they dominate the embedding, so the loss would transfer or remove
        # them.
        distance = (1 - (found * source).sum(1)) * no_glasses
        return {
            "identity": distance.sum() / no_glasses.sum().clamp(min=1),
            "expression": self.networks.expression_error(fused, target, points, jitter=True),
            "leak": identity_leak(found, plain, replaced, source, no_glasses),
            "adversary": self.adversary.generator_loss(fused, face),
        }, discriminator

    @torch.no_grad()
    def evaluate(self, net: Net) -> dict[str, float]:
        parts = [
            {key: value[i : i + VAL_BATCH] for key, value in self.val_batch.items()}
            for i in range(0, VAL_SAMPLES, VAL_BATCH)
        ]
        runs = [self.run_batch(net, part, self.val_identities) for part in parts]
        x = {key: torch.cat([run[key] for run in runs]) for key in runs[0]}
        is_paired = self.val_batch["paired"][:, 0] > 0
        paired = {key: value[is_paired] for key, value in x.items()}
        unpaired = {key: value[~is_paired] for key, value in x.items()}
        return {"val_psnr": _psnr(paired)} | self._unpaired_figures(unpaired, ~is_paired)

    def _unpaired_figures(self, x: dict[str, Tensor], unpaired: Tensor) -> dict[str, float]:
        """Returns the figures of the unpaired val samples `x`, which `unpaired` selects."""
        fused, target, face = x["fused"], x["target"], x["face"]
        points = self.val_batch["points"][unpaired]
        source = self.val_embeddings[self.val_batch["source"][unpaired, 0]]
        plain = fuse(x["warped"], target, face, 0.0)
        fused_identity, plain_identity = (
            float((self.networks.embed_images(images, points) * source).sum(1).mean())
            for images in (fused, plain)
        )
        mask_error = (x["mask"] - face * (1 - x["covered"])).abs() * face
        return {
            "val_id": fused_identity,
            "plain_warp_id": plain_identity,
            "val_expression": float(self.networks.expression_error(fused, target, points)),
            "plain_warp_expression": float(self.networks.expression_error(plain, target, points)),
            "val_cover_error": float(mask_error.sum() / face.sum()),
            "val_light": float(_light_error(fused, target, face)),
        }

    @torch.no_grad()
    def picture(self, net: Net) -> np.ndarray:
        """Shows warped source, target, mask, fused of 24 val samples; paired ones marked green."""
        batch = {key: value[:PICTURED] for key, value in self.val_batch.items()}
        x = self.run_batch(net, batch, self.val_identities)
        panels = (x["warped"], x["target"], x["mask"].expand(-1, 3, -1, -1), x["fused"])
        levels = torch.cat(panels, dim=3).clamp(0, 1).permute(0, 2, 3, 1).mul(255).round().byte()
        rows = [row.copy() for row in levels.numpy()]
        for row, paired in zip(rows, batch["paired"], strict=True):
            if paired:
                row[:5, :5] = (0, 255, 0)
        return tiled(rows, 3)


def _light_error(fused: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Returns the weighted difference in light, which is compared in `LIGHT_CELLS` cells a side."""
    cell = fused.shape[-1] // LIGHT_CELLS
    return weighted_l1(
        low_pass(fused, cell), low_pass(target, cell), functional.avg_pool2d(weight, cell)
    )


def _psnr(x: dict[str, Tensor]) -> float:
    """Returns the mean PSNR in dB of paired samples, within the face."""
    squares = (x["fused"] - x["truth"]) ** 2 * x["face"]
    error = squares.sum((1, 2, 3)) / (3 * x["face"].sum((1, 2, 3)))
    return float((-10 * torch.log10(error)).mean())
