"""Runs the Studio tier: insightface's INSwapper with models supplied by the user."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from insightface.app.common import Face as InsightFace
from insightface.model_zoo.inswapper import INSwapper
from insightface.utils.face_align import estimate_norm
from onnxruntime import InferenceSession

from facefusion.compose.paste import paste
from facefusion.engines.sessions import session_options
from facefusion.errors import WeightsError
from facefusion.geometry.align import crop_photo, invert, transform_points
from facefusion.geometry.topology import five_points
from facefusion.perception.identity import INPUT_SIZE, IdentityEncoder
from facefusion.types import FloatArray, Photo

#: Side in pixels of inswapper's input and output crops.
SIDE: Final = 128
#: Length of inswapper's input embedding, ArcFace's.
EMBEDDING_SIZE: Final = 512
#: Width in pixels of the crop's border over which the result fades out.
FADE: Final = 8


class StudioRunner:
    """INSwapper with its own ArcFace network, placed by our mesh and blended by our mask.

    Args:
        arcface: `w600k_r50.onnx`, the identity network that inswapper was trained with.
        swapper: `inswapper_128.onnx`: `target` (1, 3, 128, 128) and `source` (1, 512) -> (1, 3,
            128, 128), RGB in [0, 1].
        threads: intra-op threads.

    Raises:
        WeightsError: a file cannot be opened or has other inputs or outputs.
    """

    def __init__(self, arcface: Path, swapper: Path, *, threads: int | None = None) -> None:
        try:
            self._arcface = IdentityEncoder(arcface, threads=threads)
            options = session_options(threads)
            # Otherwise it warns of the embedding map, an initialiser that no node uses.
            options.log_severity_level = 3
            session = InferenceSession(str(swapper), options, providers=["CPUExecutionProvider"])
            shapes = [each.shape for each in (*session.get_inputs(), *session.get_outputs())]
        except Exception as error:
            raise WeightsError(
                f"The models of Studio cannot be opened: {type(error).__name__}."
            ) from error
        known = self._arcface.shapes
        if [shape[1:] for shape in known] != [[3, INPUT_SIZE, INPUT_SIZE], [EMBEDDING_SIZE]]:
            raise WeightsError(
                f"{arcface.name} is not w600k_r50: its inputs and outputs are {known}."
            )
        picture = [1, 3, SIDE, SIDE]
        if [shape[1:] for shape in shapes] != [picture[1:], [EMBEDDING_SIZE], picture[1:]]:
            raise WeightsError(
                f"{swapper.name} is not inswapper_128: its inputs and outputs are {shapes}."
            )
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its shape
            self._net = INSwapper(str(swapper), session)
        emap = self._net.emap
        # INSwapper takes the file's last initialiser for this map without any check.
        if (
            emap.shape != (EMBEDDING_SIZE, EMBEDDING_SIZE)
            or emap.dtype != np.float32
            or not np.isfinite(emap).all()
        ):
            raise WeightsError(
                f"{swapper.name} is not as insightface made it: its last initialiser should be the {EMBEDDING_SIZE} x "
                f"{EMBEDDING_SIZE} map of embeddings, and is {emap.dtype} of shape {emap.shape}."
            )

    def __call__(
        self,
        photo: Photo,
        mesh: FloatArray,
        sources: Sequence[tuple[Photo, FloatArray]],
        mask: FloatArray,
    ) -> tuple[Photo, FloatArray]:
        """Swaps a face.

        Args:
            photo: (H, W, 3) RGB uint8.
            mesh: (468, 3) mesh of the target face.
            sources: photos of one person, each with the mesh of the face.
            mask: (H, W) float32 in [0, 1], where the face may change: the coarse network's mask,
                which leaves out coverings.

        Returns:
            The new photo, and the mask that was used, (H, W) float32. Where it is 0, the photo is
            bit-identical.
        """
        points = five_points(mesh)
        matrix = np.asarray(estimate_norm(points, SIDE), np.float64)
        # Cut out here, since INSwapper does not average the pixels of a large face.
        crop = crop_photo(photo, matrix, SIDE, cv2.BORDER_REPLICATE)
        target = InsightFace(kps=transform_points(points, matrix))
        source = InsightFace(embedding=np.mean([self._arcface(*each) for each in sources], axis=0))
        made, moved = self._net.get(
            np.ascontiguousarray(crop[..., ::-1]), target, source, paste_back=False
        )
        whole = np.concatenate([matrix, [[0, 0, 1]]])
        placed = moved @ whole  # photo to INSwapper's own crop, which it cuts out of ours
        inside = cv2.warpAffine(mask, placed, (SIDE, SIDE), flags=cv2.INTER_AREA) * _window()
        return paste(photo, np.ascontiguousarray(made[..., ::-1]), inside, invert(placed))


def _window() -> FloatArray:
    """Returns (SIDE, SIDE) float32: 1 inside, falling to 0 at the border."""
    ramp = np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) / FADE
    line = np.clip(ramp, 0, 1).astype(np.float32)
    return np.asarray(np.minimum(line[:, None], line[None, :]), np.float32)
