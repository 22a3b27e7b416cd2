"""Runs files of `facefusion export --format tflite` in LiteRT (TensorFlow Lite with XNNPACK)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from facefusion.errors import WeightsError
from facefusion.machine.limits import session_threads
from facefusion.models.networks import NETWORKS
from facefusion.types import FloatArray


class LiteRtNetwork:
    """A TFLite file with a signature `sSIDE` for every side.

    Inputs have the names and layout of the ONNX file's.

    Args:
        path: TFLite file.
        threads: threads of the interpreter; as many as the process may use by default.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._interpreter: Any = Interpreter(str(path), num_threads=threads or session_threads())
        # An interpreter holds its tensors, so it runs one call at a time.
        self._lock = threading.Lock()
        self._runners: dict[int, Any] = {}

    def check(self, name: str, side: int) -> None:
        """Checks that the file is the network `name` of `NETWORKS`, with a signature for `side`.

        Raises:
            WeightsError: its inputs, outputs or signatures differ.
        """
        signatures = self._interpreter.get_signature_list()
        if f"s{side}" not in signatures:
            raise WeightsError(
                f"The {name} network for LiteRT has no signature for a side of {side} pixels."
            )
        inputs = sorted(NETWORKS[name].inputs)
        outputs = NETWORKS[name].outputs
        for signature in signatures.values():
            found = sorted(signature["inputs"])
            if found != inputs or len(signature["outputs"]) != len(outputs):
                raise WeightsError(
                    f"The {name} network for LiteRT does not fit this pipeline: its inputs are {', '.join(found)} with "
                    f"{len(signature['outputs'])} outputs, and should be {', '.join(inputs)} with {len(outputs)}."
                )

    def run(self, outputs: list[str], feeds: Mapping[str, FloatArray], /) -> list[FloatArray]:
        """Returns as many outputs as are named, in the order of the ONNX file's."""
        side = feeds["warped"].shape[-1]
        with self._lock:
            if side not in self._runners:
                self._runners[side] = self._interpreter.get_signature_runner(f"s{side}")
            answers = self._runners[side](**feeds)
            return [np.array(answers[f"output_{i}"], np.float32) for i in range(len(outputs))]
