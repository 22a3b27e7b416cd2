"""Trains CoarseFusionModel on reconstructions and on unpaired faces.

Unpaired faces are judged by identity, expression, light and coverings.
"""

from __future__ import annotations

import torch
from torch import Tensor

from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.nets.coarse import CoarseFusionModel, fuse
from facefusion.training.loss_networks import LossNetworks
from facefusion.training.samples.data import AlignedFaces
from facefusion.training.tasks.fusion import FusionTask


class CoarseTask(FusionTask[CoarseFusionModel]):
    """Training of the coarse network, at 128 pixels."""

    name = "coarse"
    view = COARSE_SIZE

    def __init__(
        self,
        train: AlignedFaces,
        val: AlignedFaces,
        networks: LossNetworks,
        net: CoarseFusionModel | None = None,
    ) -> None:
        super().__init__(net or CoarseFusionModel(), train, val, networks, self.view)

    def run(self, net: CoarseFusionModel, images: dict[str, Tensor]) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=net.training):
            answer = net.logits(
                *(images[name] for name in ("warped", "target", "face", "identity"))
            )
        logits, delta = (x.float() for x in answer)
        mask = torch.sigmoid(logits) * images["face"]
        fused = fuse(images["warped"], images["target"], mask, delta)
        return images | {"logits": logits, "mask": mask, "delta": delta, "fused": fused}
