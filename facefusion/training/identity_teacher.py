"""Runs MobileFaceNet, the teacher of the identity networks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime

#: Teacher outputs at the ends of the student's stages: 56, 28, 14, 14 and 7 pixels a side.
TEACHER_TAPS: Final = (
    "/dw_conv/relu_1/Relu_output_0",
    "/features/features.4/Add_output_0",
    "/features/features.8/Add_output_0",
    "/features/features.11/Add_output_0",
    "/features/features.14/Add_output_0",
)
#: Mean of RGB in [0, 1] in the teacher's training.
IMAGENET_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
#: Standard deviation of RGB in [0, 1] in the teacher's training.
IMAGENET_STD: Final = np.array([0.229, 0.224, 0.225], np.float32)


class IdentityTeacher:
    """MobileFaceNet (Chen et al., 2018) with its intermediate features as further outputs."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        model = onnx.load(str(path))
        self.embedding = model.graph.output[0].name
        model.graph.output.extend(
            onnx.helper.make_empty_tensor_value_info(name) for name in TEACHER_TAPS
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0].name
        self.batched = isinstance(self.session.get_inputs()[0].shape[0], str)

    def __call__(self, faces: np.ndarray) -> list[np.ndarray]:
        """Returns one array for each tap, then the unit-length embedding (N, 128).

        Args:
            faces: (N, 112, 112, 3) RGB uint8.
        """
        x = (
            ((faces / np.float32(255) - IMAGENET_MEAN) / IMAGENET_STD)
            .transpose(0, 3, 1, 2)
            .astype(np.float32)
        )
        names = [*TEACHER_TAPS, self.embedding]
        if self.batched:
            outputs = self.session.run(names, {self.input: x})
        else:
            single = [self.session.run(names, {self.input: face[None]}) for face in x]
            outputs = [np.concatenate(parts) for parts in zip(*single, strict=True)]
        outputs[-1] = outputs[-1] / np.linalg.norm(outputs[-1], axis=1, keepdims=True)
        return list(outputs)
