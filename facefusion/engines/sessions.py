"""Opens ONNX Runtime sessions on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import onnxruntime

from facefusion.errors import WeightsError
from facefusion.machine.limits import session_threads
from facefusion.types import FloatArray

# Before the first session: on Windows no variable switches it off (`telemetry.SWITCHES`).
onnxruntime.disable_telemetry_events()

#: Arrays by the name of a network's input.
Feeds = Mapping[str, FloatArray]


class Network(Protocol):
    """An open network; safe for concurrent calls."""

    def run(self, outputs: list[str], feeds: Feeds, /) -> list[FloatArray]:
        """Returns the named outputs for inputs by name."""


def session_options(threads: int | None = None) -> onnxruntime.SessionOptions:
    """Makes options of a CPU session with `threads` intra-op threads (as many as the process may use by default)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or session_threads()
    options.inter_op_num_threads = 1
    # An arena would keep each network's peak memory, 50 MB in all, and saves no time.
    options.enable_cpu_mem_arena = False
    # Idle threads that spin would take cores from OpenCV and from other calls between networks.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def make_session(path: Path, threads: int | None = None) -> onnxruntime.InferenceSession:
    """Opens an ONNX file on the CPU.

    Raises:
        WeightsError: ONNX Runtime cannot open it.
    """
    options = session_options(threads)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base class
        raise WeightsError(
            f"ONNX Runtime cannot open {path.name}: {type(error).__name__}."
        ) from error
