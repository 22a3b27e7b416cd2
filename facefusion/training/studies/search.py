"""Searches for better sizes of the fusion networks: width, expansion and kernel, in equal time.

`python -m facefusion.training search coarse|refine --pack FILE --out benchmarks/search-coarse.md`
lets Optuna propose designs. Each is timed as it would ship; those that take longer than the
hand-made design are dropped, the others are trained from the same seed on the same samples.
Designs are not trained twice. Nothing else may run meanwhile.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import optuna
import torch
from torch import nn

from facefusion.engines.sessions import make_session
from facefusion.export.onnx import CONTRACTS, Contract, export_onnx
from facefusion.nets import coarse, refine
from facefusion.nets.blocks import Design
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.refine import EnhancementNet
from facefusion.training.studies.ablation import (
    BATCHES,
    RATE,
    parameter_count,
    saved_figures,
)
from facefusion.training.studies.search_report import MAX_TIME_RATIO, Results, plot, table
from facefusion.training.tensors.command import add_material, loaded
from facefusion.training.tensors.stages import Nets
from facefusion.training.tensors.trainer import Files, Material, Settings, Training

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


@dataclass(frozen=True)
class Space:
    """Search space of one network.

    Attributes:
        reference: the hand-made design.
        make_shipped: builds the network that ships, of a design, to be timed.
        contract: interface of that network.
        train: trains a network of a design in a folder; returns its `psnr` and `ssim`.
    """

    reference: Design
    make_shipped: Callable[[Design], nn.Module]
    contract: Contract
    train: Callable[[Design, Path], dict[str, float]]


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
    torch.manual_seed(0)
    net = space.make_shipped(design).eval()
    reference = space.make_shipped(space.reference).eval()
    net_time, reference_time = milliseconds(net, space.contract, reference)
    figures = {
        "ratio": net_time / reference_time,
        "ms": net_time,
        "parameters": parameter_count(net),
    }
    if figures["ratio"] <= MAX_TIME_RATIO or design == space.reference:
        figures |= space.train(design, run)
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


def _make_coarse(design: Design) -> CoarseFusionModel:
    return CoarseFusionModel(design=design)


def _coarse_nets(design: Design) -> Nets:
    return Nets(coarse=partial(_make_coarse, design))


def _refine_nets(design: Design) -> Nets:
    return Nets(refine=partial(EnhancementNet, design))


def make_space(network: str, material: Material, start: Path, steps: int) -> Space:
    """Builds the search space of a network.

    Args:
        network: "coarse" or "refine".
        material: faces and frozen networks.
        start: folder of the coarse network that refine is trained on.
        steps: steps of a training.
    """
    view = {"coarse": 128, "refine": 256}[network]
    make_nets = {"coarse": _coarse_nets, "refine": _refine_nets}[network]
    batch = BATCHES[material.device.type][view]

    def train(design: Design, run: Path) -> dict[str, float]:
        nets = make_nets(design)
        settings = Settings(network, ((view, batch),), RATE, steps=steps, nets=nets)
        training = Training(settings, Files(start, run, new=True), material)
        training.run()
        figures = training.validation.figures(training.state.averaged)
        return {name: figures[name] for name in ("psnr", "ssim")}

    if network == "coarse":
        return Space(coarse.DESIGN, _make_coarse, CONTRACTS["coarse"], train)
    contract = replace(CONTRACTS["refine"], dynamic=None)
    return Space(refine.DESIGN, EnhancementNet, contract, train)


def main(arguments: Sequence[str] | None = None) -> int:
    """Searches, prints the table, and writes it with its plot."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training search", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    add("network", choices=("coarse", "refine"))
    add_material(parser)
    add("--trials", type=int, default=24)
    add("--steps", type=int, default=200)
    add("--runs", type=Path, default=Path("runs/search"), help="folder of the trainings")
    add("--out", type=Path, help="file of the table; the plot lies beside it")
    args = parser.parse_args(arguments)
    material = loaded(args, (128, 256))
    space = make_space(args.network, material, args.checkpoints, args.steps)
    results = search(space, args.trials, args.runs / args.network / str(args.steps))
    report = table(args.network, results, space.reference, args.trials, args.steps)
    print(report)
    if args.out:
        args.out.write_text(report, encoding="utf-8")
        plot(results, space.reference, args.out.with_suffix(".png"))
    return 0
