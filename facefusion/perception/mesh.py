"""Measures the 468 mesh points of a detected face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.engines.sessions import make_session
from facefusion.geometry.align import (
    MESH_FACE_SHARE,
    chain,
    crop_photo,
    crop_transform,
    invert,
    mesh_crop_transform,
    shrunk,
    transform_points,
)
from facefusion.geometry.mirror import mirrored
from facefusion.geometry.pose import pose_degrees
from facefusion.perception.boxes import eye_angle, upright_corners
from facefusion.perception.inputs import centred
from facefusion.types import Affine, Detection, Face, Mesh, Photo

INPUT_SIZE: Final = 192
#: Views whose points are averaged, since the network's errors differ between views: degrees, scale,
#: mirrored. Error on validation faces, as a share of the eye distance: 2.82 % in one view, 2.62 in
#: a view and its mirror image, 2.58 in these, 2.55 in eight.
VIEWS: Final = ((5.0, 1.0, False), (-5.0, 1.0, True), (5.0, 0.93, True), (-5.0, 0.93, False))
#: Margin of the views around the crop, as a share of its side.
VIEW_MARGIN: Final = 0.1
#: View of the first, rough measurement.
FIRST_VIEW: Final = ((0.0, 1.0, False),)


class FaceMesh:
    """Mesh network of our own with MediaPipe's topology (Kartynnik et al., 2019).

    Args:
        path: ONNX file, (N, 3, 192, 192) RGB in [-1, 1] -> (N, 468, 3) in units of the crop's side.
        threads: intra-op threads.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._session = make_session(path, threads)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, photo: Photo, detection: Detection) -> Face:
        """Measures the face in the detection's crop, and again in the crop of that rough mesh.

        Args:
            photo: (H, W, 3) RGB uint8.
            detection: the face, in the photo's pixels.
        """
        angle = eye_angle(detection.points)
        around = upright_corners(detection, angle)
        mesh = self._measure(
            photo, crop_transform(around, angle, MESH_FACE_SHARE, INPUT_SIZE), FIRST_VIEW
        )
        mesh = self.measure(photo, mesh)
        yaw, pitch, roll = pose_degrees(mesh)
        return Face(detection, mesh, yaw, pitch, roll)

    def measure(self, photo: Photo, rough_mesh: Mesh) -> Mesh:
        """Measures a face whose rough mesh is known.

        Args:
            photo: (H, W, 3) RGB uint8.
            rough_mesh: (468, 2 or 3) rough mesh in the photo's pixels.

        Returns:
            (468, 3) mesh in the photo's pixels.
        """
        return self._measure(
            photo, mesh_crop_transform(rough_mesh, MESH_FACE_SHARE, INPUT_SIZE), VIEWS
        )

    def _measure(
        self, photo: Photo, matrix: Affine, views: Sequence[tuple[float, float, bool]]
    ) -> Mesh:
        part, part_matrix = shrunk(photo, matrix, INPUT_SIZE, VIEW_MARGIN)
        matrices, crops = [], []
        for turn, scale, flip in views:
            centre = (INPUT_SIZE / 2, INPUT_SIZE / 2)
            view = np.asarray(cv2.getRotationMatrix2D(centre, turn, scale), np.float64)
            matrices.append(chain(view, matrix))
            crop = crop_photo(part, chain(view, part_matrix), INPUT_SIZE)
            crops.append(crop[:, ::-1] if flip else crop)
        meshes = self._session.run(None, {self._input: centred(np.stack(crops))})[0] * INPUT_SIZE
        measured = [
            transform_points(mirrored(points, INPUT_SIZE) if flip else points, invert(view_matrix))
            for points, view_matrix, (_, _, flip) in zip(meshes, matrices, views, strict=True)
        ]
        return np.asarray(np.mean(measured, axis=0), np.float32)
