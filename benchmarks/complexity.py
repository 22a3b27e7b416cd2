"""FLOPs and parameters of the fusion networks beside others'. `python -m benchmarks.complexity`

Counted on the ONNX files that ship: 2 x multiply-adds of the convolutions; all else is small beside
them. The others' figures are their authors' own, as cited in the project's issues.
"""

from __future__ import annotations

from facefusion.machine import telemetry as telemetry  # isort: skip  # before the packages that it silences

from math import prod
from typing import Final

import onnx
from onnxruntime.tools.onnx_model_utils import make_input_shape_fixed

from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest

#: Side of the crop, network by network, of each tier.
SIZES: Final = {
    "detector": ((1, 3, 192, 192), (1, 3, 384, 384), (1, 3, 640, 640)),
    "mesh": ((1, 3, 192, 192),),
    "identity": ((1, 3, 112, 112),),
    "coarse": ((1, 3, 128, 128),),
    "refine": ((1, 3, 256, 256), (1, 3, 512, 512)),
}
OTHERS: Final = (
    ("inswapper_128", "138.3M", "174.7"),
    ("inswapper_512_live mini, at 512", "4.7M", "6.3"),
    ("SimSwap", "107M", "55.7"),
    ("MobileFaceSwap (and 20.6M once a source)", "0.50M", "0.33"),
)


def flops(path: str, shape: tuple[int, ...]) -> int:
    """2 x multiply-adds of the convolutions and matrix products of an ONNX file for inputs of this
    shape.
    """
    model = onnx.load(path)
    for given in model.graph.input:
        dims = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
        if len(dims) == 4:
            make_input_shape_fixed(
                model.graph, given.name, [shape[0], dims[1] or shape[1], *shape[2:]]
            )
    for made in model.graph.output:
        made.type.tensor_type.ClearField("shape")
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    values = [*model.graph.value_info, *model.graph.output]
    known = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values
    }
    weights = {value.name: list(value.dims) for value in model.graph.initializer}
    for node in model.graph.node:
        if (
            node.op_type in ("Cast", "Identity") and node.input[0] in weights
        ):  # 16-bit or shared weights
            weights[node.output[0]] = weights[node.input[0]]
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += 2 * prod(known[node.output[0]]) * prod(weights[node.input[1]][1:])
        elif node.op_type == "Gemm":
            total += 2 * prod(weights[node.input[1]])
    return total


def main() -> None:
    """Prints a table."""
    print("| network | parameters | GFLOPs |\n|---|---|---|")
    for name, sizes in SIZES.items():
        file = read_manifest(EMBEDDED_WEIGHTS)[name]
        model = onnx.load(str(file.path))
        parameters = sum(prod(values.dims) for values in model.graph.initializer)
        for shape in sizes:
            billions = flops(str(file.path), shape) / 1e9
            print(f"| {name} at {shape[-1]} | {parameters / 1e6:.2f}M | {billions:.2f} |")
    for name, count, billions in OTHERS:
        print(f"| {name} | {count} | {billions} |")


if __name__ == "__main__":
    main()
