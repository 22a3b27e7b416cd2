"""`facefusion bench --engines`: the fusion networks in every engine that is installed, in one table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facefusion.cli.measure import machine
from facefusion.engines import SIDES, Engine, quickest, try_engines
from facefusion.runtime import EMBEDDED_WEIGHTS, read_manifest


def lines(weights: Path | None = None, threads: int | None = None) -> Iterator[str]:
    """Tries every engine and tells of it in Markdown; the last line names what the pipeline would take.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    named = machine()
    yield f"{named['cpu']}, {named['cores']} cores, load {named['load']}, onnxruntime {named['onnxruntime']}"
    yield ""
    sizes = ", ".join(f"{name} at {side}" for name, side in SIDES.items())
    yield f"Milliseconds of {sizes}, the quickest of several; decibels from the first engine's answers."
    yield ""
    yield "| engine | " + " | ".join(SIDES) + " | both | PSNR, dB | |"
    yield "|---" * (len(SIDES) + 4) + "|"
    trials = try_engines(read_manifest(weights or EMBEDDED_WEIGHTS), threads)
    for engine in Engine:
        trial = trials.get(engine)
        if trial is None:
            yield f"| {engine} | " + "- | " * (len(SIDES) + 2) + "not installed, or without weights |"
        elif trial.seconds is None:
            yield f"| {engine} | " + "- | " * (len(SIDES) + 2) + f"{trial.reason} |"
        else:
            times = [1000 * trial.seconds[name] for name in SIDES]
            cells = " | ".join(f"{value:.1f}" for value in (*times, sum(times), trial.psnr))
            yield f"| {engine} | {cells} | {trial.reason} |"
    yield ""
    yield f"The pipeline takes {quickest(trials)}."
