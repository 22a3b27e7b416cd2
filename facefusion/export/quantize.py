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
from facefusion.export.calibration import drawn, recorded
from facefusion.export.comparison import ENOUGH, Judgement, cost, judge, report, sheet
from facefusion.export.manifest import enter_small
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


def prepared(path: Path, directory: Path) -> Path:
    """Writes a copy of a network with folded constants and named nodes, as the quantiser needs."""
    model = onnx.load(str(path))
    for i, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{i}"
    named, ready = directory / "named.onnx", directory / "prepared.onnx"
    onnx.save(model, str(named))
    quant_pre_process(str(named), str(ready), skip_symbolic_shape=True)
    return ready


def delicate(model: onnx.ModelProto) -> Iterator[str]:
    """Yields the names of the attention's and the output's convolutions.

    They have few weights, each of which affects many pixels.
    """
    made_by = {name: node.op_type for node in model.graph.node for name in node.output}
    used_by: dict[str, set[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            used_by.setdefault(name, set()).add(node.op_type)
    dims = {weights.name: tuple(weights.dims) for weights in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        spatial = dims[node.input[1]][0] == 1
        gate = made_by.get(node.input[0]) in (
            "GlobalAveragePool",
            "Relu",
            "Unsqueeze",
        )  # attention over channels, conditioning on the identity
        output = "DepthToSpace" in used_by.get(node.output[0], set())
        if spatial or gate or output:
            yield node.name


def quantize(ready: Path, out: Path, recipe: Recipe, feeds: Sequence[Feeds]) -> None:
    """Writes the INT8 network of a `prepared` one.

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
        nodes_to_exclude=list(delicate(model)) if recipe.keep else [],
        extra_options=FOR_TENSORRT if recipe.symmetric else {},
    )
    made = onnx.load(str(out))
    made.doc_string, made.producer_name = "", "facefusion"
    del made.graph.value_info[:]
    onnx.checker.check_model(made)
    onnx.save(made, str(out))


def best_of(judged: dict[Recipe, Judgement]) -> Recipe:
    """Returns the most exact of the fastest recipes that reach `ENOUGH`.

    Recipes within `AS_QUICK` of the shortest time count as equally fast. Without a recipe that
    reaches `ENOUGH`, the most exact one.
    """
    good = {recipe: found for recipe, found in judged.items() if found.psnr >= ENOUGH}
    if not good:
        return max(judged, key=lambda recipe: judged[recipe].psnr)
    quickest = min(found.ratio for found in good.values())
    return max(
        (recipe for recipe, found in good.items() if found.ratio <= AS_QUICK * quickest),
        key=lambda r: good[r].psnr,
    )


def search(
    path: Path, out: Path, calibration: Sequence[Feeds], judging: Sequence[Feeds]
) -> dict[Recipe, Judgement]:
    """Tries every recipe on the network `path` and writes the best one's file to `out`."""
    judged = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        ready = prepared(path, directory)
        for i, recipe in enumerate(RECIPES):
            quantize(ready, directory / f"{i}.onnx", recipe, calibration)
            judged[recipe] = judge(path, directory / f"{i}.onnx", judging)
            print(f"{path.stem}: {recipe}: {judged[recipe]}", flush=True)
        shutil.copyfile(directory / f"{RECIPES.index(best_of(judged))}.onnx", out)
    return judged


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
    named = describe_machine()
    files = read_manifest(args.weights)
    parts = drawn(args.data, args.limit)
    first, second = recorded(args.weights, args.data, parts)
    found = {}
    for name in fusion_networks():
        out = args.weights / f"{name}.int8.onnx"
        found[name] = search(files[name].path, out, first[name], second[name])
        enter_small(args.weights, name, INT8, out, f"INT8, static, QDQ: {best_of(found[name])}")
    costs = cost(args.weights, args.data, min(SWAPS, args.limit), parts[1])
    sizes = {
        name: file.path.stat().st_size / 1e6 for name, file in read_manifest(args.weights).items()
    }
    chosen = {name: best_of(judged) for name, judged in found.items()}
    text = report(named, found, chosen, sizes, costs)
    print(text)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")
    sheet(args.weights, args.data, parts[1], args.sheet)
    return int(
        costs.too_much or any(found[name][chosen[name]].psnr < ENOUGH for name in fusion_networks())
    )


if __name__ == "__main__":
    sys.exit(main())
