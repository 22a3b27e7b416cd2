"""What `likeness` does, and what moving the face's shape is worth: `python -m benchmarks.likeness
--data DIR ...`.

Fuses the same pairs at several settings and lets the judges of `python -m facefusion evaluate` look
at the results.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import numpy as np
from tqdm import tqdm

import facefusion.pipeline.options as product
from facefusion.errors import FusionError
from facefusion.evaluation.judges import choose_judges, judge_face
from facefusion.evaluation.measures import measure
from facefusion.evaluation.pairs import draw_pairs, read_pairs, val_faces
from facefusion.images.reading import read_photo
from facefusion.pipeline.pipeline import FusionPipeline

#: Likeness, and whether the face's shape may move.
SETTINGS: Final = ((0.0, True), (0.25, True), (0.5, True), (0.75, True), (1.0, True), (1.0, False))
SHOWN: Final = ("id_similarity", "target_similarity", "expression_error_pct", "pose_error_deg")


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
    pairs = (read_pairs(args.pairs, args.data) if args.pairs else draw_pairs(val_faces(args.data)))[
        : args.limit
    ]
    pipeline = FusionPipeline.from_pretrained()
    judges = choose_judges(pipeline, args.identity_judge)
    most = product.MAX_SHAPE
    found: dict[tuple[float, bool], list[list[float]]] = {setting: [] for setting in SETTINGS}
    for pair in tqdm(pairs, unit="pair"):
        source, target = (
            judge_face(judges, read_photo(args.data / name, role), role)
            for name, role in ((pair.source, "source"), (pair.target, "target"))
        )
        for likeness, shape in SETTINGS:
            product.MAX_SHAPE = most if shape else 0.0  # type: ignore[misc]
            try:
                fused = pipeline(source.photo, target.photo, likeness=likeness, tier="best")
            except FusionError:
                continue
            figures = measure(source, target, judge_face(judges, fused.image, "result"), 0.0)
            found[likeness, shape].append([figures[key] for key in SHOWN])
    command = "python -m benchmarks.likeness --data DIR"
    command += f" --pairs {args.pairs.name}" if args.pairs else ""
    command += f" --identity-judge {args.identity_judge.name}" if args.identity_judge else ""
    lines = [
        "# Likeness\n", f"`{command}`\n", f"{len(pairs)} pairs at the best tier, means. Identity: {judges.identity_name}\n",
        "| likeness | identity to the source | identity to the target | expression, % of the eye distance | pose, degrees |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for (likeness, shape), rows in found.items():
        means = np.mean(rows, axis=0)
        name = f"{likeness:g}" + ("" if shape else ", the shape held")
        lines.append(
            f"| {name} | {means[0]:.3f} | {means[1]:.3f} | {means[2]:.2f} | {means[3]:.2f} |"
        )
    report = "\n".join(lines) + "\n"
    print(report)
    if args.out:
        args.out.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
