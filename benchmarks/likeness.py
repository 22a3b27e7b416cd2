"""Measures the setting `likeness` and the change of the face's shape.

`python -m benchmarks.likeness --data DIR` fuses the same pairs at several settings, and measures
the results by the judges of `python -m facefusion evaluate`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from tqdm import tqdm

from facefusion.errors import FusionError
from facefusion.evaluation.judges import EvaluationJudges, choose_judges, judge_face
from facefusion.evaluation.measures import measure
from facefusion.evaluation.pairs import Pair, draw_pairs, read_pairs, val_faces
from facefusion.images.reading import read_photo
from facefusion.pipeline import options
from facefusion.pipeline.pipeline import FusionPipeline

#: Measures of the table.
SHOWN: Final = ("id_similarity", "target_similarity", "expression_error_pct", "pose_error_deg")


@dataclass(frozen=True)
class Setting:
    """A likeness in [0, 1], and whether the shape of the face may change."""

    likeness: float
    shape: bool

    def __str__(self) -> str:
        return f"{self.likeness:g}" + ("" if self.shape else ", the shape held")


#: Settings that are compared.
SETTINGS: Final = (
    *(Setting(likeness, True) for likeness in (0.0, 0.25, 0.5, 0.75, 1.0)),
    Setting(1.0, False),
)


def measure_settings(
    pipeline: FusionPipeline, judges: EvaluationJudges, folder: Path, pairs: Sequence[Pair]
) -> dict[Setting, list[list[float]]]:
    """Fuses every pair at every setting, and measures the figures `SHOWN` of each result."""
    max_shape = options.MAX_SHAPE
    figures: dict[Setting, list[list[float]]] = {setting: [] for setting in SETTINGS}
    for pair in tqdm(pairs, unit="pair"):
        source = judge_face(judges, read_photo(folder / pair.source, "source"), "source")
        target = judge_face(judges, read_photo(folder / pair.target, "target"), "target")
        for setting in SETTINGS:
            options.MAX_SHAPE = max_shape if setting.shape else 0.0  # type: ignore[misc]
            try:
                fused = pipeline(source.photo, target.photo, likeness=setting.likeness, tier="best")
            except FusionError:
                continue
            result = judge_face(judges, fused.image, "result")
            measured = measure(source, target, result, 0.0)
            figures[setting].append([measured[key] for key in SHOWN])
    return figures


def report(
    args: argparse.Namespace,
    judges: EvaluationJudges,
    pairs: int,
    figures: dict[Setting, list[list[float]]],
) -> str:
    """Formats the means of the figures in Markdown."""
    command = "python -m benchmarks.likeness --data DIR"
    command += f" --pairs {args.pairs.name}" if args.pairs else ""
    command += f" --identity-judge {args.identity_judge.name}" if args.identity_judge else ""
    lines = [
        "# Likeness\n", f"`{command}`\n", f"{pairs} pairs at the best tier, means. Identity: {judges.identity_name}\n",
        "| likeness | identity to the source | identity to the target | expression, % of the eye distance | pose, degrees |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for setting, rows in figures.items():
        source, target, expression, pose = np.mean(rows, axis=0)
        cells = f"{source:.3f} | {target:.3f} | {expression:.2f} | {pose:.2f}"
        lines.append(f"| {setting} | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Prints the table and writes it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.likeness", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--pairs",
        type=Path,
        help="columns source, target (default: drawn from the validation split)",
    )
    parser.add_argument(
        "--identity-judge", type=Path, help="MobileFaceNet ONNX (default: our own network)"
    )
    parser.add_argument("--limit", type=int)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    pairs = read_pairs(args.pairs, args.data) if args.pairs else draw_pairs(val_faces(args.data))
    pipeline = FusionPipeline.from_pretrained()
    judges = choose_judges(pipeline, args.identity_judge)
    pairs = pairs[: args.limit]
    figures = measure_settings(pipeline, judges, args.data, pairs)
    text = report(args, judges, len(pairs), figures)
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
