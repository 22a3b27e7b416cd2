"""Measures a fusion of two 1024 px photos on this machine: `facefusion bench`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from facefusion.cli import engines
from facefusion.cli.files import CommandError, read_input, whole_file
from facefusion.cli.measure import cold_start, stage_times, weight_sizes
from facefusion.cli.pairs import read_pairs
from facefusion.machine.cpu import describe_machine
from facefusion.pipeline.pipeline import STAGES, FusionPipeline
from facefusion.tiers import TIERS
from facefusion.types import Photo

#: Side of the photos, in pixels.
SIDE: Final = 1024
EXAMPLES: Final = Path(__file__).resolve().parent.parent.parent / "examples"


def add_parser(commands: Any) -> None:
    """Adds the command to argparse's sub-parsers."""
    parser = commands.add_parser(
        "bench", help="measure this machine", description=f"Times two {SIDE} px photos by stage."
    )
    parser.add_argument(
        "--runs",
        type=int,
        default=20,
        metavar="N",
        help="counted runs of each tier (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="directory of the networks (default: embedded)"
    )
    parser.add_argument(
        "--engines", action="store_true", help="compare the installed engines instead"
    )
    parser.set_defaults(run=run)


def square(photo: Photo) -> Photo:
    """Crops the middle of `photo` (H, W, 3) and resizes it to `SIDE` x `SIDE` pixels."""
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    way = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    return np.asarray(
        cv2.resize(photo[top : top + side, left : left + side], (SIDE, SIDE), interpolation=way),
        np.uint8,
    )


def photos() -> tuple[str, list[tuple[Photo, Photo]]]:
    """Returns the origin and the pairs: the examples, or a portrait from a dependency."""
    if (EXAMPLES / "pairs.csv").exists():
        pairs = read_pairs(EXAMPLES / "pairs.csv")
        return "examples", [
            (square(read_input(p.sources[0], "source")), square(read_input(p.target, "target")))
            for p in pairs
        ]
    from skimage import data

    portrait = square(np.asarray(data.astronaut()))
    return "skimage.data.astronaut", [(portrait, portrait)]


def _row(title: str, cells: list[str]) -> str:
    return f"{title:<26}" + "".join(f"{cell:>14}" for cell in cells)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Yields the report as a readable table."""
    machine = report["machine"]
    yield f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}, {machine['system']}"
    yield (
        f"Python {machine['python']}, onnxruntime {machine['onnxruntime']}, opencv {machine['opencv']}"
    )
    yield f"{report['runs']} runs a tier, {report['pairs']} pair(s) of {SIDE} px photos from {report['photos']}"
    tiers = report["tiers"]
    yield ""
    yield _row("milliseconds", [f"{tier} {share}" for tier in tiers for share in ("p50", "p90")])
    wanted = (*STAGES, "total", "target again", "again")
    stages = [
        stage for stage in wanted if any(stage in tier["stages_ms"] for tier in tiers.values())
    ]
    for stage in stages:
        times = [
            tier["stages_ms"].get(stage, {}).get(share)
            for tier in tiers.values()
            for share in ("p50", "p90")
        ]
        yield _row(stage, [_number(value, 1) for value in times])
    for title, group, digits in (
        ("seconds of a new process", "seconds", 2),
        ("its memory, MB", "memory_mb", 0),
    ):
        yield ""
        yield _row(title, list(tiers))
        for name in next(iter(tiers.values()))["cold"][group]:
            yield _row(
                name.replace("_", " "),
                [_number(tier["cold"][group][name], digits) for tier in tiers.values()],
            )
    yield ""
    yield "weights, MB: " + ", ".join(
        f"{name} {size:.2f}" for name, size in report["weights_mb"].items()
    )


def run(args: argparse.Namespace) -> int:
    """Measures, prints and, on request, writes the report.

    Raises:
        CommandError, FusionError, WeightsError: see their messages.
    """
    if args.runs < 1:
        raise CommandError("At least one run is needed.")
    if args.json is not None and not args.json.parent.is_dir():
        raise CommandError(f"There is no directory {args.json.parent} for the report.")
    if args.engines:
        for line in engines.lines(args.weights):
            print(line, flush=True)
        return 0
    machine = describe_machine()  # before the work adds to the load
    origin, pairs = photos()
    sizes = weight_sizes(args.weights)
    pipeline = FusionPipeline.from_pretrained(args.weights)
    tiers = {
        tier.value: {
            "stages_ms": stage_times(pipeline, pairs, tier, args.runs),
            "cold": cold_start(*pairs[0], tier, args.weights),
        }
        for tier in TIERS
    }
    report = {
        "machine": machine,
        "photos": origin,
        "pairs": len(pairs),
        "side": SIDE,
        "runs": args.runs,
        "tiers": tiers,
        "weights_mb": sizes,
    }
    print("\n".join(lines(report)))
    if args.json is not None:
        with whole_file(args.json) as unfinished:
            unfinished.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0
