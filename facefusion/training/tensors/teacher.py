"""Runs a convolutional ONNX network in torch, so that losses can be differentiated through it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Mean and standard deviation of RGB in [0, 1] that MobileFaceNet expects.
MEAN: Final = (0.485, 0.456, 0.406)
DEVIATION: Final = (0.229, 0.224, 0.225)

Step = dict[str, Any]


class Program(nn.Module):
    """A network of Conv, Clip to [0, 6], Relu, Add and a last Reshape, as MobileFaceNet's.

    Input: (N, 3, 112, 112) RGB in [-1, 1]. Output: (N, 128), not normalised.

    Args:
        steps: each with `op`, names of its `inputs` and of its `output`, and settings.
        weights: tensors that the steps name.
    """

    def __init__(self, steps: list[Step], weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.steps = steps
        self._names = {name: f"weight_{number}" for number, name in enumerate(weights)}
        for name, buffer in self._names.items():
            self.register_buffer(buffer, weights[name])
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1))

    def _weight(self, name: str) -> Tensor:
        weight: Tensor = getattr(self, self._names[name])
        return weight

    def forward(self, images: Tensor) -> Tensor:
        values = {"": ((images + 1) / 2 - self.mean) / self.deviation}
        x = values[""]
        for step in self.steps:
            inputs = step["inputs"]
            own = values[inputs[0]]
            if step["op"] == "Conv":
                bias = self._weight(inputs[2]) if len(inputs) > 2 else None
                x = functional.conv2d(
                    own,
                    self._weight(inputs[1]),
                    bias,
                    step["stride"],
                    step["padding"],
                    groups=step["groups"],
                )
            elif step["op"] == "Add":
                x = own + values[inputs[1]]
            else:
                x = functional.relu6(own) if step["op"] == "Clip" else functional.relu(own)
            values[step["output"]] = x
        return x.flatten(1)

    def save(self, path: Path) -> None:
        """Writes the program to a file for `load`."""
        weights = {name: self._weight(name).cpu() for name in self._names}
        torch.save({"steps": self.steps, "weights": weights}, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a program that `save` wrote."""
        return cls(**torch.load(path, map_location="cpu", weights_only=True))

    @classmethod
    def from_onnx(cls, path: Path) -> Self:
        """Reads an ONNX file.

        Raises:
            SystemExit: the network has other operations.
        """
        import onnx

        graph = onnx.load(str(path)).graph
        weights = {
            each.name: torch.from_numpy(onnx.numpy_helper.to_array(each).copy())
            for each in graph.initializer
        }
        names = {graph.input[0].name: ""}
        steps: list[Step] = []
        for node in graph.node:
            if node.op_type in ("Constant", "Reshape"):
                continue
            if node.op_type not in ("Conv", "Clip", "Relu", "Add"):
                raise SystemExit(f"{path.name}: no such operation here: {node.op_type}")
            settings = {each.name: list(each.ints) or each.i for each in node.attribute}
            step: Step = {"op": node.op_type, "output": node.output[0]}
            count = {"Conv": 3, "Add": 2}.get(node.op_type, 1)
            step["inputs"] = [names.get(name, name) for name in node.input[:count]]
            if node.op_type == "Conv":
                step["stride"] = settings["strides"][0]
                step["padding"] = settings["pads"][0]
                step["groups"] = settings["group"]
            steps.append(step)
        used = {name for step in steps for name in step["inputs"]}
        return cls(steps, {name: value for name, value in weights.items() if name in used})


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `python -m facefusion.training teacher`, with the process's arguments by default."""
    parser = argparse.ArgumentParser(prog="python -m facefusion.training teacher")
    parser.description = "Converts MobileFaceNet from ONNX for the training of fusion networks."
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    Program.from_onnx(args.onnx).save(args.out)
    return 0
