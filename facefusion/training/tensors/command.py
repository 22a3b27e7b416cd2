"""Runs `python -m facefusion.training coarse|refine|joint --pack FILE --out DIR`."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import torch

from facefusion.training.tensors.loss_networks import LossFiles
from facefusion.training.tensors.objective import Weights
from facefusion.training.tensors.trainer import Files, Material, Settings, Training

#: Side of the samples and samples of a batch by stage, on a GPU and on a CPU.
VIEWS: Final = {
    "cuda": {"coarse": "128x128", "refine": "256x48,384x20", "joint": "256x48,384x20"},
    "cpu": {"coarse": "128x16", "refine": "256x8", "joint": "256x8"},
}
#: Rates by stage.
RATES: Final = {"coarse": 4e-4, "refine": 4e-4, "joint": 2e-4}


def parsed_views(text: str) -> tuple[tuple[int, int], ...]:
    """Parses sides and batches as in "256x48,384x20"."""
    pairs = [each.split("x") for each in text.split(",")]
    return tuple((int(side), int(batch)) for side, batch in pairs)


def add_material(parser: argparse.ArgumentParser) -> None:
    """Adds the options that `loaded` reads."""
    add = parser.add_argument
    add("--pack", type=Path, required=True, help="packed faces (`pack`)")
    add("--checkpoints", type=Path, default=Path("checkpoints"), help="folder of judge and mesh")
    add("--lite0", type=Path, help="weights of EfficientNet-Lite0 (default: without its losses)")
    add("--teacher", type=Path, help="MobileFaceNet as written by `teacher`")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--threads", type=int, help="threads on a CPU")
    add("--limit", type=int, help="number of faces of a split, for trials")


def loaded(args: argparse.Namespace, views: Sequence[int]) -> Material:
    """Loads what trainings on samples of these sides share."""
    cv2.setNumThreads(1)
    if args.threads:
        torch.set_num_threads(args.threads)
    own = args.checkpoints
    networks = LossFiles(
        own / "judge.safetensors", own / "mesh.safetensors", args.lite0, args.teacher
    )
    return Material.load(args.pack, networks, views, torch.device(args.device), args.limit)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m facefusion.training")
    parser.description = "Trains the fusion networks on packed faces, on any device."
    add = parser.add_argument
    add("stage", choices=tuple(RATES))
    add_material(parser)
    add("--start", type=Path, default=Path("checkpoints"), help="folder of networks to begin with")
    add("--new", action="store_true", help="begin the stage's network with random weights")
    add("--out", type=Path, required=True, help="folder of networks, log and picture")
    add("--checkpoint", type=Path, help="file to resume from (default: OUT/checkpoint.pt)")
    add("--discriminators", type=Path, help="discriminators to begin with")
    add("--seconds", type=float, default=math.inf, help="length, without figures and pictures")
    add("--steps", type=int, default=math.inf, help="length in steps; what comes first ends it")
    add("--this-run", type=float, default=math.inf, help="seconds of this run, all included")
    add("--views", help="sides and batches, as 256x48,384x20")
    add("--rate", type=float)
    add("--weights", default="", help="weights of losses, as identity=4,light=9")
    add("--seed", type=int, default=0)
    add("--eager", action="store_true", help="do without CUDA graphs")
    args = parser.parse_args(arguments)
    if args.seconds == args.steps == math.inf:
        parser.error("Please give the length, --seconds or --steps.")
    return args


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command, with the process's arguments by default."""
    args = _parse(arguments)
    kind = torch.device(args.device).type
    settings = Settings(
        args.stage,
        parsed_views(args.views or VIEWS[kind][args.stage]),
        args.rate or RATES[args.stage],
        args.seconds,
        args.steps,
        weights=Weights.parsed(args.weights),
        seed=args.seed,
        graphs=not args.eager,
    )
    files = Files(args.start, args.out, args.discriminators, args.checkpoint, new=args.new)
    material = loaded(args, [view for view, _ in settings.views])
    Training(settings, files, material).run(args.this_run)
    return 0
