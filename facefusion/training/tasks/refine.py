"""Trains EnhancementNet on a frozen coarse network, then both together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor

from facefusion.geometry.topology import eye_distance
from facefusion.nets.coarse import CoarseFusionModel, fuse
from facefusion.nets.refine import EnhancementNet, ProgressiveFusionNet
from facefusion.training.loop import Batch
from facefusion.training.loss_networks import LossNetworks
from facefusion.training.losses import coarse_distance
from facefusion.training.samples.data import AlignedFaces, FaceImage, align_faces, require_images
from facefusion.training.tasks.fusion import FusionTask

#: Side of the samples in pixels, the smallest at serving; the network is fully convolutional.
VIEW: Final = 256
#: Side in pixels of the crops that the samples are cut from.
REFINE_CROP: Final = 320
#: Least eye distance in pixels of the training images: smaller ones lack detail for 256 pixels.
LEAST_EYE_DISTANCE: Final = 50.0
#: Weight in joint training of the coarse result's distance from the averaged refined one, because
#: the fast tier shows the coarse result.
COARSE_DISTANCE: Final = 10.0


class ProgressiveTask(FusionTask[ProgressiveFusionNet]):
    """Training of the refine network, alone or with the coarse network, at 256 pixels.

    Args:
        net: coarse and refine network.
        train, val: aligned faces of REFINE_CROP pixels.
        networks: as in the coarse stage.
        frozen: whether the coarse network is not trained.
    """

    def __init__(
        self,
        net: ProgressiveFusionNet,
        train: AlignedFaces,
        val: AlignedFaces,
        networks: LossNetworks,
        *,
        frozen: bool,
    ) -> None:
        self.name = "refine" if frozen else "joint"
        self.frozen = frozen
        net.coarse.requires_grad_(not frozen)
        super().__init__(net, train, val, networks, VIEW)

    def run(self, net: ProgressiveFusionNet, images: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.frozen:
            net.coarse.eval()  # freezes its BatchNorm statistics as well
        with torch.autocast("cpu", torch.bfloat16, enabled=net.training):
            answer = net.logits(
                *(images[name] for name in ("warped", "target", "face", "identity"))
            )
        logits, delta, coarse_mask, coarse_delta = (x.float() for x in answer)
        mask = torch.sigmoid(logits) * images["face"]
        fused = fuse(images["warped"], images["target"], mask, delta)
        coarse = {"coarse_mask": coarse_mask, "coarse_delta": coarse_delta}
        return images | coarse | {"logits": logits, "mask": mask, "delta": delta, "fused": fused}

    def extra_loss(self, x: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        if self.frozen:
            return super().extra_loss(x, batch)
        distance = coarse_distance(x, x["fused"], x["coarse_mask"], x["coarse_delta"])
        return COARSE_DISTANCE * distance, {"coarse_distance": float(distance.detach())}


def align_large_faces(faces: Sequence[FaceImage]) -> AlignedFaces:
    """Aligns the faces that are large enough for these stages to crops of REFINE_CROP pixels.

    Raises:
        SystemExit: there is none.
    """
    large = [face for face in faces if eye_distance(face.mesh) >= LEAST_EYE_DISTANCE]
    what = f"images of each split with {LEAST_EYE_DISTANCE:.0f} pixels between the eyes"
    require_images("refine", len(large), what)
    return align_faces(large, REFINE_CROP)


def progressive(coarse: Path, refine: Path | None) -> ProgressiveFusionNet:
    """Loads both stages from safetensors files; without a file, the refine network is new."""
    net = ProgressiveFusionNet(CoarseFusionModel(), EnhancementNet())
    net.coarse.load_state_dict(load_file(coarse))
    if refine is not None:
        net.refine.load_state_dict(load_file(refine))
    return net
