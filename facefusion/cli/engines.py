"""Compares the fusion networks in every installed engine: `facefusion bench --engines`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from facefusion.engines.accuracy import synthetic_inputs
from facefusion.engines.registry import ENGINES
from facefusion.engines.trials import RUNS, Trial, preferred, try_engines
from facefusion.machine.cpu import describe_machine
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.models.networks import fusion_networks


def lines(weights: Path | None = None, threads: int | None = None) -> Iterator[str]:
    """Tries every engine and yields a Markdown table; the last line names the pipeline's choice.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    machine = describe_machine()
    yield f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}, onnxruntime {machine['onnxruntime']}"
    yield ""
    networks = fusion_networks()
    sizes = ", ".join(f"{name} at {spec.largest_side}" for name, spec in networks.items())
    yield f"Milliseconds of {sizes}, the quickest of several; decibels from the first engine's answers."
    yield ""
    yield "| engine | " + " | ".join(f"{name} | dB" for name in networks) + " |"
    yield "|---" * (2 * len(networks) + 1) + "|"
    trials = try_engines(read_manifest(weights or EMBEDDED_WEIGHTS), threads)
    for engine in ENGINES:
        yield (
            f"| {engine} | "
            + " | ".join(_cells(tried.get(engine)) for tried in trials.values())
            + " |"
        )
    yield from _torch_line()
    yield ""
    yield (
        "The pipeline takes "
        + ", ".join(f"{engine} for {name}" for name, engine in preferred(trials).items())
        + "."
    )


def _cells(trial: Trial | None) -> str:
    """Formats milliseconds and decibels of a trial, or the reason why there are none."""
    if trial is None:
        return "- | not installed, or without weights"
    milliseconds = "-" if math.isinf(trial.seconds) else f"{1000 * trial.seconds:.1f}"
    return f"{milliseconds} | {trial.reason or f'{trial.psnr:.1f}'}"


def _torch_line() -> Iterator[str]:
    """Yields the time in PyTorch for comparison; nothing without torch or the checkpoints."""
    try:
        formats, framework = (
            import_module(name) for name in ("facefusion.export.formats", "torch")
        )
        networks = {
            name: formats.load_trained(name, formats.CHECKPOINTS) for name in fusion_networks()
        }
    except (ImportError, OSError):
        return
    times = []
    for name, spec in fusion_networks().items():
        inputs = synthetic_inputs(name, spec.largest_side)
        feeds = {key: framework.from_numpy(value) for key, value in inputs.items()}
        seconds = []
        with framework.inference_mode():
            for _ in range(1 + RUNS):  # the first one warms up
                begin = time.perf_counter()
                networks[name](**feeds)
                seconds.append(time.perf_counter() - begin)
        times.append(1000 * min(seconds))
    yield "| torch, does not serve | " + " | ".join(f"{value:.1f} |" for value in times) + " |"
