"""Measures what the parts of the method contribute, by training without each of them.

`python -m facefusion.training ablation --pack FILE --minutes N --out benchmarks/ablation.md` trains
each variant from nothing, for the same time and for each seed, and writes tables. Finished trainings
are not repeated, interrupted ones resume.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

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


@dataclass(frozen=True)
class Phase:
    """A training of a variant: its stage, the side of its samples, and its share of the time."""

    stage: str = "coarse"
    view: int = 128
    share: float = 1.0


@dataclass(frozen=True)
class Variant:
    """Networks and how they are trained, in one phase after the other."""

    nets: Nets = SHIPPED
    weights: Weights = field(default_factory=Weights)
    odds: Odds = DEFAULT_ODDS
    phases: tuple[Phase, ...] = (Phase(),)


def _coarse(**options: object) -> Variant:
    """Returns the variant whose coarse network has these arguments."""
    return Variant(nets=Nets(coarse=partial(CoarseFusionModel, **options)))


#: The coarse network without its parts, and without parts of its training.
PARTS: Final = {
    "FAAM on skips and bottleneck, told the identity": Variant(),
    "FAAM, not told the identity": _coarse(conditioned=False),
    "FAAM on skips only, not told the identity": _coarse(bottleneck=False, conditioned=False),
    "no FAAM, plain skips": _coarse(skips="plain", bottleneck=False),
    "no FAAM, no skips": _coarse(skips="none", bottleneck=False),
    "no projected discriminator": Variant(weights=Weights(projected=0)),
    "no mottle": Variant(odds=replace(DEFAULT_ODDS, mottled=0)),
}
#: Progressive generation, and the coarse network's design at the full size.
WAYS: Final = {
    "progressive: 128 px, then refined": Variant(
        phases=(Phase(share=0.5), Phase("refine", 256, 0.5))
    ),
    "one step": Variant(phases=(Phase(view=256),)),
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


def results(
    variants: Mapping[str, Variant],
    length: Length,
    seeds: Sequence[int],
    material: Material,
    runs: Path,
) -> Results:
    """Returns the figures of each variant by seed. Finished trainings are not repeated."""
    found: Results = {name: [] for name in variants}
    for seed in seeds:
        for name, variant in variants.items():
            run = runs / f"{name.replace(' ', '-').replace(',', '').replace(':', '')}-{seed}"
            print(f"{name}, seed {seed}", flush=True)
            found[name].append(
                saved_figures(
                    run / "figures.json", partial(measure, variant, length, seed, material, run)
                )
            )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains what is not yet trained, prints the tables and writes them."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training ablation", description=__doc__.split("\n")[0]
    )
    add_material(parser)
    add = parser.add_argument
    add("--minutes", type=float, default=math.inf, help="minutes of each variant and seed")
    add("--steps", type=int, default=math.inf, help="steps of each, for trials")
    add("--seeds", default="0,1", help="seeds (default: %(default)s)")
    add("--runs", type=Path, default=Path("runs/ablation"), help="folder of the trainings")
    add("--out", type=Path, help="file of the tables")
    args = parser.parse_args(arguments)
    if args.minutes == args.steps == math.inf:
        parser.error("Please give the length, --minutes or --steps.")
    material = loaded(args, (128, 256))
    length = Length(60 * args.minutes, args.steps)
    given = f"{args.minutes:g}m" if math.isfinite(args.minutes) else f"{args.steps}"
    seeds = [int(seed) for seed in args.seeds.split(",")]
    parts, ways = (
        results(each, length, seeds, material, args.runs / given) for each in (PARTS, WAYS)
    )
    text = report(parts, ways, length.seconds, length.steps, material.device, _costs())
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    return 0


def _costs() -> list[dict[str, float]]:
    """Returns the costs of both ways, or empty ones without ONNX and its runtime."""
    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        return [{}, {}]
    from facefusion.training.studies.costs import costs_of_ways

    return list(costs_of_ways())
