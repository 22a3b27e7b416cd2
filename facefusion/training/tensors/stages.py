"""Runs the fusion networks of each stage on a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.refine import EnhancementNet, ProgressiveFusionNet
from facefusion.training.losses import coarse_distance
from facefusion.training.tensors.objective import fused_images
from facefusion.training.tensors.scenes import Batch


@dataclass(frozen=True)
class Nets:
    """Makes new networks: those that ship, or other designs for studies."""

    coarse: Callable[[], CoarseFusionModel] = CoarseFusionModel
    refine: Callable[[], EnhancementNet] = EnhancementNet


SHIPPED: Final = Nets()


class FusionStage(nn.Module):
    """The coarse network alone, or both, of which the coarse one may be frozen.

    Args:
        name: "coarse", "refine" or "joint".
        nets: the networks' designs.
    """

    def __init__(self, name: str, nets: Nets = SHIPPED) -> None:
        super().__init__()
        self.name = name
        coarse = nets.coarse()
        if name == "coarse":
            self.net: nn.Module = coarse
        else:
            self.net = ProgressiveFusionNet(coarse, nets.refine())
            coarse.requires_grad_(name == "joint")

    def parts(self) -> dict[str, nn.Module]:
        """Returns the networks by name."""
        net: Any = self.net
        return (
            {"coarse": net}
            if self.name == "coarse"
            else {"coarse": net.coarse, "refine": net.refine}
        )

    def trained_parts(self) -> tuple[str, ...]:
        """Returns the names of the networks that are trained."""
        return ("coarse", "refine") if self.name == "joint" else (self.name,)

    def train(self, mode: bool = True) -> FusionStage:
        super().train(mode)
        if self.name == "refine":
            self.parts()["coarse"].eval()  # freezes its BatchNorm statistics as well
        return self

    def load(self, folder: Path, *, new: bool = False) -> None:
        """Loads the networks whose files are in a folder; others stay new.

        Args:
            folder: the folder.
            new: whether the trained ones stay new, too.

        Raises:
            SystemExit: there is no file of the frozen network.
        """
        for name, net in self.parts().items():
            file = folder / f"{name}.safetensors"
            if new and name in self.trained_parts():
                continue
            if file.is_file():
                net.load_state_dict(load_file(file))
            elif name not in self.trained_parts():
                raise SystemExit(f"there is no {file}. Please train {name} first.")

    def save(self, folder: Path) -> None:
        """Writes the trained networks to a folder."""
        for name in self.trained_parts():
            weights = self.parts()[name].state_dict()
            save_file(
                {key: value.contiguous().cpu() for key, value in weights.items()},
                folder / f"{name}.safetensors",
            )

    def forward(self, batch: Batch, identity: Tensor) -> dict[str, Tensor]:
        """Fuses a batch.

        Returns:
            As of `fused_images`; with both networks also `agreement`, the distance of the coarse
            answer from the refined one.
        """
        inputs = [
            batch[name].contiguous(memory_format=torch.channels_last)
            for name in ("warped", "target", "face")
        ]
        net: Any = self.net
        device = inputs[0].device.type
        # In bfloat16 the depthwise convolutions of the coarse network are slower on a GPU.
        mixed = self.training and (device == "cpu" or self.name != "coarse")
        with torch.autocast(device, torch.bfloat16, enabled=mixed, cache_enabled=False):
            logits, delta, *coarse = net.logits(*inputs, identity)
        answer = fused_images(batch, logits, delta)
        if coarse:
            answer["agreement"] = coarse_distance(
                batch, answer["fused"], *(each.float() for each in coarse)
            )
        return answer
