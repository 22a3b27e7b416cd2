"""Computes identity embeddings with insightface's ArcFace runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from insightface.model_zoo import get_model

from facefusion.engines.sessions import session_options
from facefusion.geometry.align import ARCFACE_TEMPLATE, crop_photo, similarity_transform
from facefusion.geometry.topology import five_points
from facefusion.types import FloatArray, Mesh, Photo

INPUT_SIZE: Final = 112


class IdentityEncoder:
    """ArcFace-format identity network (Deng et al., CVPR 2019).

    Args:
        path: ONNX file, (1, 3, 112, 112) RGB, (x - 127.5) / 127.5 -> (1, D).
        threads: intra-op threads.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._net = get_model(
            str(path),
            model_task="recognition",
            model_metadata={"preprocessing": {"mean": 127.5, "std": 127.5}},
            providers=["CPUExecutionProvider"],
            sess_options=session_options(threads),
        )

    @property
    def shapes(self) -> list[list[Any]]:
        """Shapes of the network's inputs, followed by those of its outputs."""
        session = self._net.session
        return [list(tensor.shape) for tensor in (*session.get_inputs(), *session.get_outputs())]

    def __call__(self, photo: Photo, mesh: Mesh) -> FloatArray:
        """Returns the unit-length (D,) embedding of a face.

        Args:
            photo: (H, W, 3) RGB uint8.
            mesh: (468, 3) mesh of the face in the photo's pixels.
        """
        crop = crop_photo(
            photo,
            similarity_transform(five_points(mesh), ARCFACE_TEMPLATE),
            INPUT_SIZE,
            cv2.BORDER_CONSTANT,
        )
        return np.asarray(self.embed(crop[None])[0])

    def embed(self, crops: Photo) -> FloatArray:
        """Embeds ArcFace crops, (N, 112, 112, 3) RGB uint8, as unit vectors (N, D)."""
        embeddings = self._net.get_feat([np.ascontiguousarray(crop[..., ::-1]) for crop in crops])
        return np.asarray(
            embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-9),
            np.float32,
        )
