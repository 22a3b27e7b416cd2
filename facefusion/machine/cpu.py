"""Describes the machine, and says whether to use a GPU."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from facefusion.machine.limits import usable_cpus


def cpu_name() -> str:
    """Returns the processor's model name."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def wants_gpu() -> bool:
    """Returns whether to use a GPU: on ZeroGPU, or if the environment requests CUDA."""
    return bool(os.environ.get("SPACES_ZERO_GPU")) or os.environ.get("FACEFUSION_DEVICE") == "cuda"


def describe_machine() -> dict[str, Any]:
    """Describes the machine that the figures depend on.

    `load` is the mean number of processes that wanted a core in the last minute.
    """
    return {
        "cpu": cpu_name(),
        "cores": usable_cpus(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "opencv": version("opencv-python"),
    }
