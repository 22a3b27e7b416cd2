"""Measures one cold start: time and memory of a fresh process.

`python -m facefusion.cli.startup PHOTOS.npz TIER [WEIGHTS]` prints one line of JSON. It is a module
of its own, because start-up time and memory can only be measured in a process without other work.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

_IMPORTED = time.time()  # after `facefusion/__init__.py` has imported the pipeline

import numpy as np  # noqa: E402

from facefusion import FusionPipeline  # noqa: E402
from facefusion.machine.process import own_process  # noqa: E402

_STATUS = Path("/proc/self/status")


def memory_mb() -> dict[str, float | None]:
    """Reads this process's memory in MB (10^6 bytes): `resident`, `peak`; None if unknown."""
    if _STATUS.exists():
        # Not getrusage here: on Linux its peak is inherited from the parent process.
        fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return {
            name: int(fields[key].split()[0]) * 1024 / 1e6
            for name, key in (("resident", "VmRSS"), ("peak", "VmHWM"))
        }
    try:
        import resource
    except ImportError:  # Windows
        return {"resident": None, "peak": None}
    return {
        "resident": None,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }  # bytes on macOS


def main(photos: str, tier: str, weights: str | None = None) -> dict[str, Any]:
    """Loads the pipeline and fuses once.

    Args:
        photos: .npz with `source` and `target`, RGB uint8.
        tier: the tier to run.
        weights: directory of the networks.

    Returns:
        `imported_at` in seconds since the epoch, seconds of `load` and of the `first_result`, and
        `memory_mb`.
    """
    begin = time.perf_counter()
    pipeline = FusionPipeline.from_pretrained(weights)
    loaded = time.perf_counter()
    with np.load(photos) as file:
        source, target = file["source"], file["target"]
    ready = time.perf_counter()
    pipeline(source, target, tier=tier)
    end = time.perf_counter()
    return {
        "imported_at": _IMPORTED,
        "load": loaded - begin,
        "first_result": end - ready,
        "memory_mb": memory_mb(),
    }


if __name__ == "__main__":
    own_process()
    print(json.dumps(main(*sys.argv[1:])))
