"""Reports the ablations: a table of the method's parts, and one of progressive generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

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

INTRODUCTION: Final = """\
# Ablations

`python -m facefusion.training ablation --pack FILE {options} --out benchmarks/ablation.md`

Each training: {length}, from random weights. Means over the seeds, ± half of their range.
Val faces: SSIM and PSNR of reconstructions; of real fusions the similarity to the source's and the target's
person by a network that trains with them, expression in eye distances (lower is better), and realism, the kernel
distance from real faces x 1000 (lower is better; by EfficientNet-Lite0, through which the projected discriminator
and the loss of features look, too). In brackets: against the first row.
"""
PARTS_HEAD: Final = "## Parts of the coarse network and of its training, 128 px\n"
PARTS_CLAIM: Final = (
    "The method's author claims that FAAM gains 7.2 % SSIM for 0.1M parameters and 15 ms.\n"
)
WAYS_HEAD: Final = """\
## Progressive against one step, 256 px

The progressive way spends half of the time on each stage. Time and memory at 512 px: ONNX Runtime on one thread
of a CPU, growth of its process, and activations that a training sample keeps for its backward pass.
"""
WAYS_CLAIM: Final = (
    "The method's author claims 3.2 GB -> 1.4 GB of peak memory for the progressive way.\n"
)


def cell(rows: Sequence[dict[str, float]], name: str) -> str:
    """Returns the mean of a figure over the seeds, and half of its range where there are several."""
    values = [row[name] for row in rows if name in row]
    if not values:
        return ""
    digits = COLUMNS[name]
    text = f"{np.mean(values):,.{digits}f}"
    apart = (max(values) - min(values)) / 2
    return f"{text} ± {apart:,.{digits}f}" if apart else text


def table(results: Results, costs: Mapping[str, dict[str, float]] | None = None) -> list[str]:
    """Returns the lines of a table; SSIM also relative to the first row.

    Args:
        results: figures of variants.
        costs: figures of `COSTS` by variant.
    """
    heads = ["variant", *HEADS, "seeds", *(COSTS.values() if costs else ())]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    first = np.mean([row["ssim"] for row in next(iter(results.values()))])
    for name, rows in results.items():
        ratio = np.mean([row["ssim"] for row in rows]) / first - 1
        ssim, *cells = (cell(rows, column) for column in COLUMNS)
        own = [f"{costs[name][key]:.0f}" if name in costs else "" for key in COSTS] if costs else []
        ssim += f" ({100 * ratio:+.1f} %)"
        lines.append(f"| {' | '.join([name, ssim, *cells, str(len(rows)), *own])} |")
    return [*lines, ""]


def report(
    parts: Results,
    ways: Results,
    *,
    options: str,
    length: str,
    untrained: Sequence[str] = (),
    costs: Mapping[str, dict[str, float]] | None = None,
) -> str:
    """Writes the report as Markdown.

    Args:
        parts, ways: figures of the method's parts, and of both ways; empty if none was trained.
        options: options of the command that makes the report.
        length: length and place of each training, such as "4 minutes on NVIDIA H100".
        untrained: titles of variants that were not trained.
        costs: costs of both ways by title, None where they were not measured.
    """
    lines = [INTRODUCTION.format(options=options, length=length)]
    if parts:
        lines += [PARTS_HEAD, *table(parts), PARTS_CLAIM]
    if ways:
        lines += [WAYS_HEAD, *table(ways, costs), WAYS_CLAIM]
    if untrained:
        lines.append(f"Not trained: {'; '.join(untrained)}.\n")
    lines.append("The face's shape moved or held: the last two rows of `likeness.md`.")
    return "\n".join(lines) + "\n"
