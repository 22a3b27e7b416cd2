"""Faces and their five points, through insightface's SCRFD runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from insightface.model_zoo import get_model

from facefusion.runtime import session_options
from facefusion.types import Detection, Photo

#: Longest side in pixels that the network sees.
DETECTION_SIZE: Final = 640
#: A second look at this size finds faces that fill the frame, larger than the network's view at 640.
CLOSE_UP_SIZE: Final = 192
THRESHOLD: Final = 0.5
#: Padding of a retry, as a share of the longer side: faces cut by the frame, and very tight crops.
PADDING: Final = 0.35


class FaceDetector:
    """SCRFD-format detector (Guo et al., ICLR 2022).

    Args:
        path: ONNX file with SCRFD's nine outputs.
        threads: intra-op threads.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._net = get_model(
            str(path),
            model_task="detection",
            model_metadata={"preprocessing": {"mean": 127.5, "std": 128.0}},
            providers=["CPUExecutionProvider"],
            sess_options=session_options(threads),
            static_shape_sessions=False,
        )

    def __call__(self, photo: Photo) -> list[Detection]:
        """Finds upright faces, turned by about 30 degrees at most.

        Args:
            photo: (H, W, 3) RGB uint8, any size.

        Returns:
            Faces by area, the largest first; coordinates in the photo's pixels.
        """
        height, width = photo.shape[:2]
        scale = min(1.0, DETECTION_SIZE / max(height, width))
        small = photo
        if scale < 1:
            shape = (max(1, round(width * scale)), max(1, round(height * scale)))
            small = np.asarray(cv2.resize(photo, shape, interpolation=cv2.INTER_AREA), np.uint8)
        side = min(DETECTION_SIZE, -(-max(small.shape[:2]) // 32) * 32)
        sizes = sorted({(CLOSE_UP_SIZE, CLOSE_UP_SIZE), (side, side)})
        boxes, points = self._net.detect(np.ascontiguousarray(small[..., ::-1]), input_size=sizes, det_thresh=THRESHOLD)
        ratio = np.array([width / small.shape[1], height / small.shape[0]], np.float32)
        faces = [
            Detection((box[:4] * np.tile(ratio, 2)).astype(np.float32), float(box[4]), (five * ratio).astype(np.float32))
            for box, five in zip(boxes, points, strict=True)
        ]
        return sorted(faces, key=lambda face: -float(np.prod(face.box[2:] - face.box[:2])))

    def with_retries(self, photo: Photo) -> list[Detection]:
        """Like calling, but a photo without a face is tried again padded, then turned by 90, 270 and 180 degrees."""
        faces = self(photo)
        if faces:
            return faces
        margin = round(max(photo.shape[:2]) * PADDING)
        padded = cv2.copyMakeBorder(photo, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(127, 127, 127))
        faces = self(np.asarray(padded, np.uint8))
        if faces:
            return [_moved(face, lambda xy: xy - margin) for face in faces]
        height, width = photo.shape[:2]
        for quarter_turns in (1, 3, 2):
            faces = self(np.ascontiguousarray(np.rot90(photo, quarter_turns)))
            if faces:
                back = partial(_turned_back, quarter_turns=quarter_turns, width=width, height=height)
                return [_moved(face, back) for face in faces]
        return []


def _turned_back(points: np.ndarray, quarter_turns: int, width: int, height: int) -> np.ndarray:
    """Points found in `np.rot90(photo, quarter_turns)` in the pixels of the photo (`width` x `height`)."""
    x, y = points[:, 0], points[:, 1]
    if quarter_turns == 1:
        return np.stack([width - 1 - y, x], axis=1)
    if quarter_turns == 3:
        return np.stack([y, height - 1 - x], axis=1)
    return np.stack([width - 1 - x, height - 1 - y], axis=1)


def _moved(face: Detection, move: Callable[[np.ndarray], np.ndarray]) -> Detection:
    corners = move(face.box.reshape(2, 2))
    box = np.concatenate([corners.min(0), corners.max(0)])
    return Detection(box.astype(np.float32), face.score, move(face.points).astype(np.float32))
