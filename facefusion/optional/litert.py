"""LiteRT (TensorFlow Lite with XNNPACK), for files that `facefusion export --format tflite` made."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from facefusion.types import FloatArray


class LiteRtNetwork:
    """A TFLite file with a signature `sSIDE` for every side; inputs are called and laid out as in the ONNX file.

    Args:
        path: the file.
        threads: all cores by default.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._interpreter: Any = Interpreter(str(path), num_threads=threads or os.cpu_count() or 1)
        self._lock = threading.Lock()  # an interpreter holds its tensors, so it serves one caller at a time
        self._runners: dict[int, Any] = {}

    def run(self, outputs: list[str], feeds: Mapping[str, FloatArray], /) -> list[FloatArray]:
        """All outputs, in the order of the ONNX file's, as many as are named."""
        side = feeds["warped"].shape[-1]
        with self._lock:
            if side not in self._runners:
                self._runners[side] = self._interpreter.get_signature_runner(f"s{side}")
            answers = self._runners[side](**feeds)
            return [np.array(answers[f"output_{i}"], np.float32) for i in range(len(outputs))]
