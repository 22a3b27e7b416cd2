"""Reports the designs that the search tried: a table, a plot and the one to take."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from facefusion.machine.cpu import describe_machine
from facefusion.nets.blocks import Design

#: Figures of each design; designs that are too slow have no `psnr`.
Results = dict[Design, dict[str, float]]

#: Largest ratio to the hand-made design's time of designs that count as equally fast: timing noise.
MAX_TIME_RATIO: Final = 1.03
#: Least gain in dB over the hand-made design to replace it: another seed changes a tenth.
MIN_GAIN: Final = 0.1


def pareto_front(results: Results) -> list[Design]:
    """Returns the Pareto front of time and quality, from the fastest design on."""
    best, chosen = -np.inf, []
    for design in sorted(
        (d for d in results if "psnr" in results[d]), key=lambda d: results[d]["ratio"]
    ):
        if results[design]["psnr"] > best:
            best = results[design]["psnr"]
            chosen.append(design)
    return chosen


def plot(results: Results, reference: Design, out: Path) -> None:
    """Plots quality against time, with the Pareto front as a line."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), dpi=110)
    trained = [figures for figures in results.values() if "psnr" in figures]
    front = [results[design] for design in pareto_front(results)]
    axes.scatter(*_points(trained), color="#888888", label="tried")
    axes.plot(*_points(front), color="#1f6f8b", marker="o", label="front")
    by_hand = _points([results[reference]])
    axes.scatter(*by_hand, color="#c0392b", marker="*", s=160, label="made by hand")
    axes.axvline(MAX_TIME_RATIO, color="#bbbbbb", linestyle="--")
    axes.set_xlabel("time, design made by hand = 1")
    axes.set_ylabel("PSNR of reconstructions, dB")
    axes.legend()
    figure.tight_layout()
    figure.savefig(out)


def _points(figures: list[dict[str, float]]) -> tuple[list[float], list[float]]:
    """Returns the coordinates of designs in the plot: time and quality."""
    return [each["ratio"] for each in figures], [each["psnr"] for each in figures]


def table(network: str, results: Results, reference: Design, trials: int, steps: int) -> str:
    """Writes the report as Markdown."""
    lines = [
        f"# Search of the {network} network's size\n",
        f"`python -m facefusion.training search {network} --pack FILE --trials {trials} --steps {steps} "
        f"--out benchmarks/search-{network}.md`\n",
        f"{trials} proposals of Optuna's TPE (Bergstra et al., NeurIPS 2011), {len(results)} of them different, scored by",
        f"the PSNR of reconstructions of val faces after {steps} steps from one seed. Time: ONNX Runtime fp32 in turn with",
        f"the design made by hand, on {describe_machine()['cpu']}; "
        f"what took over {MAX_TIME_RATIO:.2f} of its time was not trained.\n",
        f"![quality against time](search-{network}.png)\n",
        "| widths | expansion | kernel | parameters | time | PSNR, dB | SSIM | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    front = pareto_front(results)
    for design in sorted(results, key=lambda d: -results[d].get("psnr", -results[d]["ratio"])):
        notes = ["made by hand"] * (design == reference) + ["front"] * (design in front)
        lines.append(f"| {' | '.join([*_cells(design, results[design]), ', '.join(notes)])} |")
    lines.append("\n" + verdict(results, reference))
    return "\n".join(lines) + "\n"


def _cells(design: Design, figures: dict[str, float]) -> list[str]:
    """Returns the cells of a design's row, without its note."""
    is_trained = "psnr" in figures
    return [
        " ".join(map(str, design.widths)),
        f"{design.expand:g}",
        str(design.kernel),
        f"{figures['parameters']:,.0f}",
        f"{figures['ratio']:.2f}",
        f"{figures['psnr']:.2f}" if is_trained else "too slow",
        f"{figures['ssim']:.4f}" if is_trained else "",
    ]


def verdict(results: Results, reference: Design) -> str:
    """Returns the sentence that says which design to take."""
    best = max(pareto_front(results), key=lambda design: results[design]["psnr"])
    gain = results[best]["psnr"] - results[reference]["psnr"]
    if gain >= MIN_GAIN:
        return f"{' '.join(map(str, best.widths))} is better by {gain:.2f} dB: it should be trained to the end."
    return (
        f"None is better by {MIN_GAIN} dB, so the design made by hand stays. Smaller ones are as "
        "good after so few steps; what a larger one gains shows in trainings that are a hundred "
        "times as long."
    )
