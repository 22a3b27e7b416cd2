"""The stages of training by name, their schedules, and where their weights go."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any, Final

import cv2
from safetensors.torch import load_file
from torch import nn

from facefusion.training.data import align_faces, load_faces
from facefusion.training.loop import Schedule, Task, train

SCHEDULES: Final = {
    "identity": Schedule(steps=5000, batch=24, rate=2e-3),
    "mesh": Schedule(steps=6000, batch=24, rate=2e-3),
    "detector": Schedule(steps=6000, batch=12, rate=2e-3),
    "coarse": Schedule(steps=8000, batch=16, rate=2e-3),
}


def make_task(stage: str, args: argparse.Namespace) -> tuple[Task[Any], nn.Module]:
    """Builds the task of a stage and a second instance of its network for the moving average."""
    faces, val = load_faces(args.data, "train"), load_faces(args.data, "val")
    if stage == "identity":
        from facefusion.training.identity import IdentityNet, IdentityTask

        if args.teacher is None:
            raise SystemExit("identity learns from a teacher: give --teacher mobilefacenet.onnx")
        return IdentityTask(align_faces(faces), align_faces(val), args.teacher), IdentityNet()
    if stage == "mesh":
        from facefusion.training.mesh import MeshNet, MeshTask

        return MeshTask(align_faces(faces), align_faces(val)), MeshNet()
    if stage == "detector":
        from facefusion.training.detector import DetectorNet, DetectorTask

        return DetectorTask(faces, val), DetectorNet()
    from facefusion.training.coarse import CoarseFusionModel, CoarseTask

    if args.identity is None:
        raise SystemExit("coarse is judged by an identity network: give --identity checkpoints/identity.safetensors")
    return CoarseTask(align_faces(faces), align_faces(val), args.identity), CoarseFusionModel()


def main() -> int:
    """Entry point of `python -m facefusion.training`."""
    parser = argparse.ArgumentParser(prog="python -m facefusion.training", description=__doc__)
    parser.add_argument("stage", choices=tuple(SCHEDULES))
    parser.add_argument("--data", type=Path, required=True, help="folder with faces.csv, mesh468.npz and the images")
    parser.add_argument("--teacher", type=Path, help="MobileFaceNet ONNX file (identity only)")
    parser.add_argument("--identity", type=Path, help="IdentityNet safetensors file (coarse only)")
    parser.add_argument("--start-from", type=Path, help="safetensors file to begin with instead of random weights")
    parser.add_argument("--run", type=Path, help="checkpoint folder (default: runs/STAGE)")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="where the trained weights go")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="where safetensors to resume from go")
    whole_numbers = ("steps", "batch", "threads", "workers", "seed", "evaluate_every")
    for field in whole_numbers:
        parser.add_argument(f"--{field.replace('_', '-')}", type=int)
    parser.add_argument("--rate", type=float)
    args = parser.parse_args()
    given = {name: getattr(args, name) for name in (*whole_numbers, "rate")}
    schedule = dataclasses.replace(SCHEDULES[args.stage], **{k: v for k, v in given.items() if v is not None})
    cv2.setNumThreads(1)
    task, averaged = make_task(args.stage, args)
    if args.start_from is not None:
        task.net.load_state_dict(load_file(args.start_from))
    net = train(task, schedule, args.run or Path("runs") / args.stage, averaged)
    from facefusion.export.onnx import export_network

    export_network(args.stage, net, args.weights, args.checkpoints)
    return 0
