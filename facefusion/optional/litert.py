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
    """A TFLite file with one signature, whose inputs and outputs are called as in the ONNX file.

    Args:
        path: the file.
        threads: all cores by default.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._interpreter: Any = Interpreter(str(path), num_threads=threads or os.cpu_count() or 1)
        self._lock = threading.Lock()  # an interpreter holds its tensors, so it serves one caller at a time
        (self._signature,) = self._interpreter.get_signature_list()
        self._runner = self._interpreter.get_signature_runner(self._signature)

    def run(self, outputs: list[str], feeds: Mapping[str, FloatArray], /) -> list[FloatArray]:
        """The named outputs; inputs keep the ONNX layout."""
        with self._lock:
            answers = self._runner(**feeds)
            return [np.array(answers[name], np.float32) for name in outputs]
