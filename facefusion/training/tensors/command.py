"""Runs `python -m facefusion.training fusion coarse|refine|joint --pack FILE`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import torch

from facefusion.training.tensors.loss_networks import LossFiles
from facefusion.training.tensors.objective import Weights
from facefusion.training.tensors.trainer import Files, Settings, Training

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command, with the process's arguments by default."""
    parser = argparse.ArgumentParser(prog="python -m facefusion.training fusion")
    parser.description = "Trains the fusion networks on packed faces, by time, on any device."
    add = parser.add_argument
    add("stage", choices=("coarse", "refine", "joint"))
    add("--pack", type=Path, required=True, help="packed faces (`pack`)")
    add("--start", type=Path, default=Path("checkpoints"), help="folder of networks to begin with")
    add("--checkpoints", type=Path, default=Path("checkpoints"), help="folder of judge and mesh")
    add("--lite0", type=Path, required=True, help="weights of EfficientNet-Lite0")
    add("--teacher", type=Path, help="MobileFaceNet as written by `teacher`")
    add("--out", type=Path, required=True, help="folder of networks, log and picture")
    add("--checkpoint", type=Path, help="file to resume from (default: OUT/checkpoint.pt)")
    add("--discriminators", type=Path, help="discriminators to begin with")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--seconds", type=float, required=True, help="length of the training")
    add("--this-run", type=float, help="seconds of this run (default: until the end)")
    add("--views", help="sides and batches, as 256x48,384x20")
    add("--rate", type=float)
    add("--weights", default="", help="weights of losses, as identity=4,light=9")
    add("--seed", type=int, default=0)
    add("--limit", type=int, help="number of faces of a split, for trials")
    add("--threads", type=int, help="threads on a CPU")
    add("--eager", action="store_true", help="do without CUDA graphs")
    args = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    device = torch.device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    settings = Settings(
        args.stage,
        parsed_views(args.views or VIEWS[device.type][args.stage]),
        args.seconds,
        args.rate or RATES[args.stage],
        Weights.parsed(args.weights),
        seed=args.seed,
        limit=args.limit,
        graphs=not args.eager,
    )
    own = args.checkpoints
    files = Files(
        args.pack,
        LossFiles(own / "judge.safetensors", own / "mesh.safetensors", args.lite0, args.teacher),
        args.start,
        args.out,
        args.discriminators,
        args.checkpoint or args.out / "checkpoint.pt",
    )
    Training(settings, files, device).run(args.this_run or args.seconds)
    return 0
