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

OPSET: Final = 18
LICENCE: Final = "Apache-2.0"
#: Least number of values of a weight tensor that is stored in 16 bits; smaller ones save nothing.
SMALLEST_HALF: Final = 256


@dataclass(frozen=True)
class Contract:
    """Interface of a network: example inputs, input and output names, description for the manifest.

    `half` stores the weights in 16 bits; the network still computes in 32.
    """

    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    words: dict[str, str]
    dynamic: dict[str, dict[int, str]] | None = None
    half: bool = False

    def format_is(self, name: str) -> bool:
        return self.words["format"] == name


CONTRACTS: Final = {
    "detector": Contract(
        {"input": (1, 3, 640, 640)},
        tuple(f"{kind}_{stride}" for kind in ("score", "bbox", "kps") for stride in (8, 16, 32)),
        {
            "format": "SCRFD",
            "input": "input: (1, 3, H, W) float32 RGB, (x - 127.5) / 128, H and W multiples of 32",
            "output": "score_*, bbox_*, kps_* for strides 8, 16, 32: (h * w * 2, 1 | 4 | 10), distances in stride units",
        },
        {"input": {2: "height", 3: "width"}},
    ),
    "mesh": Contract(
        {"input": (1, 3, 192, 192)},
        ("mesh",),
        {
            "format": "MediaPipe face-mesh topology",
            "input": "input: (N, 3, 192, 192) float32 RGB, (x - 127.5) / 127.5, face upright and 2/3 of the crop",
            "output": "mesh: (N, 468, 3) float32, x, y, z in units of the crop's side",
        },
        {"input": {0: "batch"}},
        half=True,
    ),
    "identity": Contract(
        {"input": (1, 3, 112, 112)},
        ("embedding",),
        {
            "format": "ArcFace",
            "input": "input: (N, 3, 112, 112) float32 RGB, (x - 127.5) / 127.5, ArcFace five-point crop",
            "output": "embedding: (N, 128) float32, compare by cosine",
        },
        {"input": {0: "batch"}},
    ),
    "spectacles": Contract(
        {"eyes": (1, 3, 88, 144)},
        ("opacity",),
        {
            "format": "FaceFusion spectacles",
            "input": "eyes: (1, 3, 88, 144) float32 RGB, (x - 127.5) / 127.5, rows 48..135 and columns 24..167 of a 192 px "
            "crop with the face upright and 60 % of it",
            "output": "opacity: (1, 2, 88, 144) float32 in [0, 1], of the frame and of the glass",
        },
    ),
    "hair": Contract(
        {"head": (1, 3, 64, 96)},
        ("opacity",),
        {
            "format": "FaceFusion hair",
            "input": "head: (1, 3, 64, 96) float32 RGB, (x - 127.5) / 127.5, the upper 64 rows of a 96 px crop with the "
            "face upright and 60 % of it",
            "output": "opacity: (1, 1, 64, 96) float32 in [0, 1], of hair, a hat or a scarf over the face",
        },
    ),
    "eyelids": Contract(
        {"eyes": (2, 3, 32, 48)},
        ("shut",),
        {
            "format": "FaceFusion eyelids",
            "input": "eyes: (N, 3, 32, 48) float32 RGB, (x - 127.5) / 127.5, an eye from corner to corner over 60 % of the "
            "width, its outer corner on the left",
            "output": "shut: (N, 1) float32 in [0, 1], the probability that the eye is shut",
        },
        {"eyes": {0: "batch"}},
        half=True,
    ),
    "coarse": Contract(
        {
            "warped": (1, 3, 128, 128),
            "target": (1, 3, 128, 128),
            "face": (1, 1, 128, 128),
            "identity": (1, 128),
        },
        ("mask", "delta"),
        {
            "format": "FaceFusion coarse",
            "input": "warped, target: (1, 3, 128, 128) float32 RGB in [0, 1]; face: (1, 1, 128, 128) float32 in [0, 1]; "
            "identity: (1, 128) float32, the source's embedding, of length 1",
            "output": "mask: (1, 1, 128, 128) in [0, 1]; delta: (1, 3, 128, 128) RGB in [-1, 1]; "
            "fused = target + mask * (warped + delta - target)",
        },
    ),
    "refine": Contract(
        {
            "warped": (1, 3, 256, 256),
            "target": (1, 3, 256, 256),
            "face": (1, 1, 256, 256),
            "mask": (1, 1, 256, 256),
            "delta": (1, 3, 256, 256),
        },
        ("refined_mask", "refined_delta"),
        {
            "format": "FaceFusion refine",
            "input": "warped, target: (1, 3, S, S) float32 RGB in [0, 1]; face, mask: (1, 1, S, S); delta: (1, 3, S, S); "
            "S a multiple of 16, 256 to 512; mask and delta of the coarse network, upsampled",
            "output": "refined_mask: (1, 1, S, S) in [0, 1]; refined_delta: (1, 3, S, S) RGB, within "
            "0.5 of delta; fused as in the coarse network's contract",
        },
        {name: {2: "size", 3: "size"} for name in ("warped", "target", "face", "mask", "delta")},
    ),
}


def export_onnx(net: nn.Module, contract: Contract, path: Path) -> None:
    """Writes `net` (in eval mode, on the CPU) as one ONNX file that holds its weights.

    Args:
        net: the network.
        contract: names and shapes.
        path: the file to write.
    """
    example: tuple[Tensor, ...] = tuple(torch.rand(shape) for shape in contract.inputs.values())
    axes: dict[str, dict[int, str]] = dict(contract.dynamic or {})
    if contract.dynamic is not None and 0 in next(iter(contract.dynamic.values())):
        axes |= {name: {0: "batch"} for name in contract.outputs}
    elif contract.format_is("SCRFD"):
        axes |= {name: {0: f"anchors_{name}"} for name in contract.outputs}
    elif contract.dynamic is not None:
        axes |= {name: {2: "size", 3: "size"} for name in contract.outputs}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the tracing exporter is deprecated, but only it folds BatchNorm here
        torch.onnx.export(
            net.eval().to(memory_format=torch.contiguous_format),
            example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(contract.inputs),
            output_names=list(contract.outputs),
            dynamic_axes=axes or None,
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
    contract, file = CONTRACTS[name], directory / f"{name}.onnx"
    export_onnx(net, contract, file)
    tensors = {key: value.detach().contiguous() for key, value in net.state_dict().items()}
    save_file(tensors, str(checkpoints / f"{name}.safetensors"))
    parameters = sum(p.numel() for p in net.parameters())
    whole = manifest.entry(file, licence=LICENCE, parameters=parameters, contract=contract.words)
    manifest.update(directory, checkpoints, {name: whole})
