"""Trains CoarseFusionModel: undoing swaps, with identity, light and coverings judged on unpaired faces."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from facefusion.geometry.align import ARCFACE_TEMPLATE
from facefusion.nets.coarse import CoarseFusionModel, fuse
from facefusion.nets.identity import IdentityNet
from facefusion.training.data import AlignedFaces
from facefusion.training.identity import arcface_crop
from facefusion.training.loop import Batch, to_input
from facefusion.training.losses import arcface_crops, gradient_l1, low_pass, weighted_l1
from facefusion.training.swaps import SwapSampler

#: Weights of the losses. Reconstruction counts most; the identity loss is small because it is blind to seams.
RECONSTRUCTION: Final = 10.0
GRADIENT: Final = 6.0
IDENTITY: Final = 5.0
COVERING: Final = 1.0
LIGHT: Final = 6.0
DETAIL: Final = 4.0
SMOOTH: Final = 1.0
#: Share of the training after which the identity loss has its full weight.
IDENTITY_FROM: Final = 0.08
#: Weight of coverings in paired samples against unpaired ones.
PAIRED_COVERING: Final = 0.3
#: Weight of the face against its surroundings in the reconstruction.
INSIDE: Final = 4.0


class CoarseTask:
    """Samples of `SwapSampler`; the identity loss looks through our own IdentityNet, never through the judge."""

    name = "coarse"

    def __init__(self, train: AlignedFaces, val: AlignedFaces, identity: Path) -> None:
        self.net = CoarseFusionModel()
        self.identity = IdentityNet()
        self.identity.load_state_dict(load_file(identity))
        self.identity.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        self.template = torch.from_numpy(ARCFACE_TEMPLATE)
        self.sampler = SwapSampler(train)
        self.embeddings = self._embed(train)
        self.val_batch, self.val_embeddings = self._val(val)

    @torch.no_grad()
    def _embed(self, faces: AlignedFaces) -> Tensor:
        crops = np.stack([arcface_crop(c, m) for c, m in zip(faces.crops, faces.meshes, strict=True)])
        parts = [self.identity(to_input(torch.from_numpy(crops[i : i + 64]))) for i in range(0, len(crops), 64)]
        return functional.normalize(torch.cat(parts))

    def _val(self, val: AlignedFaces) -> tuple[Batch, Tensor]:
        sampler = SwapSampler(val)
        samples = [sampler(np.random.default_rng((11, i))) for i in range(160)]
        batch = {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}
        return batch, self._embed(val)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return self.sampler(rng)

    def _run(self, net: CoarseFusionModel, batch: Batch) -> dict[str, Tensor]:
        images = {k: batch[k].permute(0, 3, 1, 2).float() / 255 for k in ("warped", "target", "truth")}
        images |= {k: batch[k][:, None] for k in ("face", "covered")}
        images = {k: v.contiguous(memory_format=torch.channels_last) for k, v in images.items()}
        logits, delta = net.logits(images["warped"], images["target"], images["face"])
        mask = torch.sigmoid(logits) * images["face"]
        out = fuse(images["warped"], images["target"], mask, delta)
        return images | {"logits": logits, "mask": mask, "delta": delta, "out": out}

    def _cosine(self, out: Tensor, points: Tensor, truth: Tensor) -> Tensor:
        crops = arcface_crops(out, points, self.template)
        found = functional.normalize(self.identity((crops * 2 - 1).contiguous(memory_format=torch.channels_last)))
        return (found * truth).sum(1)

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        x = self._run(self.net, batch)
        paired = batch["paired"].view(-1, 1, 1, 1)
        face, covered, out = x["face"], x["covered"], x["out"]
        weight = paired * (1 + (INSIDE - 1) * face)
        reconstruction = weighted_l1(out, x["truth"], weight)
        gradient = gradient_l1(out, x["truth"], weight)
        # Unpaired: what covers either face is the target's, the rest is the source's, in the target's light.
        free = (1 - paired) * face
        bare = free * (1 - covered)
        # On the logits: the mask is nearly 1 almost everywhere, and its sigmoid would let no gradient through where it errs.
        wrong = functional.binary_cross_entropy_with_logits(x["logits"], 1 - covered, reduction="none")
        kept = (wrong * (free + PAIRED_COVERING * paired * face)).sum() / (free.sum() + 1)
        tone = weighted_l1(low_pass(out), low_pass(x["target"]), functional.avg_pool2d(free, 8))
        detail = gradient_l1(out, x["warped"], bare, scales=2)
        smooth = gradient_l1(x["delta"], torch.zeros_like(out), face, scales=1)
        who = torch.nonzero(batch["paired"][:, 0] == 0)[:, 0]
        similarity = out.new_ones(())
        if len(who):
            truth = self.embeddings[batch["source"][who, 0]]
            similarity = self._cosine(out[who], batch["points"][who], truth).mean()
        ramp = min(1.0, progress / IDENTITY_FROM)
        total = (
            RECONSTRUCTION * reconstruction + GRADIENT * gradient + COVERING * kept + LIGHT * tone + DETAIL * detail
            + SMOOTH * smooth + IDENTITY * ramp * (1 - similarity)
        )  # fmt: skip
        figures = {"l1": reconstruction, "grad": gradient, "cover": kept, "light": tone, "detail": detail, "id": similarity}
        return total, {key: float(value.detach()) for key, value in figures.items()}

    @torch.no_grad()
    def evaluate(self, net: CoarseFusionModel) -> dict[str, float]:
        parts = [{k: v[i : i + 32] for k, v in self.val_batch.items()} for i in range(0, len(self.val_batch["face"]), 32)]
        runs = [self._run(net, part) for part in parts]
        x = {key: torch.cat([run[key] for run in runs]) for key in runs[0]}
        paired = self.val_batch["paired"][:, 0] > 0
        error = (((x["out"] - x["truth"]) ** 2 * x["face"]).sum((1, 2, 3)) / (3 * x["face"].sum((1, 2, 3))))[paired]
        who = ~paired
        points = self.val_batch["points"][who]
        truth = self.val_embeddings[self.val_batch["source"][who, 0]]
        plain = x["target"] + x["face"] * (x["warped"] - x["target"])
        wrong = ((x["mask"] - x["face"] * (1 - x["covered"])).abs() * x["face"])[who].sum() / x["face"][who].sum()
        tone = weighted_l1(low_pass(x["out"][who]), low_pass(x["target"][who]), functional.avg_pool2d(x["face"][who], 8))
        return {
            "val_psnr": float((-10 * torch.log10(error)).mean()),
            "val_id": float(self._cosine(x["out"][who], points, truth).mean()),
            "plain_warp_id": float(self._cosine(plain[who], points, truth).mean()),
            "val_cover_error": float(wrong),
            "val_light": float(tone),
        }

    @torch.no_grad()
    def picture(self, net: CoarseFusionModel) -> np.ndarray:
        """Warped, target, mask, fused for 24 val samples; a green corner marks the paired ones."""
        x = self._run(net, {k: v[:24] for k, v in self.val_batch.items()})
        rows = []
        for i in range(24):
            panels = (x["warped"][i], x["target"][i], x["mask"][i].expand(3, -1, -1), x["out"][i])
            row = torch.cat([*panels], dim=2).clamp(0, 1).permute(1, 2, 0).mul(255).round().byte().numpy().copy()
            if self.val_batch["paired"][i]:
                row[:5, :5] = (0, 255, 0)
            rows.append(row)
        return np.concatenate([np.concatenate(rows[c * 8 : c * 8 + 8], 0) for c in range(3)], 1)
