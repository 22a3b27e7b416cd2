"""Measures for `facefusion bench`: time by stage, start-up, memory, weights, and the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.tiers import Tier
from facefusion.types import Photo

#: Runs before the counted ones, which fill caches and allocate memory.
WARM_UP: Final = 2
_ROOT: Final = Path(__file__).resolve().parent.parent.parent


def percentiles(samples: Iterable[float]) -> dict[str, float]:
    """Returns median and 90th percentile, in milliseconds, of samples in seconds."""
    p50, p90 = np.percentile(np.fromiter(samples, float) * 1000, (50, 90))
    return {"p50": round(float(p50), 2), "p90": round(float(p90), 2)}


def stage_times(
    pipeline: FusionPipeline, pairs: Sequence[tuple[Photo, Photo]], tier: Tier, runs: int
) -> dict[str, dict[str, float]]:
    """Fuses the pairs in turn, `runs` times after warming up, each time first new, then cached.

    Returns:
        Percentiles in milliseconds by stage, in the order of the stages, and of the `total`: the
        time of the whole call, a little more than the stages' sum; `again` is the total when both
        photos are cached, `target again` when only the target is.
    """
    samples: dict[str, list[float]] = {}
    for i in range(-WARM_UP, runs):
        source, target = pairs[i % len(pairs)]
        pipeline.cache.clear()
        begin = time.perf_counter()
        result = pipeline(source, target, tier=tier)
        end = time.perf_counter()
        pipeline(source, target, tier=tier)
        again = time.perf_counter() - end
        pipeline.cache.clear()
        pipeline(target, target, tier=tier)
        begin_again = time.perf_counter()
        pipeline(source, target, tier=tier)
        target_again = time.perf_counter() - begin_again
        seconds = {
            **result.timings.stages,
            "total": end - begin,
            "again": again,
            "target again": target_again,
        }
        if i >= 0:
            for stage, value in seconds.items():
                samples.setdefault(stage, []).append(value)
    return {stage: percentiles(values) for stage, values in samples.items()}


def cold_start(source: Photo, target: Photo, tier: Tier, weights: Path | None) -> dict[str, Any]:
    """Starts a fresh Python process, loads the networks and fuses once.

    Returns:
        `seconds` of `import` (from the start of the process), `load`, `first_result` and their
        `total`; `memory_mb` (`startup.memory_mb`) after that result.
    """
    with tempfile.TemporaryDirectory() as directory:
        photos = Path(directory, "photos.npz")
        np.savez(photos, source=source, target=target)
        command = [sys.executable, "-m", "facefusion.cli.startup", str(photos), tier.value]
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        begin = time.time()
        done = subprocess.run(
            command + ([str(weights)] if weights else []),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
    report = json.loads(done.stdout.splitlines()[-1])  # libraries may print lines before it
    seconds = {
        "import": report["imported_at"] - begin,
        "load": report["load"],
        "first_result": report["first_result"],
    }
    seconds["total"] = sum(seconds.values())
    return {
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "memory_mb": {
            name: value and round(value, 1) for name, value in report["memory_mb"].items()
        },
    }


def weight_sizes(weights: Path | None) -> dict[str, float]:
    """Megabytes (10^6 bytes) of each network's file, and their `total`."""
    files = read_manifest(weights or EMBEDDED_WEIGHTS)
    sizes = {name: file.path.stat().st_size / 1e6 for name, file in files.items()}
    return {name: round(size, 3) for name, size in {**sizes, "total": sum(sizes.values())}.items()}
