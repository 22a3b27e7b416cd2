"""Trains EnhancementNet on the answers of a frozen coarse network."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.nets.coarse import CoarseFusionModel, fuse
from facefusion.nets.refine import EnhancementNet
from facefusion.training.data import AlignedFaces
from facefusion.training.fusing import FusionTask, Weights
from facefusion.training.judges import Judges

#: Side of the samples: the smaller of the two sizes at which the network serves; it is fully convolutional.
VIEW: Final = 256
#: Side of the crops that the samples are cut from.
REFINE_CROP: Final = 320
#: Images whose eyes are fewer pixels apart show nothing that 256 pixels need.
LEAST_EYE_DISTANCE: Final = 50.0
#: Light is settled by the coarse stage; what can be won here is the person and the expression.
WEIGHTS: Final = Weights(gradient=8.0, detail=4.0, smooth=0.5, identity=12.0, expression=45.0)


class RefineTask(FusionTask[EnhancementNet]):
    """The refine stage, at 256 pixels. Edges count more than in the coarse stage, the judges are the same."""

    name = "refine"

    def __init__(self, train: AlignedFaces, val: AlignedFaces, judges: Judges, coarse: Path) -> None:
        self.coarse = CoarseFusionModel()
        self.coarse.load_state_dict(load_file(coarse))
        self.coarse.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        super().__init__(EnhancementNet(), train, val, judges, VIEW, WEIGHTS)

    def run(self, net: EnhancementNet, images: dict[str, Tensor]) -> dict[str, Tensor]:
        small = [
            functional.interpolate(images[k], size=(COARSE_SIZE, COARSE_SIZE), mode="area")
            for k in ("warped", "target", "face")
        ]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=net.training):
            coarse_mask, coarse_delta = (x.float() for x in self.coarse(*small))
        up = [functional.interpolate(x, size=(VIEW, VIEW), mode="bilinear") for x in (coarse_mask, coarse_delta)]
        with torch.autocast("cpu", torch.bfloat16, enabled=net.training):
            logits, delta = net.logits(images["warped"], images["target"], images["face"], up[0], up[1])
        mask = torch.sigmoid(logits.float()) * images["face"]
        out = fuse(images["warped"], images["target"], mask, delta.float())
        return images | {"logits": logits.float(), "mask": mask, "delta": delta.float(), "out": out}
