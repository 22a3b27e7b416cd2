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
from collections.abc import Callable, Sequence
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
from facefusion.geometry.topology import eye_distance
from facefusion.machine.cpu import describe_machine
from facefusion.nets import coarse, refine
from facefusion.nets.blocks import Design
from facefusion.nets.coarse import CoarseFusionModel
from facefusion.nets.refine import EnhancementNet, ProgressiveFusionNet
from facefusion.training.environment import restart
from facefusion.training.judges import JUDGING, Judges
from facefusion.training.loop import Schedule, Task, train
from facefusion.training.samples.data import AlignedFaces, align_faces, load_faces
from facefusion.training.studies.ablation import reconstruction_scores, remembered
from facefusion.training.tasks.coarse import CoarseTask
from facefusion.training.tasks.refine import (
    LEAST_EYE_DISTANCE,
    REFINE_CROP,
    ProgressiveTask,
    progressive,
)

#: Shares of the hand-made widths that a design may have.
SHARES: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4)
#: Expansions that a design may have.
EXPANSIONS: Final = (1.5, 2.0, 2.5, 3.0, 4.0)
#: Kernel sides in pixels that a design may have.
KERNELS: Final = (3, 5)
#: Divisor of the channel counts: the number of channels that a core computes at once.
ROUND: Final = 8
#: Largest ratio to the hand-made design's time of designs that count as equally fast: timing noise.
SLACK: Final = 1.03
ROUNDS: Final = 60
#: Least gain in dB over the hand-made design to replace it: another seed changes a tenth.
MIN_GAIN: Final = 0.1


class _ReconstructionOnly:
    """Training on reconstructions only, whose truth is known, without judges."""

    unpaired = 0.0

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        """Returns nothing, because `measure` evaluates once at the end."""
        return {}


class CoarseReconstruction(_ReconstructionOnly, CoarseTask):
    """Training of the coarse stage on reconstructions only."""


class RefineReconstruction(_ReconstructionOnly, ProgressiveTask):
    """Training of the refine stage on reconstructions only."""


@dataclass(frozen=True)
class Space:
    """Search space of one network.

    Attributes:
        hand: the hand-made design.
        make: builds the network that ships, of a design, to be timed.
        contract: interface of that network.
        trained: builds the network that is trained, of a design.
        task: trains it; its `net` is replaced.
        schedule: length and rates of the training.
    """

    hand: Design
    make: Callable[[Design], nn.Module]
    contract: Contract
    trained: Callable[[Design], nn.Module]
    task: Task[Any]
    schedule: Schedule


def scaled(hand: Design, share: float, expand: float, kernel: int) -> Design:
    """Scales the hand-made widths by a share, rounded to multiples of `ROUND`."""
    widths = tuple(max(ROUND, ROUND * round(share * width / ROUND)) for width in hand.widths)
    return Design(widths, expand, kernel)


def milliseconds(net: nn.Module, contract: Contract, beside: nn.Module) -> tuple[float, float]:
    """Returns the median times in ms of two networks.

    Their runs alternate, so that other load on the machine slows both.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{i}.onnx") for i in range(2)]
        for each, file in zip((net, beside), files, strict=True):
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
    mine, other = np.median(times[ROUNDS // 10 :], axis=0)
    return float(mine), float(other)


def measure(space: Space, design: Design, run: Path) -> dict[str, float]:
    """Times a design against the hand-made one, and trains it if it is as fast."""
    torch.manual_seed(space.schedule.seed)
    net, beside = space.make(design).eval(), space.make(space.hand).eval()
    mine, other = milliseconds(net, space.contract, beside)
    figures = {
        "ratio": mine / other,
        "ms": mine,
        "parameters": float(sum(p.numel() for p in net.parameters())),
    }
    if figures["ratio"] <= SLACK or design == space.hand:
        torch.manual_seed(space.schedule.seed)
        space.task.net = space.trained(design)
        figures |= reconstruction_scores(
            space.task, train(space.task, space.schedule, run, space.trained(design))
        )
    return figures


def search(space: Space, trials: int, runs: Path) -> dict[Design, dict[str, float]]:
    """Returns figures of every design that was tried; those that are too slow have no `psnr`."""
    found: dict[Design, dict[str, float]] = {}

    def tried(design: Design) -> dict[str, float]:
        name = f"{'-'.join(map(str, design.widths))}-x{design.expand}-k{design.kernel}"
        found[design] = remembered(
            runs / name / "figures.json", partial(measure, space, design, runs / name)
        )
        return found[design]

    def objective(trial: optuna.Trial) -> float:
        figures = tried(
            scaled(
                space.hand,
                trial.suggest_categorical("share", SHARES),
                trial.suggest_categorical("expand", EXPANSIONS),
                trial.suggest_categorical("kernel", KERNELS),
            )
        )
        if "psnr" not in figures:
            raise optuna.TrialPruned
        return figures["psnr"]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=6)
    )
    study.enqueue_trial({"share": 1.0, "expand": space.hand.expand, "kernel": space.hand.kernel})
    study.optimize(objective, n_trials=trials)
    return found


def front(results: dict[Design, dict[str, float]]) -> list[Design]:
    """Returns the Pareto front of time and quality, from the fastest design on."""
    best, chosen = -np.inf, []
    for design in sorted(
        (d for d in results if "psnr" in results[d]), key=lambda d: results[d]["ratio"]
    ):
        if results[design]["psnr"] > best:
            best = results[design]["psnr"]
            chosen.append(design)
    return chosen


def plot(results: dict[Design, dict[str, float]], hand: Design, out: Path) -> None:
    """Plots quality against time, with the Pareto front as a line."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), dpi=110)
    trained = [figures for figures in results.values() if "psnr" in figures]
    axes.scatter(
        [f["ratio"] for f in trained], [f["psnr"] for f in trained], color="#888888", label="tried"
    )
    line = [results[design] for design in front(results)]
    axes.plot(
        [f["ratio"] for f in line],
        [f["psnr"] for f in line],
        color="#1f6f8b",
        marker="o",
        label="front",
    )
    axes.scatter(
        [results[hand]["ratio"]],
        [results[hand]["psnr"]],
        color="#c0392b",
        marker="*",
        s=160,
        label="made by hand",
    )
    axes.axvline(SLACK, color="#bbbbbb", linestyle="--")
    axes.set_xlabel("time, design made by hand = 1")
    axes.set_ylabel("PSNR of reconstructions, dB")
    axes.legend()
    figure.tight_layout()
    figure.savefig(out)


def table(network: str, results: dict[Design, dict[str, float]], space: Space, trials: int) -> str:
    """Writes the report as Markdown."""
    steps, line = space.schedule.steps, front(results)
    lines = [
        f"# Search of the {network} network's size\n",
        f"`python -m facefusion.training.studies.search {network} --data DIR --trials {trials} --steps {steps} "
        f"--out benchmarks/search-{network}.md`\n",
        f"{trials} proposals of Optuna's TPE (Bergstra et al., NeurIPS 2011), {len(results)} of them different, scored by",
        f"the PSNR of reconstructions of val faces after {steps} steps from one seed. Time: ONNX Runtime fp32 in turn with",
        f"the design made by hand, on {describe_machine()['cpu']}; "
        f"what took over {SLACK:.2f} of its time was not trained.\n",
        f"![quality against time](search-{network}.png)\n",
        "| widths | expansion | kernel | parameters | time | PSNR, dB | SSIM | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for design in sorted(results, key=lambda d: -results[d].get("psnr", -results[d]["ratio"])):
        figures = results[design]
        quality = (
            [f"{figures['psnr']:.2f}", f"{figures['ssim']:.4f}"]
            if "psnr" in figures
            else ["too slow", ""]
        )
        notes = [
            note
            for note, holds in (("made by hand", design == space.hand), ("front", design in line))
            if holds
        ]
        cells = [
            " ".join(map(str, design.widths)), f"{design.expand:g}", str(design.kernel), f"{figures['parameters']:,.0f}",
            f"{figures['ratio']:.2f}", *quality, ", ".join(notes),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    lines.append("\n" + verdict(results, space.hand))
    return "\n".join(lines) + "\n"


def verdict(results: dict[Design, dict[str, float]], hand: Design) -> str:
    """Returns the sentence that says which design to take."""
    best = max(front(results), key=lambda design: results[design]["psnr"])
    gain = results[best]["psnr"] - results[hand]["psnr"]
    if gain >= MIN_GAIN:
        return f"{' '.join(map(str, best.widths))} is better by {gain:.2f} dB: it should be trained to the end."
    return (
        f"None is better by {MIN_GAIN} dB, so the design made by hand stays. Smaller ones are as "
        "good after so few steps; what a larger one gains shows in trainings that are a hundred "
        "times as long."
    )


def make_space(network: str, data: Path, checkpoints: Path, steps: int) -> Space:
    """Builds the search space of a network, with its training faces."""
    judges = Judges(*(checkpoints / f"{name}.safetensors" for name in JUDGING))
    schedule = Schedule(
        steps=steps,
        rate=2e-3,
        warmup=steps // 10,
        ema=0.98,
        threads=2,
        workers=1,
        evaluate_every=steps,
    )
    splits = [load_faces(data, split) for split in ("train", "val")]
    if network == "coarse":
        whole = [align_faces(part) for part in splits]
        task = CoarseReconstruction(whole[0], whole[1], judges)
        return Space(coarse.DESIGN, _coarse, CONTRACTS["coarse"], _coarse, task, schedule)
    file = checkpoints / "coarse.safetensors"
    sharp = [_sharp(part) for part in splits]

    def trained(design: Design) -> ProgressiveFusionNet:
        return ProgressiveFusionNet(progressive(file, None).coarse, EnhancementNet(design))

    refined = RefineReconstruction(trained(refine.DESIGN), sharp[0], sharp[1], judges, frozen=True)
    contract = replace(CONTRACTS["refine"], dynamic=None)
    return Space(
        refine.DESIGN,
        EnhancementNet,
        contract,
        trained,
        refined,
        replace(schedule, batch=8, rate=1e-3),
    )


def _coarse(design: Design) -> CoarseFusionModel:
    return CoarseFusionModel(design=design)


def _sharp(faces: Sequence[Any]) -> AlignedFaces:
    return align_faces(
        [face for face in faces if eye_distance(face.mesh) >= LEAST_EYE_DISTANCE], REFINE_CROP
    )


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
    report = table(args.network, results, space, args.trials)
    print(report)
    if args.out:
        args.out.write_text(report, encoding="utf-8")
        plot(results, space.hand, args.out.with_suffix(".png"))


if __name__ == "__main__":
    restart("facefusion.training.studies.search")
    main()
