"""Names the processor, and whether to use a GPU."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def cpu_name() -> str:
    """Returns the processor's model name."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def wants_gpu() -> bool:
    """Returns whether to use a GPU: on ZeroGPU, or if the environment requests CUDA."""
    return bool(os.environ.get("SPACES_ZERO_GPU")) or os.environ.get("FACEFUSION_DEVICE") == "cuda"
