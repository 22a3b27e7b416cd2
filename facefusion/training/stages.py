"""Defines the stages of training by name, in the order of their dependencies, and runs them."""

from __future__ import annotations

import argparse
import dataclasses
import tomllib
from pathlib import Path
from typing import Any, Final

import cv2
from safetensors.torch import load_file
from torch import nn

from facefusion.geometry.topology import eye_distance
from facefusion.training.loop import Schedule, Task, train
from facefusion.training.samples.data import align_faces, load_faces

SCHEDULES: Final = Path(__file__).with_name("schedules.toml")
STAGES: Final = (
    "detector",
    "mesh",
    "identity",
    "judge",
    "spectacles",
    "hair",
    "eyelids",
    "coarse",
    "refine",
    "joint",
)


def schedules(path: Path = SCHEDULES) -> dict[str, Schedule]:
    """Reads the schedules, one table for each stage.

    Raises:
        SystemExit: the file names a stage or a setting that does not exist.
    """
    with path.open("rb") as handle:
        tables = tomllib.load(handle)
    known = {field.name for field in dataclasses.fields(Schedule)}
    wrong = [name for name in tables if name not in STAGES]
    wrong += [
        f"{name}.{key}"
        for name, table in tables.items()
        if name in STAGES
        for key in table
        if key not in known
    ]
    if wrong:
        raise SystemExit(f"{path.name}: no such stage or setting: {', '.join(wrong)}")
    return {name: Schedule(**table) for name, table in tables.items()}


def make_task(stage: str, args: argparse.Namespace) -> tuple[Task[Any], nn.Module]:
    """Builds the task of a stage and a second instance of its network for the moving average."""
    faces, val = load_faces(args.data, "train"), load_faces(args.data, "val")
    if stage == "detector":
        from facefusion.training.tasks.detector import DetectorNet, DetectorTask

        return DetectorTask(faces, val), DetectorNet()
    if stage == "mesh":
        from facefusion.training.tasks.mesh import MeshNet, MeshTask

        return MeshTask(align_faces(faces), align_faces(val)), MeshNet()
    if stage == "identity":
        from facefusion.training.tasks.identity import IdentityNet, IdentityTask

        return IdentityTask(
            align_faces(faces), align_faces(val), _teacher(args, stage)
        ), IdentityNet()
    if stage == "judge":
        from facefusion.nets.identity import JUDGE_BLOCKS
        from facefusion.training.tasks.identity import FUSED, IdentityNet, IdentityTask

        teacher = _teacher(args, stage)
        net = IdentityNet(JUDGE_BLOCKS)
        net.load_state_dict(load_file(_built(args, "identity")), strict=False)
        task = IdentityTask(
            align_faces(faces), align_faces(val), teacher, net, fused=FUSED, stagewise=0
        )
        task.name = "judge"
        return task, IdentityNet(JUDGE_BLOCKS)
    if stage == "spectacles":
        from facefusion.training.tasks.spectacles import SpectaclesNet, SpectaclesTask

        return SpectaclesTask(align_faces(faces), align_faces(val)), SpectaclesNet()
    if stage == "hair":
        from facefusion.training.tasks.hair import HairNet, HairTask

        return HairTask(align_faces(faces), align_faces(val)), HairNet()
    if stage == "eyelids":
        from facefusion.training.tasks.eyelids import EyelidsNet, EyelidsTask

        return EyelidsTask(faces, val), EyelidsNet()
    from facefusion.training.judges import JUDGING, Judges

    judges = Judges(*(_built(args, name) for name in JUDGING))
    if stage == "coarse":
        from facefusion.training.tasks.coarse import CoarseFusionModel, CoarseTask

        return CoarseTask(align_faces(faces), align_faces(val), judges), CoarseFusionModel()
    from facefusion.training.tasks.refine import (
        LEAST_EYE_DISTANCE,
        REFINE_CROP,
        ProgressiveTask,
        progressive,
    )

    sharp = [
        [face for face in part if eye_distance(face.mesh) >= LEAST_EYE_DISTANCE]
        for part in (faces, val)
    ]
    aligned = [align_faces(part, REFINE_CROP) for part in sharp]
    began = _built(args, "refine") if stage == "joint" else args.start_from
    pair = [progressive(_built(args, "coarse"), began) for _ in range(2)]
    return ProgressiveTask(pair[0], aligned[0], aligned[1], judges, frozen=stage == "refine"), pair[
        1
    ]


def _teacher(args: argparse.Namespace, stage: str) -> Path:
    """Returns the file of the identity networks' teacher."""
    if args.teacher is None:
        raise SystemExit(f"{stage} learns from a teacher: give --teacher mobilefacenet.onnx")
    path: Path = args.teacher
    return path


def _built(args: argparse.Namespace, stage: str) -> Path:
    """Returns the weights of a stage that this one depends on."""
    path: Path = getattr(args, stage) or args.checkpoints / f"{stage}.safetensors"
    if not path.is_file():
        raise SystemExit(
            f"there is no {path}: train {stage} first, or name its file with --{stage}"
        )
    return path


def run_stage(stage: str, schedule: Schedule, args: argparse.Namespace) -> None:
    """Trains one network, resuming an interrupted run, and exports it."""
    from facefusion.export.onnx import export_network, save_half

    task, averaged = make_task(stage, args)
    if args.start_from is not None and stage != "refine":
        missing, unknown = task.net.load_state_dict(load_file(args.start_from), strict=False)
        if unknown:
            raise SystemExit(
                f"{args.start_from.name} is of another network: it has {', '.join(unknown[:3])}"
            )
        if missing:
            print(f"new, as they were made: {', '.join(missing)}")
    net = train(task, schedule, args.run or Path("runs") / stage, averaged)
    if stage == "judge":  # it does not ship
        save_half(net, args.checkpoints / "judge.safetensors")
        return
    parts = {"refine": ("refine",), "joint": ("coarse", "refine")}.get(stage)
    for name in parts or (stage,):
        export_network(name, getattr(net, name) if parts else net, args.weights, args.checkpoints)


def main() -> int:
    """Runs `python -m facefusion.training`."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training",
        description=__doc__,
        epilog="`python -m facefusion.training prepare IMAGES --out DIR` makes the data folder.",
    )
    parser.add_argument("stage", choices=(*STAGES, "all"), help="all: one after the other")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with faces.csv, mesh468.npz and the images"
    )
    parser.add_argument("--teacher", type=Path, help="MobileFaceNet ONNX file (identity)")
    for built in ("identity", "judge", "mesh", "spectacles", "hair", "coarse", "refine"):
        parser.add_argument(
            f"--{built}",
            type=Path,
            help=f"safetensors file of {built}, for the stages that build on it",
        )
    parser.add_argument(
        "--start-from", type=Path, help="safetensors file to begin with instead of random weights"
    )
    parser.add_argument("--run", type=Path, help="checkpoint folder (default: runs/STAGE)")
    parser.add_argument(
        "--weights", type=Path, default=Path("weights"), help="where the trained weights go"
    )
    parser.add_argument(
        "--checkpoints",
        type=Path,
        default=Path("checkpoints"),
        help="where safetensors to resume from go",
    )
    parser.add_argument(
        "--schedules",
        type=Path,
        default=SCHEDULES,
        help="TOML file with the schedule of each stage",
    )
    whole_numbers = ("steps", "batch", "threads", "workers", "seed", "evaluate_every")
    for field in whole_numbers:
        parser.add_argument(f"--{field.replace('_', '-')}", type=int)
    parser.add_argument("--rate", type=float)
    args = parser.parse_args()
    if args.stage == "all" and (args.run or args.start_from):
        parser.error("--run and --start-from are of one stage")
    given = {name: getattr(args, name) for name in (*whole_numbers, "rate")}
    read = schedules(args.schedules)
    cv2.setNumThreads(1)
    for stage in STAGES if args.stage == "all" else (args.stage,):
        schedule = dataclasses.replace(
            read[stage], **{k: v for k, v in given.items() if v is not None}
        )
        run_stage(stage, schedule, args)
    return 0
