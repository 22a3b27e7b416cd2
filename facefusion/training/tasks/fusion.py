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
from facefusion.training.judges import Judges
from facefusion.training.loop import Batch
from facefusion.training.losses import (
    fine_chroma,
    gradient_l1,
    identity_leak,
    low_pass,
    weighted_l1,
)
from facefusion.training.samples.data import AlignedFaces
from facefusion.training.samples.swaps import UNPAIRED, SwapSampler

Net = TypeVar("Net", bound=nn.Module)

#: Share of the training after which the judges' losses have their full weight.
JUDGED_FROM: Final = 0.08
#: Weight of coverings in paired samples, relative to unpaired ones.
PAIRED_COVERING: Final = 0.3
#: Weight of the face in the reconstruction, relative to its surroundings.
INSIDE: Final = 4.0
#: Cells a side in which light is compared; larger views are averaged in larger cells.
LIGHT_CELLS: Final = 16
VAL_SAMPLES: Final = 160
#: Hinge loss of an undecided discriminator.
IGNORANT: Final = 2.0
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
        identity, expression: the judges' losses on unpaired faces.
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


#: Losses whose weight ramps up until `JUDGED_FROM`: judges give no useful gradient on the faces of
#: an untrained network.
JUDGED: Final = ("identity", "expression", "leak", "adversary")


class FusionTask(Generic[Net]):
    """Training of a fusion network on the samples of `SwapSampler`.

    The stages differ in `run`.

    Args:
        net: the network.
        train, val: aligned faces.
        judges: the networks that judge unpaired faces.
        view: side of the samples in pixels.
    """

    name: str
    #: Share of unpaired samples, which put another person's face onto a target.
    unpaired = UNPAIRED
    weights = Weights()

    def __init__(
        self, net: Net, train: AlignedFaces, val: AlignedFaces, judges: Judges, view: int
    ) -> None:
        self.net, self.judges = net, judges
        self.sampler = SwapSampler(train, judges.worn(train), view, self.unpaired)
        self.adversary = Adversary()
        self.embeddings, self.identities = judges.embed(train), judges.embed(train, serving=True)
        sampler = SwapSampler(val, judges.worn(val), view, self.unpaired)
        samples = [sampler(np.random.default_rng((11, i))) for i in range(VAL_SAMPLES)]
        self.val_batch: Batch = {
            key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]
        }
        self.val_embeddings, self.val_identities = (
            judges.embed(val),
            judges.embed(val, serving=True),
        )

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return self.sampler(rng)

    def state(self) -> dict[str, Any]:
        return self.adversary.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.adversary.restore(state)

    def run(self, net: Net, images: dict[str, Tensor]) -> dict[str, Tensor]:
        """Adds `logits`, `mask`, `delta`, `out` to the images of a batch."""
        raise NotImplementedError

    def _run(self, net: Net, batch: Batch, identities: Tensor) -> dict[str, Tensor]:
        images = {
            k: batch[k].permute(0, 3, 1, 2).float() / 255 for k in ("warped", "target", "truth")
        }
        images |= {k: batch[k][:, None] for k in ("face", "covered")}
        images = {k: v.contiguous(memory_format=torch.channels_last) for k, v in images.items()}
        return self.run(net, images | {"identity": identities[batch["source"][:, 0]]})

    def beside(self, x: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Returns a further loss of a stage, with its figures."""
        return x["out"].new_zeros(()), {}

    @staticmethod
    def _light(out: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        cell = out.shape[-1] // LIGHT_CELLS
        return weighted_l1(
            low_pass(out, cell), low_pass(target, cell), functional.avg_pool2d(weight, cell)
        )

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        # Noise as between embeddings of different photos of one person.
        identities = functional.normalize(
            self.identities + IDENTITY_NOISE * torch.randn_like(self.identities)
        )
        x = self._run(self.net, batch, identities)
        judged, knows = self._judged(x, batch)
        losses = self._measured(x, batch["paired"].view(-1, 1, 1, 1)) | judged
        ramp, total = min(1.0, progress / JUDGED_FROM), x["out"].new_zeros(())
        for name, loss in losses.items():
            total = total + getattr(self.weights, name) * (ramp if name in JUDGED else 1.0) * loss
        further, more = self.beside(x, batch)
        figures = {name: float(loss.detach()) for name, loss in losses.items()}
        return total + further, figures | more | {"knows": knows}

    def _measured(self, x: dict[str, Tensor], paired: Tensor) -> dict[str, Tensor]:
        """Returns the losses that need no judge, by name."""
        face, covered, out = x["face"], x["covered"], x["out"]
        weight = paired * (1 + (INSIDE - 1) * face)
        # Unpaired samples: coverings stay the target's, the rest is the source's in the target's
        # light.
        free = (1 - paired) * face
        # On logits: the mask is nearly 1 almost everywhere, where a sigmoid's gradient vanishes.
        wrong = functional.binary_cross_entropy_with_logits(
            x["logits"], 1 - covered, reduction="none"
        )
        counted = free + PAIRED_COVERING * paired * face
        return {
            "reconstruction": weighted_l1(out, x["truth"], weight),
            "gradient": gradient_l1(out, x["truth"], weight),
            "covering": (wrong * counted).sum() / (counted.sum() + 1),
            "light": self._light(out, x["target"], free),
            "detail": gradient_l1(out, x["warped"], free * (1 - covered), scales=1),
            "chroma": fine_chroma(x["delta"], face),
        }

    def _judged(self, x: dict[str, Tensor], batch: Batch) -> tuple[dict[str, Tensor], float]:
        """Returns the judges' losses on unpaired faces by name, and the discriminator's loss."""
        who = torch.nonzero(batch["paired"][:, 0] == 0)[:, 0]
        if not len(who):
            return dict.fromkeys(JUDGED, x["out"].new_zeros(())), IGNORANT
        out, target, warped, face = (x[name][who] for name in ("out", "target", "warped", "face"))
        points, source = batch["points"][who], self.embeddings[batch["source"][who, 0]]
        bare = batch["bare"][who, 0]
        found = self.judges.recognise(out, points, jitter=True)
        with torch.no_grad():
            plain = self.judges.recognise(fuse(warped, target, face, 0.0), points)
            theirs = self.judges.recognise(target, points)
        knows = self.adversary.learn(x["truth"][who], out, face)
        # Only without glasses: they dominate the embedding, so the loss would transfer or remove
        # them.
        unlike = (1 - (found * source).sum(1)) * bare
        return {
            "identity": unlike.sum() / bare.sum().clamp(min=1),
            "expression": self.judges.expression_error(out, target, points, jitter=True),
            "leak": identity_leak(found, plain, theirs, source, bare),
            "adversary": self.adversary.disbelief(out, face),
        }, knows

    @torch.no_grad()
    def evaluate(self, net: Net) -> dict[str, float]:
        parts = [
            {k: v[i : i + 32] for k, v in self.val_batch.items()} for i in range(0, VAL_SAMPLES, 32)
        ]
        runs = [self._run(net, part, self.val_identities) for part in parts]
        x = {key: torch.cat([run[key] for run in runs]) for key in runs[0]}
        paired = self.val_batch["paired"][:, 0] > 0
        error = (
            ((x["out"] - x["truth"]) ** 2 * x["face"]).sum((1, 2, 3))
            / (3 * x["face"].sum((1, 2, 3)))
        )[paired]
        who = ~paired
        points, target = self.val_batch["points"][who], x["target"][who]
        truth = self.val_embeddings[self.val_batch["source"][who, 0]]
        plain = fuse(x["warped"], x["target"], x["face"], 0.0)[who]
        seen = (self.judges.recognise(images, points) for images in (x["out"][who], plain))
        like = [(embeddings * truth).sum(1).mean() for embeddings in seen]
        wrong = ((x["mask"] - x["face"] * (1 - x["covered"])).abs() * x["face"])[who].sum() / x[
            "face"
        ][who].sum()
        return {
            "val_psnr": float((-10 * torch.log10(error)).mean()),
            "val_id": float(like[0]),
            "plain_warp_id": float(like[1]),
            "val_expression": float(self.judges.expression_error(x["out"][who], target, points)),
            "plain_warp_expression": float(self.judges.expression_error(plain, target, points)),
            "val_cover_error": float(wrong),
            "val_light": float(self._light(x["out"][who], target, x["face"][who])),
        }

    @torch.no_grad()
    def picture(self, net: Net) -> np.ndarray:
        """Shows warped source, target, mask, fused of 24 val samples; paired ones marked green."""
        x = self._run(net, {k: v[:24] for k, v in self.val_batch.items()}, self.val_identities)
        rows = []
        for i in range(len(x["out"])):
            panels = (x["warped"][i], x["target"][i], x["mask"][i].expand(3, -1, -1), x["out"][i])
            row = (
                torch.cat([*panels], dim=2)
                .clamp(0, 1)
                .permute(1, 2, 0)
                .mul(255)
                .round()
                .byte()
                .numpy()
                .copy()
            )
            if self.val_batch["paired"][i]:
                row[:5, :5] = (0, 255, 0)
            rows.append(row)
        high = -(-len(rows) // 3)
        rows += [np.zeros_like(rows[0])] * (3 * high - len(rows))
        return np.concatenate(
            [np.concatenate(rows[c * high : (c + 1) * high], 0) for c in range(3)], 1
        )
