"""Runs ONNX files in OpenVINO (https://docs.openvino.ai)."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import openvino

from facefusion.machine.limits import session_threads
from facefusion.types import FloatArray


@cache
def _core() -> openvino.Core:
    """Returns the process's one core, with its CPU plugin loaded in a thread that ends.

    The plugin gives the thread that loads it an alternate signal stack (sigaltstack(2)) and frees
    it when the last model is dropped. With a plugin for each core the main thread is left with
    another plugin's freed stack, and the next signal, such as SIGTERM, is a segmentation fault. A
    plugin loaded here leaves other threads as they are.
    """

    def load() -> openvino.Core:
        core = openvino.Core()
        core.get_versions("CPU")
        return core

    with ThreadPoolExecutor(1, thread_name_prefix="openvino") as thread:
        return thread.submit(load).result()


class OpenVinoNetwork:
    """An ONNX file, compiled for the CPU once for every input size.

    Args:
        path: ONNX file; quantised ones (QDQ) run in 8 bits.
        threads: threads of the network; as many as the process may use by default.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        settings = {
            "INFERENCE_NUM_THREADS": str(threads or session_threads()),
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # the default is bfloat16 on some processors
        }
        self._model = _core().compile_model(str(path), "CPU", settings)

    def run(self, outputs: list[str], feeds: Mapping[str, FloatArray], /) -> list[FloatArray]:
        """Returns the named outputs; each call has its own request, for concurrent calls."""
        answers = self._model.create_infer_request().infer(dict(feeds))
        return [np.array(answers[name], np.float32) for name in outputs]
