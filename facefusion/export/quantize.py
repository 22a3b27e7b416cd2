"""Quantises coarse and refine to INT8: `python -m facefusion.export.quantize --data DIR`.

Static post-training quantisation (Jacob et al., CVPR 2018) with ONNX Runtime, calibrated on fusions
of validation photos. Recipes are chosen by measurements on other fusions. Writes the two networks
and their entries in `manifest.json` to the weights' directory, and a report.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from facefusion.engines.sessions import Feeds
from facefusion.export.calibration import record_parts, split_pairs
from facefusion.export.comparison import ENOUGH, Judgement, cost, judge, sheet
from facefusion.export.int8_report import report, save_report
from facefusion.export.manifest import add_int8_entry
from facefusion.machine.cpu import describe_machine
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.models.networks import INT8, fusion_networks

#: Number of portraits that are reconstructed to measure the cost.
SWAPS: Final = 40
#: Node types of the recipes that quantise convolutions only.
CONVOLUTIONS: Final = ("Conv",)
#: Node types of the recipes that quantise all that can pass 8-bit values on to the next node.
EVERYTHING: Final = (
    "Conv",
    "Add",
    "Mul",
    "Concat",
    "Resize",
    "AveragePool",
    "GlobalAveragePool",
    "Clip",
)
#: Largest ratio to the shortest time that counts as equally fast; the most exact recipe is taken.
AS_QUICK: Final = 1.08
#: Options of `quantize_static` for symmetric scales.
FOR_TENSORRT: Final = {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False}
OUT: Final = Path("benchmarks/int8.md")
SHEET: Final = Path("out/int8.jpg")


@dataclass(frozen=True)
class Recipe:
    """A way to quantise a network.

    Attributes:
        per_channel: whether each channel of the weights has its own scale.
        kinds: node types that are quantised.
        keep: whether the attention and the output convolution stay in 32 bits.
        symmetric: whether zero is the middle of every scale, as TensorRT requires: signed
            numbers, all 8 bits of the weights, biases in 32 bits.
    """

    per_channel: bool
    kinds: tuple[str, ...]
    keep: bool
    symmetric: bool = False

    def __str__(self) -> str:
        scales = "per channel" if self.per_channel else "per tensor"
        kinds = "convolutions" if self.kinds == CONVOLUTIONS else "all nodes"
        return f"{scales}, {kinds}" + (", attention and output in 32 bits" if self.keep else "")


RECIPES: Final = tuple(
    Recipe(per_channel, kinds, keep)
    for per_channel, kinds, keep in product(
        (False, True), (CONVOLUTIONS, EVERYTHING), (True, False)
    )
)


class _Reader(CalibrationDataReader):
    def __init__(self, feeds: Sequence[Feeds]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feeds | None:
        return next(self._feeds, None)


def prepare(path: Path, directory: Path) -> Path:
    """Writes a copy of a network with folded constants and named nodes, as the quantiser needs."""
    model = onnx.load(str(path))
    for i, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{i}"
    with_names = directory / "named.onnx"
    ready = directory / "prepared.onnx"
    onnx.save(model, str(with_names))
    quant_pre_process(str(with_names), str(ready), skip_symbolic_shape=True)
    return ready


def sensitive_convolutions(model: onnx.ModelProto) -> Iterator[str]:
    """Yields the names of the attention's and the output's convolutions.

    They have few weights, each of which affects many pixels.
    """
    producers = {name: node.op_type for node in model.graph.node for name in node.output}
    consumers: dict[str, set[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            consumers.setdefault(name, set()).add(node.op_type)
    dims = {weights.name: tuple(weights.dims) for weights in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        spatial = dims[node.input[1]][0] == 1
        # Attention over channels, conditioning on the identity.
        gate = producers.get(node.input[0]) in ("GlobalAveragePool", "Relu", "Unsqueeze")
        output = "DepthToSpace" in consumers.get(node.output[0], set())
        if spatial or gate or output:
            yield node.name


def quantize(ready: Path, out: Path, recipe: Recipe, feeds: Sequence[Feeds]) -> None:
    """Writes the INT8 network of a prepared one.

    Weights use 7 of 8 bits unless they are for TensorRT: processors without VNNI sum the products
    of two 8-bit numbers in 16 bits, which would overflow.
    """
    model = onnx.load(str(ready))
    quantize_static(
        str(ready),
        str(out),
        _Reader(feeds),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(recipe.kinds),
        per_channel=recipe.per_channel,
        reduce_range=not recipe.symmetric,
        activation_type=QuantType.QInt8 if recipe.symmetric else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(sensitive_convolutions(model)) if recipe.keep else [],
        extra_options=FOR_TENSORRT if recipe.symmetric else {},
    )
    quantized = onnx.load(str(out))
    quantized.doc_string = ""
    quantized.producer_name = "facefusion"
    del quantized.graph.value_info[:]
    onnx.checker.check_model(quantized)
    onnx.save(quantized, str(out))


def best_of(judgements: dict[Recipe, Judgement]) -> Recipe:
    """Returns the most exact of the fastest recipes that reach `ENOUGH`.

    Recipes within `AS_QUICK` of the shortest time count as equally fast. Without a recipe that
    reaches `ENOUGH`, the most exact one.
    """
    exact = {recipe: each for recipe, each in judgements.items() if each.psnr >= ENOUGH}
    if not exact:
        return max(judgements, key=lambda recipe: judgements[recipe].psnr)
    quickest = min(each.ratio for each in exact.values())
    return max(
        (recipe for recipe, each in exact.items() if each.ratio <= AS_QUICK * quickest),
        key=lambda recipe: exact[recipe].psnr,
    )


def search(
    path: Path, out: Path, calibration: Sequence[Feeds], judging: Sequence[Feeds]
) -> dict[Recipe, Judgement]:
    """Tries every recipe on the network `path` and writes the best one's file to `out`."""
    judgements = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        ready = prepare(path, directory)
        for i, recipe in enumerate(RECIPES):
            quantize(ready, directory / f"{i}.onnx", recipe, calibration)
            judgements[recipe] = judge(path, directory / f"{i}.onnx", judging)
            print(f"{path.stem}: {recipe}: {judgements[recipe]}", flush=True)
        shutil.copyfile(directory / f"{RECIPES.index(best_of(judgements))}.onnx", out)
    return judgements


def main(argv: Sequence[str] | None = None) -> int:
    """Quantises the networks, judges them and writes the files.

    Returns:
        0, or 1 if INT8 costs more than `comparison.Cost` allows: such a network needs
        quantisation-aware training.
    """
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.export.quantize", description=__doc__
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with faces.csv, mesh468.npz and the images"
    )
    parser.add_argument(
        "--weights", type=Path, default=EMBEDDED_WEIGHTS, help="directory to read from and write to"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="the report (default: %(default)s)")
    parser.add_argument(
        "--sheet", type=Path, default=SHEET, help="picture of both results (default: %(default)s)"
    )
    parser.add_argument(
        "--limit", type=int, default=SWAPS, help="pairs of each kind and swaps at the most"
    )
    args = parser.parse_args(argv)
    with _quiet():
        return _run(args)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the quantiser, which repeats its advice for every recipe."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _run(args: argparse.Namespace) -> int:
    machine = describe_machine()
    files = read_manifest(args.weights)
    parts = split_pairs(args.data, args.limit)
    calibration, judging = record_parts(args.weights, args.data, parts)
    judgements = {}
    chosen = {}
    for name in fusion_networks():
        out = args.weights / f"{name}.int8.onnx"
        judgements[name] = search(files[name].path, out, calibration[name], judging[name])
        chosen[name] = best_of(judgements[name])
        add_int8_entry(args.weights, name, INT8, out, f"INT8, static, QDQ: {chosen[name]}")
    costs = cost(args.weights, args.data, min(SWAPS, args.limit), parts[1])
    sizes = {
        name: file.path.stat().st_size / 1e6 for name, file in read_manifest(args.weights).items()
    }
    save_report(report(machine, judgements, chosen, sizes, costs), args.out)
    sheet(args.weights, args.data, parts[1], args.sheet)
    inexact = any(judgements[name][recipe].psnr < ENOUGH for name, recipe in chosen.items())
    return int(costs.too_much or inexact)


if __name__ == "__main__":
    sys.exit(main())
