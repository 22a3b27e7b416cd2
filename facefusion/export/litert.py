"""Quantises networks to INT8 for LiteRT: `python -m facefusion.export.litert --data DIR`.

Static post-training quantisation (Jacob et al., CVPR 2018) by AI Edge Quantizer of the files that
`facefusion export --format tflite` writes. Calibrated and judged on the same fusions as the INT8
networks for ONNX Runtime (`export.quantize`). Writes the files and their entries in `manifest.json`
to the weights' directory, and a report.
"""

from __future__ import annotations

import argparse
import os
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
from facefusion.export.calibration import drawn, recorded
from facefusion.export.comparison import ENOUGH, Cost, apart, cost, cost_lines
from facefusion.export.formats import CHECKPOINTS, tflite
from facefusion.export.manifest import enter_small
from facefusion.export.quantize import SWAPS
from facefusion.machine.cpu import describe_machine
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


def quantize(whole: Path, out: Path, name: str, calibration: Sequence[Feeds]) -> None:
    """Writes the INT8 file of a network of `formats.tflite`.

    Weights and activations have 8 bits, with static scales.

    Args:
        whole: the file in 32 bits, with a signature for every side.
        out: the file to write.
        name: the network.
        calibration: its inputs at any of its sides; every signature is calibrated on all of them.
    """
    from ai_edge_quantizer import qtyping, quantizer, recipe

    maker = quantizer.Quantizer(str(whole), recipe.static_wi8_ai8())
    for kind in IN_32_BITS:
        kept = qtyping.TFLOperationName(kind)
        maker.update_quantization_recipe(
            ".*", kept, algorithm_key=quantizer.AlgorithmName.NO_QUANTIZE
        )
    samples = {
        f"s{side}": [resized(feeds, side) for feeds in calibration] for side in NETWORKS[name].sides
    }
    scales = maker.calibrate(samples, num_threads=os.cpu_count() or 1)
    out.unlink(missing_ok=True)  # the quantiser refuses to overwrite a file
    maker.quantize(scales, enable_progress_report=False).export_model(str(out))
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


def resized(feeds: Feeds, side: int) -> dict[str, FloatArray]:
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
    args = parser.parse_args(argv)
    from facefusion.engines.litert import LiteRtNetwork

    named = describe_machine()
    files = read_manifest(args.weights)
    parts = drawn(args.data, args.limit)
    calibration, judging = recorded(args.weights, args.data, parts)
    rows: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in QUANTIZED:
            made = Path(folder, f"{name}.int8.tflite")
            quantize(tflite(name, args.checkpoints, Path(folder)), made, name, calibration[name])
            found = apart(
                make_session(files[name].path),
                LiteRtNetwork(made),
                NETWORKS[name].output_names,
                judging[name],
            )
            size = made.stat().st_size / 1e6
            print(f"{name}: {size:.2f} MB, {np.mean(found):.1f} dB ({min(found):.1f} at the least)")
            if min(found) < ENOUGH:
                return 1
            shutil.copyfile(made, args.weights / made.name)
            enter_small(args.weights, name, INT8_TFLITE, args.weights / made.name, RECIPE)
            rows.append(
                f"| {name} | {size:.2f} | {np.mean(found):.1f} ({min(found):.1f}) | {RECIPE} |"
            )
    engines = (Engine.ONNXRUNTIME, Engine.LITERT_INT8)
    costs = cost(args.weights, args.data, min(SWAPS, args.limit), parts[1], engines)
    text = report(named, rows, costs)
    print(text)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")
    return int(costs.too_much)


def report(named: dict[str, Any], rows: Sequence[str], costs: Cost) -> str:
    """Writes the report as Markdown: a table row for each network, and the cost in the pipeline."""
    lines = [
        "# INT8 for LiteRT\n",
        "`python -m facefusion.export.litert --data DIR`\n",
        f"{named['cpu']}, {named['cores']} cores. PSNR: fused crops inside the face, against fp32 in ONNX Runtime, on "
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
