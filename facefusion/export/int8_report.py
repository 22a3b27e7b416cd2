"""Writes the reports on INT8 networks as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from facefusion.export.comparison import Cost, Judgement
from facefusion.models.networks import INT8


def report(
    machine: dict[str, Any],
    judgements: Mapping[str, Mapping[Any, Judgement]],
    chosen: Mapping[str, Any],
    sizes: Mapping[str, float],
    costs: Cost,
) -> str:
    """Writes the report on the INT8 networks for ONNX Runtime.

    Args:
        machine: the machine that the times were measured on.
        judgements: by network and recipe.
        chosen: the chosen recipe by network.
        sizes: megabytes of every network's file.
        costs: quality that INT8 costs in the pipeline.
    """
    fp32, int8 = (sum(sizes[name + kind] for name in chosen) for kind in ("", INT8))
    lines = [
        "# INT8\n",
        "`python -m facefusion.export.quantize --data DIR`\n",
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}, onnxruntime {machine['onnxruntime']}. PSNR: "
        "fused crops inside the face, INT8 against fp32, on fusions of validation photos that were not calibrated on. Time: "
        "INT8 as a share of fp32, median of runs in turns, at the largest size.\n",
        "| network | fp32, MB | INT8, MB | PSNR, dB (least) | ms fp32 | ms INT8 | time | recipe |",
        "|---|---|---|---|---|---|---|---|",
        *_chosen_rows(judgements, chosen, sizes),
        f"| both | {fp32:.2f} | {int8:.2f} | | | | | |\n",
        f"All networks in 32 bits {sum(size for name, size in sizes.items() if INT8 not in name):.2f} MB; fusion in both "
        f"precisions {fp32 + int8:.2f} MB.\n",
        *cost_lines(costs),
        "\nEverything that was tried:\n",
        "| network | recipe | INT8, MB | PSNR, dB (least) | time |",
        "|---|---|---|---|---|",
        *_tried_rows(judgements, chosen),
    ]
    return "\n".join(lines) + "\n"


def _chosen_rows(
    judgements: Mapping[str, Mapping[Any, Judgement]],
    chosen: Mapping[str, Any],
    sizes: Mapping[str, float],
) -> Iterator[str]:
    for name, recipe in chosen.items():
        best = judgements[name][recipe]
        fp32_ms, int8_ms = best.milliseconds
        yield (
            f"| {name} | {sizes[name]:.2f} | {best.megabytes:.2f} | {best.psnr:.1f} ({best.least:.1f}) | "
            f"{fp32_ms:.1f} | {int8_ms:.1f} | {best.ratio:.2f} | {recipe} |"
        )


def _tried_rows(
    judgements: Mapping[str, Mapping[Any, Judgement]], chosen: Mapping[str, Any]
) -> Iterator[str]:
    for name, by_recipe in judgements.items():
        for recipe, each in by_recipe.items():
            mark = " (chosen)" if recipe == chosen[name] else ""
            figures = (
                f"{each.megabytes:.2f} | {each.psnr:.1f} ({each.least:.1f}) | {each.ratio:.2f}"
            )
            yield f"| {name} | {recipe}{mark} | {figures} |"


def cost_lines(costs: Cost) -> list[str]:
    """Writes the cost of INT8 in the pipeline as lines of Markdown."""
    fp32, int8 = costs.identity
    return [
        f"{costs.samples} reconstructions at the best tier, against the truth, inside the face; INT8 "
        f"costs {costs.decibels:.2f} dB. Identity similarity of other fusions {fp32:.4f}, in INT8 "
        f"{int8:.4f}.\n",
        "| | nothing done | fp32 | INT8 |",
        "|---|---|---|---|",
        *(
            "| {} | {:.3f} | {:.3f} | {:.3f} |".format(name, *means)
            for name, means in costs.figures.items()
        ),
    ]


def save_report(text: str, path: Path) -> None:
    """Prints a report and writes it to a file, whose directory is made."""
    print(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
