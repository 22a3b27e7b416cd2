"""Measures what the parts of the method contribute, by training without each of them.

`python -m facefusion.training ablation --pack FILE --minutes N --out benchmarks/ablation.md` trains
each variant from nothing, for the same time and for each seed, and writes tables of all finished
trainings. These are not repeated, interrupted ones resume.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Final

import torch
from torch import nn

from facefusion.nets.coarse import CoarseFusionModel
from facefusion.training.studies.ablation_report import Results, report
from facefusion.training.tensors.command import add_material, loaded
from facefusion.training.tensors.objective import Weights
from facefusion.training.tensors.odds import DEFAULT_ODDS, Odds
from facefusion.training.tensors.stages import SHIPPED, Nets
from facefusion.training.tensors.trainer import Files, Material, Settings, Training
from facefusion.training.tensors.validation import Validation

#: Samples of a batch by the side of the samples in pixels, on a GPU and on a CPU.
BATCHES: Final = {"cuda": {128: 128, 256: 48}, "cpu": {128: 16, 256: 8}}
#: AdamW's rate at its highest.
RATE: Final = 1e-3
#: Batches of validation samples that the figures are means of.
FIGURE_BATCHES: Final = 8
#: Seconds between checkpoints. Each measures figures, which takes half a minute on a CPU.
SAVE_EVERY: Final = 600.0
#: File of a finished training's figures, in its folder.
FIGURES: Final = "figures.json"
#: File that names what trained, beside the trainings' folders.
PLACE: Final = "place.txt"


@dataclass(frozen=True)
class Phase:
    """A training of a variant: its stage, the side of its samples, and its share of the time."""

    stage: str = "coarse"
    view: int = 128
    share: float = 1.0


@dataclass(frozen=True)
class Variant:
    """Networks and how they are trained, in one phase after the other.

    Attributes:
        title: the variant's name in the tables.
        nets: the networks' designs.
        weights: weights of the losses.
        odds: probabilities in a sample.
        phases: its trainings.
    """

    title: str
    nets: Nets = SHIPPED
    weights: Weights = field(default_factory=Weights)
    odds: Odds = DEFAULT_ODDS
    phases: tuple[Phase, ...] = (Phase(),)


def _coarse(title: str, **options: object) -> Variant:
    """Returns the variant whose coarse network has these arguments."""
    return Variant(title, nets=Nets(coarse=partial(CoarseFusionModel, **options)))


Variants = Mapping[str, Variant]

#: The coarse network without its parts, and without parts of its training.
PARTS: Final[Variants] = {
    "method": Variant("FAAM on skips and bottleneck, told the identity"),
    "unconditioned": _coarse("FAAM, not told the identity", conditioned=False),
    "skips-only": _coarse(
        "FAAM on skips only, not told the identity", bottleneck=False, conditioned=False
    ),
    "plain": _coarse("no FAAM, plain skips", skips="plain", bottleneck=False),
    "no-skips": _coarse("no FAAM, no skips", skips="none", bottleneck=False),
    "no-projected": Variant("no projected discriminator", weights=Weights(projected=0)),
    "no-mottle": Variant("no mottle", odds=replace(DEFAULT_ODDS, mottled=0)),
}
#: Progressive generation, and the coarse network's design at the full size.
WAYS: Final[Variants] = {
    "progressive": Variant(
        "progressive: 128 px, then refined",
        phases=(Phase(share=0.5), Phase("refine", 256, 0.5)),
    ),
    "one-step": Variant("one step", phases=(Phase(view=256),)),
}


@dataclass(frozen=True)
class Length:
    """Length of all phases of a variant: seconds, steps, or what is reached first."""

    seconds: float = math.inf
    steps: float = math.inf

    def of(self, phase: Phase) -> Length:
        """Returns the length of a phase."""
        steps = self.steps if math.isinf(self.steps) else max(1, round(self.steps * phase.share))
        return Length(self.seconds * phase.share, steps)

    def numbers(self) -> dict[str, str]:
        """Returns the finite ones of both numbers, the seconds as minutes."""
        both = {"minutes": self.seconds / 60, "steps": self.steps}
        return {unit: f"{number:g}" for unit, number in both.items() if math.isfinite(number)}

    def described(self) -> str:
        """Describes the length, as in "4 minutes or 750 steps"."""
        return " or ".join(f"{number} {unit}" for unit, number in self.numbers().items())


def parameter_count(net: nn.Module) -> float:
    """Counts the parameters of a network."""
    return float(sum(p.numel() for p in net.parameters()))


def saved_figures(file: Path, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Returns the figures in a JSON file; measures and writes them if it does not exist."""
    if not file.exists():
        figures = measure()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(figures), encoding="utf-8")
    saved: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return saved


def measure(
    variant: Variant, length: Length, seed: int, material: Material, run: Path
) -> dict[str, float]:
    """Trains a variant in a folder and measures it.

    Returns:
        Figures of `Validation` on samples with the default odds; `parameters` and `samples`.
    """
    start, samples = run, 0
    for number, phase in enumerate(variant.phases):
        batch = BATCHES[material.device.type][phase.view]
        own = length.of(phase)
        settings = Settings(
            phase.stage,
            ((phase.view, batch),),
            RATE,
            own.seconds,
            own.steps,
            nets=variant.nets,
            weights=variant.weights,
            odds=variant.odds,
            seed=seed,
            save_every=SAVE_EVERY,
        )
        out = run / f"{number}-{phase.stage}"
        training = Training(settings, Files(start, out, new=True), material)
        training.run()
        start, samples = out, samples + batch * training.step
    view = variant.phases[-1].view
    judge = Validation(material.val, material.networks, view, DEFAULT_ODDS, FIGURE_BATCHES)
    stage = training.state.averaged
    own_figures = {"parameters": parameter_count(stage), "samples": float(samples)}
    return judge.figures(stage) | own_figures


def views_of(variants: Variants) -> set[int]:
    """Returns the sides of the samples that the variants are trained on."""
    return {phase.view for variant in variants.values() for phase in variant.phases}


def train(
    variants: Variants, length: Length, seeds: Sequence[int], material: Material, runs: Path
) -> None:
    """Trains and measures each variant with each seed. Finished trainings are not repeated."""
    for seed, (name, variant) in product(seeds, variants.items()):
        print(f"{variant.title}, seed {seed}", flush=True)
        run = runs / f"{name}-{seed}"
        saved_figures(run / FIGURES, partial(measure, variant, length, seed, material, run))


def finished(variants: Variants, runs: Path) -> Results:
    """Returns the figures of each variant by seed, without those that have no finished training."""
    found = {
        variant.title: [
            json.loads(file.read_text(encoding="utf-8"))
            for file in sorted(runs.glob(f"{name}-[0-9]*/{FIGURES}"))
        ]
        for name, variant in variants.items()
    }
    return {title: rows for title, rows in found.items() if rows}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training ablation", description=__doc__.split("\n")[0]
    )
    add_material(parser)
    add = parser.add_argument
    add("--minutes", type=float, default=math.inf, help="minutes of each variant and seed")
    add("--steps", type=int, default=math.inf, help="steps of each; what comes first ends it")
    add("--seeds", default="0,1", help="seeds (default: %(default)s)")
    every = [*PARTS, *WAYS]
    add("--variants", nargs="+", choices=every, default=every, help="to train (default: all)")
    add("--runs", type=Path, default=Path("runs/ablation"), help="folder of the trainings")
    add("--out", type=Path, help="file of the tables")
    args = parser.parse_args(arguments)
    if args.minutes == args.steps == math.inf:
        parser.error("Please give the length, --minutes or --steps.")
    return args


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains what is not yet trained, prints the tables of all that is and writes them."""
    args = _parse(arguments)
    every = {**PARTS, **WAYS}
    chosen = {name: every[name] for name in every if name in args.variants}
    length = Length(60 * args.minutes, args.steps)
    seeds = [int(seed) for seed in args.seeds.split(",")]
    runs = args.runs / "-".join(number + unit for unit, number in length.numbers().items())
    place = runs / PLACE
    if not all((runs / f"{name}-{seed}" / FIGURES).exists() for name in chosen for seed in seeds):
        material = loaded(args, views_of(chosen))
        runs.mkdir(parents=True, exist_ok=True)
        place.write_text(_place(material.device), encoding="utf-8")  # also for what a kill leaves
        train(chosen, length, seeds, material, runs)
    parts, ways = (finished(each, runs) for each in (PARTS, WAYS))
    trained = [name for name in every if every[name].title in {**parts, **ways}]
    options = [f"--{unit} {number}" for unit, number in length.numbers().items()]
    if len(trained) < len(every):
        options += ["--variants", *trained]
    text = report(
        parts,
        ways,
        options=" ".join(options),
        length=f"{length.described()} on {place.read_text(encoding='utf-8')}",
        untrained=[each.title for name, each in every.items() if name not in trained],
        costs=_costs() if ways else None,
    )
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    return 0


def _place(device: torch.device) -> str:
    """Names what trains: a GPU, or threads of a CPU."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{torch.get_num_threads()} CPU thread(s)"


def _costs() -> dict[str, dict[str, float]]:
    """Returns the costs of both ways by title, none without ONNX and its runtime."""
    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        return {}
    from facefusion.training.studies.costs import costs_of_ways

    titles = [variant.title for variant in WAYS.values()]
    return dict(zip(titles, costs_of_ways(), strict=True))
