"""Searches for better sizes of the fusion networks: width, expansion and kernel, in equal time.

`python -m facefusion.training.studies.search coarse|refine --data DIR --out benchmarks/search-coarse.md`
lets Optuna propose designs. Each is timed as it would ship; those that take longer than the
hand-made design are dropped, the others are trained from the same seed on the same reconstructions.
Designs are not trained twice. Nothing else may run meanwhile.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import optuna
import torch
from torch import nn

from facefusion.engines.sessions import make_session
from facefusion.export.onnx import CONTRACTS, Contract, export_onnx
from facefusion.nets import coarse, refine
from facefusion.nets.blocks import Design
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.refine import EnhancementNet, ProgressiveFusionNet
from facefusion.training.environment import restart
from facefusion.training.loop import Schedule, train
from facefusion.training.loss_networks import LossNetworks
from facefusion.training.samples.data import align_faces, load_faces
from facefusion.training.samples.swap_odds import SwapOdds
from facefusion.training.studies.ablation import (
    parameter_count,
    reconstruction_scores,
    saved_figures,
)
from facefusion.training.studies.search_report import MAX_TIME_RATIO, Results, plot, table
from facefusion.training.tasks.coarse import CoarseTask
from facefusion.training.tasks.fusion import FusionTask
from facefusion.training.tasks.refine import ProgressiveTask, align_large_faces, progressive

#: Shares of the hand-made widths that a design may have.
SHARES: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4)
#: Expansions that a design may have.
EXPANSIONS: Final = (1.5, 2.0, 2.5, 3.0, 4.0)
#: Kernel sides in pixels that a design may have.
KERNELS: Final = (3, 5)
#: Divisor of the channel counts: the number of channels that a core computes at once.
CHANNEL_MULTIPLE: Final = 8
#: Number of timed runs of each network.
ROUNDS: Final = 60


class _PairedOnly:
    """Training on paired samples only: reconstructions, whose truth is known."""

    odds = SwapOdds(unpaired=0.0)

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        """Returns nothing, because `measure` evaluates once at the end."""
        return {}


class PairedCoarseTask(_PairedOnly, CoarseTask):
    """Training of the coarse stage on paired samples only."""


class PairedRefineTask(_PairedOnly, ProgressiveTask):
    """Training of the refine stage on paired samples only."""


@dataclass(frozen=True)
class Space:
    """Search space of one network.

    Attributes:
        reference: the hand-made design.
        make_shipped: builds the network that ships, of a design, to be timed.
        contract: interface of that network.
        make_trained: builds the network that is trained, of a design.
        task: trains it; its `net` is replaced.
        schedule: length and rates of the training.
    """

    reference: Design
    make_shipped: Callable[[Design], nn.Module]
    contract: Contract
    make_trained: Callable[[Design], nn.Module]
    task: FusionTask[Any]
    schedule: Schedule


def scaled(design: Design, share: float, expand: float, kernel: int) -> Design:
    """Scales a design's widths by a share, rounded to multiples of `CHANNEL_MULTIPLE`."""
    multiples = (round(share * width / CHANNEL_MULTIPLE) for width in design.widths)
    return Design(tuple(CHANNEL_MULTIPLE * max(1, each) for each in multiples), expand, kernel)


def milliseconds(net: nn.Module, contract: Contract, reference: nn.Module) -> tuple[float, float]:
    """Returns the median times in ms of two networks.

    Their runs alternate, so that other load on the machine slows both.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{i}.onnx") for i in range(2)]
        for each, file in zip((net, reference), files, strict=True):
            export_onnx(each, contract, file)
        sessions = [make_session(file, None) for file in files]
    feeds = {
        name: np.random.rand(*shape).astype(np.float32) for name, shape in contract.inputs.items()
    }
    times = np.zeros((ROUNDS, 2))
    for row in times:
        for i, session in enumerate(sessions):
            begin = time.perf_counter()
            session.run(None, feeds)
            row[i] = 1000 * (time.perf_counter() - begin)
    net_time, reference_time = np.median(times[ROUNDS // 10 :], axis=0)
    return float(net_time), float(reference_time)


def measure(space: Space, design: Design, run: Path) -> dict[str, float]:
    """Times a design against the hand-made one, and trains it if it is as fast."""
    torch.manual_seed(space.schedule.seed)
    net = space.make_shipped(design).eval()
    reference = space.make_shipped(space.reference).eval()
    net_time, reference_time = milliseconds(net, space.contract, reference)
    figures = {
        "ratio": net_time / reference_time,
        "ms": net_time,
        "parameters": parameter_count(net),
    }
    if figures["ratio"] <= MAX_TIME_RATIO or design == space.reference:
        torch.manual_seed(space.schedule.seed)
        space.task.net = space.make_trained(design)
        averaged = space.make_trained(design)
        trained = train(space.task, space.schedule, run, averaged)
        figures |= reconstruction_scores(space.task, trained)
    return figures


def search(space: Space, trials: int, runs: Path) -> Results:
    """Returns figures of every design that was tried; those that are too slow have no `psnr`."""
    results: Results = {}

    def figures_of(design: Design) -> dict[str, float]:
        name = f"{'-'.join(map(str, design.widths))}-x{design.expand}-k{design.kernel}"
        results[design] = saved_figures(
            runs / name / "figures.json", partial(measure, space, design, runs / name)
        )
        return results[design]

    def objective(trial: optuna.Trial) -> float:
        design = scaled(
            space.reference,
            trial.suggest_categorical("share", SHARES),
            trial.suggest_categorical("expand", EXPANSIONS),
            trial.suggest_categorical("kernel", KERNELS),
        )
        figures = figures_of(design)
        if "psnr" not in figures:
            raise optuna.TrialPruned
        return figures["psnr"]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=6)
    )
    reference = space.reference
    study.enqueue_trial({"share": 1.0, "expand": reference.expand, "kernel": reference.kernel})
    study.optimize(objective, n_trials=trials)
    return results


def make_space(network: str, data: Path, checkpoints: Path, steps: int) -> Space:
    """Builds the search space of a network, with its training faces."""
    networks = LossNetworks.from_folder(checkpoints)
    schedule = Schedule(
        steps=steps, rate=2e-3, warmup=steps // 10, ema=0.98, threads=2, evaluate_every=steps
    )
    train_faces, val_faces = (load_faces(data, split) for split in ("train", "val"))
    if network == "coarse":
        task = PairedCoarseTask(align_faces(train_faces), align_faces(val_faces), networks)
        return Space(coarse.DESIGN, _make_coarse, CONTRACTS["coarse"], _make_coarse, task, schedule)
    coarse_file = checkpoints / "coarse.safetensors"

    def make_trained(design: Design) -> ProgressiveFusionNet:
        return ProgressiveFusionNet(progressive(coarse_file, None).coarse, EnhancementNet(design))

    large = [align_large_faces(faces) for faces in (train_faces, val_faces)]
    refine_task = PairedRefineTask(make_trained(refine.DESIGN), *large, networks, frozen=True)
    contract = replace(CONTRACTS["refine"], dynamic=None)
    schedule = replace(schedule, batch=8, rate=1e-3)
    return Space(refine.DESIGN, EnhancementNet, contract, make_trained, refine_task, schedule)


def _make_coarse(design: Design) -> CoarseFusionModel:
    return CoarseFusionModel(design=design)


def main() -> None:
    """Searches, prints the table, and writes it with its plot."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training.studies.search", description=__doc__
    )
    parser.add_argument("network", choices=("coarse", "refine"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--runs", type=Path, default=Path("runs/search"))
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    space = make_space(args.network, args.data, args.checkpoints, args.steps)
    results = search(space, args.trials, args.runs / args.network / str(args.steps))
    report = table(args.network, results, space.reference, args.trials, args.steps)
    print(report)
    if args.out:
        args.out.write_text(report, encoding="utf-8")
        plot(results, space.reference, args.out.with_suffix(".png"))


if __name__ == "__main__":
    restart("facefusion.training.studies.search")
    main()
