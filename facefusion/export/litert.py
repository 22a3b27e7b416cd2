"""Quantises networks to INT8 for LiteRT: `python -m facefusion.export.litert --data DIR`.

Static post-training quantisation (Jacob et al., CVPR 2018) by AI Edge Quantizer of the files that
`facefusion export --format tflite` writes. Calibrated and judged on the same fusions as the INT8
networks for ONNX Runtime (`export.quantize`). Writes the files and their entries in `manifest.json`
to the weights' directory, and a report.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from facefusion.engines.registry import Engine
from facefusion.engines.sessions import Feeds, make_session
from facefusion.export.calibration import record_parts, split_pairs
from facefusion.export.comparison import ENOUGH, Cost, cost, psnr_by_input
from facefusion.export.formats import CHECKPOINTS, tflite
from facefusion.export.int8_report import cost_lines, save_report
from facefusion.export.manifest import add_int8_entry
from facefusion.export.quantize import SWAPS
from facefusion.machine.cpu import describe_machine
from facefusion.machine.limits import session_threads
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.models.networks import INT8_TFLITE, NETWORKS
from facefusion.types import FloatArray

#: Networks that are quantised. The coarse one gains nothing: LiteRT's small convolutions are no
#: faster in 8 bits than ONNX Runtime's.
QUANTIZED: Final = ("refine",)
#: Operations that stay in 32 bits: input, output, and a division whose divisor may round to 0.
IN_32_BITS: Final = ("INPUT", "OUTPUT", "MAXIMUM", "DIV")
OUT: Final = Path("benchmarks/litert.md")
RECIPE: Final = (
    "INT8, static, TFLite: per channel, " + ", ".join(IN_32_BITS).lower() + " in 32 bits"
)


def quantize(fp32: Path, out: Path, name: str, calibration: Sequence[Feeds]) -> None:
    """Writes the INT8 file of a network of `formats.tflite`.

    Weights and activations have 8 bits, with static scales.

    Args:
        fp32: the file in 32 bits, with a signature for every side.
        out: the file to write.
        name: the network.
        calibration: its inputs at any of its sides; every signature is calibrated on all of them.
    """
    from ai_edge_quantizer import qtyping, quantizer, recipe

    quantization = quantizer.Quantizer(str(fp32), recipe.static_wi8_ai8())
    for kind in IN_32_BITS:
        operation = qtyping.TFLOperationName(kind)
        quantization.update_quantization_recipe(
            ".*", operation, algorithm_key=quantizer.AlgorithmName.NO_QUANTIZE
        )
    samples = {
        f"s{side}": [resize_inputs(feeds, side) for feeds in calibration]
        for side in NETWORKS[name].sides
    }
    scales = quantization.calibrate(samples, num_threads=session_threads())
    out.unlink(missing_ok=True)  # the quantiser refuses to overwrite a file
    quantization.quantize(scales, enable_progress_report=False).export_model(str(out))
    _drop_names(out)


def _drop_names(path: Path) -> None:
    """Removes the tensors' names from a TFLite file, a fifth of its size.

    Only signatures are looked up by name.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.name = None
    flatbuffer_utils.write_model(model, str(path))


def resize_inputs(feeds: Feeds, side: int) -> dict[str, FloatArray]:
    """Resizes a network's input images to another side; returns inputs of that side unchanged."""

    def at_side(feed: FloatArray) -> FloatArray:
        if feed.ndim != 4 or feed.shape[-1] == side:
            return feed
        planes = [
            cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA) for plane in feed[0]
        ]
        return np.stack(planes)[None].astype(np.float32)

    return {key: at_side(feed) for key, feed in feeds.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Quantises the networks, judges them and writes the files.

    Returns:
        0; 1 if a network's PSNR is below `ENOUGH` (nothing is written), or if it costs more than
        `Cost` allows.
    """
    parser = argparse.ArgumentParser(prog="python -m facefusion.export.litert", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with faces.csv, mesh468.npz and the images"
    )
    parser.add_argument(
        "--weights", type=Path, default=EMBEDDED_WEIGHTS, help="directory to read from and write to"
    )
    parser.add_argument(
        "--checkpoints", type=Path, default=CHECKPOINTS, help="directory of the trained networks"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="the report (default: %(default)s)")
    parser.add_argument(
        "--limit", type=int, default=SWAPS, help="pairs of each kind and swaps at the most"
    )
    return _run(parser.parse_args(argv))


def _run(args: argparse.Namespace) -> int:
    machine = describe_machine()
    parts = split_pairs(args.data, args.limit)
    calibration, judging = record_parts(args.weights, args.data, parts)
    rows: list[str] = []
    for name in QUANTIZED:
        row = _make(name, args.weights, args.checkpoints, calibration[name], judging[name])
        if row is None:
            return 1
        rows.append(row)
    engines = (Engine.ONNXRUNTIME, Engine.LITERT_INT8)
    costs = cost(args.weights, args.data, min(SWAPS, args.limit), parts[1], engines)
    save_report(report(machine, rows, costs), args.out)
    return int(costs.too_much)


def _make(
    name: str,
    weights: Path,
    checkpoints: Path,
    calibration: Sequence[Feeds],
    judging: Sequence[Feeds],
) -> str | None:
    """Quantises and judges a network, and writes it with its entry in the manifest.

    Returns:
        A row of the report, or None if the network is not exact enough: nothing is written.
    """
    from facefusion.engines.litert import LiteRtNetwork

    reference = make_session(read_manifest(weights)[name].path)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{name}.int8.tflite")
        quantize(tflite(name, checkpoints, Path(folder)), file, name, calibration)
        outputs = NETWORKS[name].output_names
        decibels = psnr_by_input(reference, LiteRtNetwork(file), outputs, judging)
        size = file.stat().st_size / 1e6
        mean, least = float(np.mean(decibels)), min(decibels)
        print(f"{name}: {size:.2f} MB, {mean:.1f} dB ({least:.1f} at the least)")
        if least < ENOUGH:
            return None
        shutil.copyfile(file, weights / file.name)
    add_int8_entry(weights, name, INT8_TFLITE, weights / file.name, RECIPE)
    return f"| {name} | {size:.2f} | {mean:.1f} ({least:.1f}) | {RECIPE} |"


def report(machine: dict[str, Any], rows: Sequence[str], costs: Cost) -> str:
    """Writes the report as Markdown: a table row for each network, and the cost in the pipeline."""
    lines = [
        "# INT8 for LiteRT\n",
        "`python -m facefusion.export.litert --data DIR`\n",
        f"{machine['cpu']}, {machine['cores']} cores. PSNR: fused crops inside the face, against fp32 in ONNX Runtime, on "
        "fusions of validation photos that were not calibrated on. Its time beside the other engines: `engines.md`.\n",
        "| network | MB | PSNR, dB (least) | recipe |",
        "|---|---|---|---|",
        *rows,
        "\nThe other network runs in ONNX Runtime, in 32 bits:\n",
        *cost_lines(costs),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
