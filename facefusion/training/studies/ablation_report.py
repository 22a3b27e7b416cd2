"""Reports the ablations: a table of the method's parts, and one of progressive generation."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Final

import numpy as np
import torch

#: Figures of each variant, a row for each seed.
Results = dict[str, list[dict[str, float]]]

#: Decimals of the figures, by their names, in the order of their columns.
COLUMNS: Final = {
    "ssim": 4,
    "psnr": 2,
    "id": 3,
    "target_id": 3,
    "expression": 4,
    "realism": 0,
    "samples": 0,
    "parameters": 0,
}
#: Heads of these columns.
HEADS: Final = (
    "SSIM",
    "PSNR, dB",
    "identity",
    "target's identity",
    "expression",
    "realism",
    "samples",
    "parameters",
)
#: Decimals of the costs of a way, with their heads.
COSTS: Final = {"ms": "ms", "mb": "MB to run", "activations": "MB a training sample"}


def cell(rows: Sequence[dict[str, float]], name: str) -> str:
    """Returns the mean of a figure over the seeds, and half of its range where there are several."""
    values = [row[name] for row in rows if name in row]
    if not values:
        return ""
    digits = COLUMNS[name]
    text = f"{np.mean(values):,.{digits}f}"
    apart = (max(values) - min(values)) / 2
    return f"{text} ± {apart:,.{digits}f}" if apart else text


def table(results: Results, costs: Sequence[dict[str, float]] = ()) -> list[str]:
    """Returns the lines of a table; SSIM also relative to the first row."""
    heads = ["variant", *HEADS, *(COSTS.values() if costs else ())]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    first = np.mean([row["ssim"] for row in next(iter(results.values()))])
    for number, (name, rows) in enumerate(results.items()):
        ratio = np.mean([row["ssim"] for row in rows]) / first - 1
        ssim, *cells = (cell(rows, column) for column in COLUMNS)
        own = [f"{costs[number][key]:.0f}" if costs[number] else "" for key in COSTS if costs]
        lines.append(f"| {' | '.join([name, f'{ssim} ({100 * ratio:+.1f} %)', *cells, *own])} |")
    return [*lines, ""]


def report(
    parts: Results,
    ways: Results,
    seconds: float,
    steps: float,
    device: torch.device,
    costs: Sequence[dict[str, float]],
) -> str:
    """Writes the report as Markdown.

    Args:
        parts, ways: figures of the method's parts, and of both ways.
        seconds, steps: length of each training.
        device: where they were trained.
        costs: costs of both ways, empty where they were not measured.
    """
    length = f"--minutes {seconds / 60:g}" if isfinite(seconds) else f"--steps {steps:g}"
    long = f"{seconds / 60:g} minutes" if isfinite(seconds) else f"{steps:g} steps"
    threads = torch.get_num_threads()
    machine = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{threads} CPU thread(s)"
    )
    seeds = max(len(rows) for rows in parts.values())
    lines = [
        "# Ablations\n",
        f"`python -m facefusion.training ablation --pack FILE {length} --out benchmarks/ablation.md`\n",
        f"Each variant: {long} from random weights on {machine}, {seeds} seed(s): means, ± half of the range.",
        "Val faces: SSIM and PSNR of reconstructions; of real fusions the similarity to the source's and the target's",
        "person by a network that trains with them, expression in eye distances (lower is better), and realism, the kernel",
        "distance from real faces x 1000 (lower is better; by EfficientNet-Lite0). In brackets: against the first row.\n",
        "## Parts of the coarse network and of its training, 128 px\n",
        *table(parts),
        "The method's author claims that FAAM gains 7.2 % SSIM for 0.1M parameters and 15 ms.\n",
        "## Progressive against one step, 256 px\n",
        "The progressive way spends half of the time on each stage. Time and memory at 512 px: ONNX Runtime on one thread",
        "of a CPU, growth of its process, and activations that a training sample keeps for its backward pass.\n",
        *table(ways, costs),
        "The method's author claims 3.2 GB -> 1.4 GB of peak memory for the progressive way.\n",
        "The face's shape moved or held: the last two rows of `likeness.md`.",
    ]
    return "\n".join(lines) + "\n"
