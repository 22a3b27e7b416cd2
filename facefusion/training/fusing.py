"""What coarse and refine training share: samples, losses by name, figures on the val split, a picture of the state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.training.adversary import Adversary
from facefusion.training.data import AlignedFaces
from facefusion.training.judges import Judges
from facefusion.training.loop import Batch
from facefusion.training.losses import gradient_l1, low_pass, weighted_l1
from facefusion.training.swaps import UNPAIRED, SwapSampler

Net = TypeVar("Net", bound=nn.Module)

#: Share of the training after which the judges have their full weight.
JUDGED_FROM: Final = 0.08
#: Weight of coverings in paired samples against unpaired ones.
PAIRED_COVERING: Final = 0.3
#: Weight of the face against its surroundings in the reconstruction.
INSIDE: Final = 4.0
#: Side at which light is compared; larger views are averaged down in larger cells.
LIGHT_CELLS: Final = 16
VAL_SAMPLES: Final = 160
#: Deviation of each of an embedding's 128 numbers, which are about 0.09 themselves.
IDENTITY_NOISE: Final = 0.03


@dataclass(frozen=True)
class Weights:
    """Weights of the losses.

    Attributes:
        reconstruction, gradient: undone swaps, pixels and edges.
        covering: the mask where something covers either face.
        light: the target's light on unpaired faces.
        detail: the warped source's edges on unpaired faces.
        smooth: edges of the residual.
        colour: colour of the residual: the source was relit before.
        identity, expression: what the judges say of unpaired faces. Twice this weight on identity gained 0.02 of similarity,
            and painted noses and cheeks to please the judge.
        adversary: what the discriminator says of them.
    """

    reconstruction: float = 10.0
    gradient: float = 6.0
    covering: float = 6.0
    light: float = 12.0
    detail: float = 3.0
    smooth: float = 3.0
    colour: float = 2.0
    identity: float = 4.0
    expression: float = 24.0
    adversary: float = 0.5


class FusionTask(Generic[Net]):
    """Training of a fusion network on the samples of `SwapSampler`; `run` is what the stages differ in.

    Args:
        net: the network.
        train, val: aligned faces.
        judges: who judges.
        view: side of the samples.
        weights: of the losses.
    """

    name: str
    #: Share of the samples that put another person's face onto a target.
    unpaired = UNPAIRED

    def __init__(
        self, net: Net, train: AlignedFaces, val: AlignedFaces, judges: Judges, view: int, weights: Weights
    ) -> None:
        self.net, self.judges, self.weights = net, judges, weights
        self.sampler = SwapSampler(train, judges.worn(train), view, self.unpaired)
        self.adversary = Adversary()
        self.embeddings, self.identities = judges.embed(train), judges.embed(train, serving=True)
        sampler = SwapSampler(val, judges.worn(val), view, self.unpaired)
        samples = [sampler(np.random.default_rng((11, i))) for i in range(VAL_SAMPLES)]
        self.val_batch: Batch = {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}
        self.val_embeddings, self.val_identities = judges.embed(val), judges.embed(val, serving=True)

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
        images = {k: batch[k].permute(0, 3, 1, 2).float() / 255 for k in ("warped", "target", "truth")}
        images |= {k: batch[k][:, None] for k in ("face", "covered")}
        images = {k: v.contiguous(memory_format=torch.channels_last) for k, v in images.items()}
        return self.run(net, images | {"identity": identities[batch["source"][:, 0]]})

    def beside(self, x: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """A further loss of a stage, with its figures."""
        return x["out"].new_zeros(()), {}

    @staticmethod
    def _light(out: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        cell = out.shape[-1] // LIGHT_CELLS
        return weighted_l1(low_pass(out, cell), low_pass(target, cell), functional.avg_pool2d(weight, cell))

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        # Another photo of the same person would have another embedding.
        identities = functional.normalize(self.identities + IDENTITY_NOISE * torch.randn_like(self.identities))
        x = self._run(self.net, batch, identities)
        paired = batch["paired"].view(-1, 1, 1, 1)
        face, covered, out = x["face"], x["covered"], x["out"]
        weight = paired * (1 + (INSIDE - 1) * face)
        reconstruction = weighted_l1(out, x["truth"], weight)
        gradient = gradient_l1(out, x["truth"], weight)
        # Unpaired: what covers either face is the target's, the rest is the source's, in the target's light.
        free = (1 - paired) * face
        # On the logits: the mask is nearly 1 almost everywhere, and its sigmoid would let no gradient through where it errs.
        wrong = functional.binary_cross_entropy_with_logits(x["logits"], 1 - covered, reduction="none")
        counted = free + PAIRED_COVERING * paired * face
        kept = (wrong * counted).sum() / (counted.sum() + 1)
        tone = self._light(out, x["target"], free)
        detail = gradient_l1(out, x["warped"], free * (1 - covered), scales=1)
        smooth = gradient_l1(x["delta"], torch.zeros_like(out), face, scales=1)
        tint = x["delta"] - x["delta"].mean(1, keepdim=True)
        colour = (tint.abs() * face).sum() / (3 * face.sum() + 1)
        who = torch.nonzero(batch["paired"][:, 0] == 0)[:, 0]
        similarity, expression, disbelief, knows = out.new_ones(()), out.new_zeros(()), out.new_zeros(()), 2.0
        if len(who):
            knows = self.adversary.learn(x["truth"][who], out[who], face[who])
            disbelief = self.adversary.disbelief(out[who], face[who])
            truth, points = self.embeddings[batch["source"][who, 0]], batch["points"][who]
            # Who wears glasses is recognised by them: they would be carried over, or taken away, to please the judge.
            bare = batch["bare"][who, 0]
            similarities = self.judges.similarity(out[who], points, truth, jitter=True)
            similarity = (similarities * bare).sum() / bare.sum().clamp(min=1) + (1 - bare.max())
            expression = self.judges.expression_error(out[who], x["target"][who], points, jitter=True)
        ramp, w = min(1.0, progress / JUDGED_FROM), self.weights
        total = (
            w.reconstruction * reconstruction + w.gradient * gradient + w.covering * kept + w.light * tone
            + w.detail * detail + w.smooth * smooth + w.colour * colour
            + ramp * (w.identity * (1 - similarity) + w.expression * expression + w.adversary * disbelief)
        )  # fmt: skip
        further, more = self.beside(x, batch)
        figures = {
            "l1": reconstruction, "grad": gradient, "cover": kept, "light": tone, "detail": detail, "colour": colour,
            "id": similarity, "expr": expression, "adv": disbelief,
        }  # fmt: skip
        known = {key: float(value.detach()) for key, value in figures.items()}
        return total + further, known | more | {"knows": knows}

    @torch.no_grad()
    def evaluate(self, net: Net) -> dict[str, float]:
        parts = [{k: v[i : i + 32] for k, v in self.val_batch.items()} for i in range(0, VAL_SAMPLES, 32)]
        runs = [self._run(net, part, self.val_identities) for part in parts]
        x = {key: torch.cat([run[key] for run in runs]) for key in runs[0]}
        paired = self.val_batch["paired"][:, 0] > 0
        error = (((x["out"] - x["truth"]) ** 2 * x["face"]).sum((1, 2, 3)) / (3 * x["face"].sum((1, 2, 3))))[paired]
        who = ~paired
        points, target = self.val_batch["points"][who], x["target"][who]
        truth = self.val_embeddings[self.val_batch["source"][who, 0]]
        plain = (x["target"] + x["face"] * (x["warped"] - x["target"]))[who]
        wrong = ((x["mask"] - x["face"] * (1 - x["covered"])).abs() * x["face"])[who].sum() / x["face"][who].sum()
        return {
            "val_psnr": float((-10 * torch.log10(error)).mean()),
            "val_id": float(self.judges.similarity(x["out"][who], points, truth).mean()),
            "plain_warp_id": float(self.judges.similarity(plain, points, truth).mean()),
            "val_expression": float(self.judges.expression_error(x["out"][who], target, points)),
            "plain_warp_expression": float(self.judges.expression_error(plain, target, points)),
            "val_cover_error": float(wrong),
            "val_light": float(self._light(x["out"][who], target, x["face"][who])),
        }

    @torch.no_grad()
    def picture(self, net: Net) -> np.ndarray:
        """Warped, target, mask, fused for 24 val samples; a green corner marks the paired ones."""
        x = self._run(net, {k: v[:24] for k, v in self.val_batch.items()}, self.val_identities)
        rows = []
        for i in range(len(x["out"])):
            panels = (x["warped"][i], x["target"][i], x["mask"][i].expand(3, -1, -1), x["out"][i])
            row = torch.cat([*panels], dim=2).clamp(0, 1).permute(1, 2, 0).mul(255).round().byte().numpy().copy()
            if self.val_batch["paired"][i]:
                row[:5, :5] = (0, 255, 0)
            rows.append(row)
        high = -(-len(rows) // 3)
        rows += [np.zeros_like(rows[0])] * (3 * high - len(rows))
        return np.concatenate([np.concatenate(rows[c * high : (c + 1) * high], 0) for c in range(3)], 1)
