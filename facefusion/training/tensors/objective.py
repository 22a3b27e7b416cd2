"""Losses of the fusion networks on a batch of `TensorSampler`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import torch
from torch import Tensor
from torch.nn import functional

from facefusion.nets.coarse import fuse
from facefusion.training.losses import fine_chroma, gradient_l1, identity_leak, weighted_l1
from facefusion.training.tensors.discriminators import Discriminators
from facefusion.training.tensors.filters import gaussian_blur
from facefusion.training.tensors.loss_networks import LossNetworks
from facefusion.training.tensors.scenes import Batch

#: Weight of coverings in paired samples, relative to unpaired ones.
PAIRED_COVERING: Final = 0.3
#: Weight of the face in the reconstruction, relative to its surroundings.
FACE_WEIGHT: Final = 4.0
#: Cells a side in which light is compared.
LIGHT_CELLS: Final = 16
#: Standard deviation of the blur in which stains are seen, as a share of the side: an eye's width
#: of a face that takes 60 % of it.
STAIN_SCALE: Final = 0.024
#: Standard deviation below which edges are detail, as a share of the side.
DETAIL_SCALE: Final = 1.5 / 128


@dataclass(frozen=True)
class Weights:
    """Weights of the losses, by their names in the log.

    Attributes:
        reconstruction, gradient, features: pixels, edges, and features of EfficientNet-Lite0 of
            paired samples.
        covering: the mask where coverings lie over either face.
        light: the target's light on unpaired faces.
        stain: squared difference from the target's skin, averaged over an eye's width.
        detail: the warped source's edges on unpaired faces.
        chroma: the residual's colour on scales below a cheek's width.
        identity, expression, leak: losses by `LossNetworks` on unpaired faces.
        projected, patch: losses by the discriminators; without weight, there is no projected one.
        agreement: the coarse answer's distance from the refined one, in joint training.
    """

    reconstruction: float = 10.0
    gradient: float = 8.0
    features: float = 1.5
    covering: float = 6.0
    light: float = 9.0
    stain: float = 25.0
    detail: float = 2.0
    chroma: float = 6.0
    identity: float = 4.0
    expression: float = 34.0
    leak: float = 3.5
    projected: float = 0.6
    patch: float = 0.2
    agreement: float = 10.0

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Returns the default weights with those of a text "name=value,..." changed."""
        pairs = [each.split("=") for each in text.split(",") if each]
        return replace(cls(), **{name: float(value) for name, value in pairs})


def fused_images(batch: Batch, logits: Tensor, delta: Tensor) -> dict[str, Tensor]:
    """Returns `logits`, `delta`, the mask and the fused crops of a network's answer."""
    logits, delta = logits.float(), delta.float()
    mask = torch.sigmoid(logits) * batch["face"]
    fused = fuse(batch["warped"], batch["target"], mask, delta)
    return {"logits": logits, "delta": delta, "mask": mask, "fused": fused}


class Objective:
    """The losses.

    Args:
        networks: frozen networks.
        people: embeddings of the training faces by each judge.
        weights: weights of the losses.
    """

    def __init__(self, networks: LossNetworks, people: list[Tensor], weights: Weights) -> None:
        self.networks, self.people, self.weights = networks, people, weights

    def losses(
        self, batch: Batch, answer: dict[str, Tensor], discriminators: Discriminators
    ) -> dict[str, Tensor]:
        """Returns the losses by name, not weighted."""
        half = len(batch["target"]) // 2
        return (
            self._paired(batch, answer, half)
            | self._unpaired(batch, answer, half)
            | self._judged(batch, answer["fused"], half)
            | self._discriminated(batch, answer["fused"], discriminators)
        )

    def total(self, losses: dict[str, Tensor], ramp: Tensor) -> Tensor:
        """Returns the weighted sum; discriminators count by `ramp`, in [0, 1]."""
        weighted = [
            getattr(self.weights, name) * loss * (ramp if name in ("projected", "patch") else 1.0)
            for name, loss in losses.items()
        ]
        return torch.stack(weighted).sum()

    def _paired(self, batch: Batch, answer: dict[str, Tensor], half: int) -> dict[str, Tensor]:
        fused, truth, face = (
            each[:half] for each in (answer["fused"], batch["truth"], batch["face"])
        )
        weight = 1 + (FACE_WEIGHT - 1) * face
        losses = {
            "reconstruction": weighted_l1(fused, truth, weight),
            "gradient": gradient_l1(fused, truth, weight),
        }
        lite0 = self.networks.lite0
        if lite0 is not None:
            with torch.autocast(fused.device.type, enabled=False):
                losses["features"] = self.networks.feature_loss(lite0, fused, truth)
        return losses

    def _unpaired(self, batch: Batch, answer: dict[str, Tensor], half: int) -> dict[str, Tensor]:
        fused, target, warped, face, covered, skin = (
            each[half:]
            for each in (
                answer["fused"],
                batch["target"],
                batch["warped"],
                batch["face"],
                batch["covered"],
                batch["skin"],
            )
        )
        side = fused.shape[-1]
        # On logits: the mask is nearly 1 almost everywhere, where a sigmoid's gradient vanishes.
        wrong = functional.binary_cross_entropy_with_logits(
            answer["logits"], 1 - batch["covered"], reduction="none"
        )
        counted = torch.cat([PAIRED_COVERING * batch["face"][:half], face])
        difference = fused - target
        cell = side // LIGHT_CELLS
        light = functional.avg_pool2d(difference, cell)
        light = functional.avg_pool2d(light, 3, 1, 1, count_include_pad=False).abs()
        lit = functional.avg_pool2d(face, cell)
        clear = skin * (1 - covered)
        stains = gaussian_blur(torch.cat([difference * clear, clear], 1), STAIN_SCALE * side)
        stains = stains[:, :3] / stains[:, 3:].clamp(min=0.05)
        sharp = fused - warped
        sharp = sharp - gaussian_blur(sharp, DETAIL_SCALE * side)
        return {
            "covering": (wrong * counted).sum() / (counted.sum() + 1),
            "light": _mean(light, lit),
            "stain": _mean(stains**2, clear),
            "detail": _mean(sharp.abs(), face * (1 - covered)),
            "chroma": fine_chroma(answer["delta"], batch["face"]),
        }

    def _judged(self, batch: Batch, fused: Tensor, half: int) -> dict[str, Tensor]:
        """Returns the losses by identity and expression of unpaired faces."""
        fused, target, warped, face, points = (
            each[half:]
            for each in (fused, batch["target"], batch["warped"], batch["face"], batch["points"])
        )
        source, no_glasses = batch["source"][half:], batch["no_glasses"][half:]
        found = self.networks.embed(fused, points, jitter=True)
        with torch.no_grad():
            plain = self.networks.embed(fuse(warped, target, face, 0.0), points)
            replaced = self.networks.embed(target, points)
        identity, leak = [], []
        for own, before, old, people in zip(found, plain, replaced, self.people, strict=True):
            wanted = people.index_select(0, source)
            # Only without glasses: they dominate the embedding, so the loss would transfer or
            # remove them.
            distance = (1 - (own * wanted).sum(1)) * no_glasses
            identity.append(distance.sum() / no_glasses.sum().clamp(min=1))
            leak.append(identity_leak(own, before, old, wanted, no_glasses))
        return {
            "identity": torch.stack(identity).mean(),
            "leak": torch.stack(leak).mean(),
            "expression": self.networks.expression_error(fused, target, points, jitter=True),
        }

    def _discriminated(
        self, batch: Batch, fused: Tensor, discriminators: Discriminators
    ) -> dict[str, Tensor]:
        with self.networks.autocast():
            return discriminators.generator_losses(fused, batch["face"])


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Returns the weighted mean of values (N, 3, H, W) by weights (N, 1, H, W)."""
    return (values * weight).sum() / (3 * weight.sum()).clamp(min=1)
