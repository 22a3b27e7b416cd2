"""Exports trained networks: ONNX and its manifest to `weights/`, safetensors to `checkpoints/`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from facefusion.export import manifest
from facefusion.models.networks import NETWORKS, NetworkSpec, sizes

OPSET: Final = 18
LICENCE: Final = "Apache-2.0"
#: Least number of values of a weight tensor that is stored in 16 bits; smaller ones save nothing.
SMALLEST_HALF: Final = 256


@dataclass(frozen=True)
class Contract:
    """Interface of a network as the export writes it.

    Attributes:
        inputs: shapes of the example that is traced, by name.
        outputs: names.
        dynamic: names of the sizes that vary, by tensor and axis; None if all are fixed.
        half: whether weights are stored in 16 bits; the network still computes in 32.
    """

    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    dynamic: dict[str, dict[int, str]] | None = None
    half: bool = False

    @classmethod
    def of(cls, spec: NetworkSpec) -> Contract:
        """Derives the contract of an entry of `NETWORKS`."""
        inputs = {
            name: tuple(
                int(size) if size.isdigit() else spec.traced.get(size, 1) for size in sizes(tensor)
            )
            for name, tensor in spec.inputs.items()
        }
        return cls(inputs, tuple(spec.outputs), _dynamic_axes(spec) or None, spec.half)


def _dynamic_axes(spec: NetworkSpec) -> dict[str, dict[int, str]]:
    axes = {
        name: {i: size for i, size in enumerate(sizes(tensor)) if not size.isdigit()}
        for name, tensor in {**spec.inputs, **spec.outputs}.items()
    }
    return {name: varying for name, varying in axes.items() if varying}


#: Contracts of all networks, by name.
CONTRACTS: Final = {name: Contract.of(spec) for name, spec in NETWORKS.items()}


def export_onnx(net: nn.Module, contract: Contract, path: Path) -> None:
    """Writes `net` (in eval mode, on the CPU) as one ONNX file that holds its weights.

    Args:
        net: the network.
        contract: names and shapes.
        path: the file to write.
    """
    example: tuple[Tensor, ...] = tuple(torch.rand(shape) for shape in contract.inputs.values())
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but only it folds BatchNorm here.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval().to(memory_format=torch.contiguous_format),
            example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(contract.inputs),
            output_names=list(contract.outputs),
            dynamic_axes=contract.dynamic,
        )
    model = onnx.load(str(path))
    model.doc_string, model.producer_name = "", "facefusion"
    for node in model.graph.node:  # module names and source lines, which nothing reads
        node.doc_string, node.name = "", ""
    del model.graph.value_info[:]
    if contract.half:
        _store_half(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _store_half(model: onnx.ModelProto) -> None:
    """Stores large float32 weights in 16 bits, each behind a Cast.

    Every runtime folds the Cast when it loads the file.
    """
    casts = []
    for weights in model.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT and np.prod(weights.dims) >= SMALLEST_HALF:
            name, values = weights.name, onnx.numpy_helper.to_array(weights)
            weights.CopyFrom(
                onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
            )
            casts.append(
                onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
            )
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])


def save_half(net: nn.Module, path: Path) -> None:
    """Writes the parameters of a network that does not ship, as safetensors in 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = net.state_dict().items()
    save_file(
        {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in values}, str(path)
    )


def export_network(name: str, net: nn.Module, directory: Path, checkpoints: Path) -> None:
    """Writes `name.onnx` with its manifest entry, and `name.safetensors`.

    The first goes to `directory`, the second to `checkpoints`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    checkpoints.mkdir(parents=True, exist_ok=True)
    spec = NETWORKS[name]
    file = directory / f"{name}.onnx"
    export_onnx(net, Contract.of(spec), file)
    tensors = {key: value.detach().contiguous() for key, value in net.state_dict().items()}
    save_file(tensors, str(checkpoints / f"{name}.safetensors"))
    parameters = sum(p.numel() for p in net.parameters())
    entry = manifest.entry(file, licence=LICENCE, parameters=parameters, contract=spec.description)
    manifest.update(directory, checkpoints, {name: entry})
