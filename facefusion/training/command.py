"""Runs stages of training by name, but for the fusion networks'."""

from __future__ import annotations

import argparse
import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import torch
from safetensors.torch import load_file
from torch import nn

from facefusion.training.loop import Schedule, train
from facefusion.training.samples.data import load_faces, require_images
from facefusion.training.stages import GIVEN, STAGES, Inputs

SCHEDULES: Final = Path(__file__).with_name("schedules.toml")
#: Settings of a schedule that have an option of the command, with their types.
SETTINGS: Final = {
    "steps": int,
    "batch": int,
    "threads": int,
    "workers": int,
    "seed": int,
    "evaluate_every": int,
    "rate": float,
}


@dataclasses.dataclass(frozen=True)
class Paths:
    """Files and folders of a run.

    Attributes:
        data: folder with `faces.csv`, `mesh468.npz` and the images.
        weights: folder of the trained ONNX files.
        checkpoints: folder of the trained safetensors files.
        run: folder of the training's own checkpoint and log; `runs/STAGE` by default.
        start_from: safetensors file to begin with, or None for random weights.
        given: files of `Stage.needs` that are not in `checkpoints`, by name.
    """

    data: Path
    weights: Path
    checkpoints: Path
    run: Path | None = None
    start_from: Path | None = None
    given: Mapping[str, Path] = dataclasses.field(default_factory=dict)


def read_schedules(path: Path = SCHEDULES) -> dict[str, Schedule]:
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


def needed_file(stage: str, name: str, paths: Paths) -> Path:
    """Returns the file of one of the names in `Stage.needs`.

    Raises:
        SystemExit: there is no such file.
    """
    if name in GIVEN and name not in paths.given:
        raise SystemExit(f"{stage} needs a file: give --{name}, {GIVEN[name]}")
    path = paths.given.get(name, paths.checkpoints / f"{name}.safetensors")
    if path.is_file():
        return path
    if name in GIVEN:
        raise SystemExit(f"there is no {path}")
    raise SystemExit(f"there is no {path}: train {name} first, or name its file with --{name}")


def load_inputs(stage: str, paths: Paths) -> Inputs:
    """Loads the inputs of a stage.

    Raises:
        SystemExit: a file that the stage needs, or a split of the data, is missing.
    """
    files = {name: needed_file(stage, name, paths) for name in STAGES[stage].needs}
    splits = {split: load_faces(paths.data, split) for split in ("train", "val")}
    for split, faces in splits.items():
        require_images(stage, len(faces), f'images with the split "{split}"')
    return Inputs(splits["train"], splits["val"], files)


def load_start(path: Path, net: nn.Module) -> None:
    """Loads the weights that a training begins with; layers that the file lacks stay new.

    Raises:
        SystemExit: the file holds layers that `net` lacks.
    """
    missing, unknown = net.load_state_dict(load_file(path), strict=False)
    if unknown:
        raise SystemExit(f"{path.name} is of another network: it has {', '.join(unknown[:3])}")
    if missing:
        print(f"not in {path.name}, so new: {', '.join(missing)}")


def run_stage(name: str, schedule: Schedule, paths: Paths) -> None:
    """Trains a stage, resuming an interrupted run, and exports its network."""
    from facefusion.export.onnx import export_network, save_half

    stage = STAGES[name]
    torch.manual_seed(schedule.seed)  # of the initial weights
    task, averaged = stage.make(load_inputs(name, paths))
    if paths.start_from is not None:
        load_start(paths.start_from, task.net)
    net = train(task, schedule, paths.run or Path("runs") / name, averaged)
    if stage.ships:
        export_network(name, net, paths.weights, paths.checkpoints)
    else:
        save_half(net, paths.checkpoints / f"{name}.safetensors")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training",
        description=__doc__,
        epilog="`python -m facefusion.training --help` names the other commands.",
    )
    add = parser.add_argument
    add("stage", choices=(*STAGES, "all"), help="all: one after the other")
    add("--data", type=Path, required=True, help="folder of faces.csv, mesh468.npz and the images")
    for name in _needed_names():
        what = GIVEN.get(name, f"safetensors file of {name}")
        users = ", ".join(stage for stage in STAGES if name in STAGES[stage].needs)
        add(f"--{name}", type=Path, help=f"{what}, for {users}")
    add("--start-from", type=Path, help="safetensors file to begin with instead of random weights")
    add("--run", type=Path, help="checkpoint folder (default: runs/STAGE)")
    add("--weights", type=Path, default=Path("weights"), help="folder of the trained ONNX files")
    add("--checkpoints", type=Path, default=Path("checkpoints"), help="folder of safetensors files")
    add("--schedules", type=Path, default=SCHEDULES, help="TOML file with the stages' schedules")
    for setting, kind in SETTINGS.items():
        add(f"--{setting.replace('_', '-')}", type=kind)
    args = parser.parse_args(arguments)
    if args.stage == "all" and (args.run or args.start_from):
        parser.error("--run and --start-from are of one stage")
    return args


def _needed_names() -> list[str]:
    """Returns all names in `Stage.needs`, each once."""
    return list(dict.fromkeys(name for stage in STAGES.values() for name in stage.needs))


def _given(args: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Returns the options among `names` that were given."""
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `python -m facefusion.training`, with the process's arguments by default."""
    args = _parse(arguments)
    paths = Paths(
        args.data,
        args.weights,
        args.checkpoints,
        args.run,
        args.start_from,
        _given(args, _needed_names()),
    )
    schedules = read_schedules(args.schedules)
    names = tuple(STAGES) if args.stage == "all" else (args.stage,)
    unscheduled = [name for name in names if name not in schedules]
    if unscheduled:
        raise SystemExit(f"{args.schedules.name} has no schedule for {', '.join(unscheduled)}")
    cv2.setNumThreads(1)
    for name in names:
        run_stage(
            name, dataclasses.replace(schedules[name], **_given(args, tuple(SETTINGS))), paths
        )
    return 0
