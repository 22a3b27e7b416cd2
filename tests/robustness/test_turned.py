"""Heads that are turned in the photo by any angle are found the right way up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.turned import NEAR, largest_mesh, turn
from facefusion import FusionPipeline
from facefusion.geometry.align import transform_points
from facefusion.geometry.topology import eye_distance, five_points
from facefusion.images.reading import read_photo
from facefusion.perception.reductions import reduced

EXAMPLES = Path(__file__).parents[2] / "examples"
PORTRAITS = ("portrait-1.jpg", "portrait-2.jpg", "portrait-3.jpg", "portrait-4.jpg")


@pytest.fixture(scope="module")
def portraits() -> dict[str, np.ndarray]:
    return {name: reduced(read_photo(EXAMPLES / name, "target"), 480) for name in PORTRAITS}


def _error(pipeline: FusionPipeline, photo: np.ndarray, degrees: float) -> float:
    """Distance of the turned photo's five points from the upright one's, in eye distances."""
    upright = largest_mesh(pipeline, photo)
    turned, matrix = turn(photo, degrees)
    mesh = largest_mesh(pipeline, turned)
    assert upright is not None and mesh is not None
    expected = transform_points(five_points(upright)[:, :2], matrix)
    distances = np.linalg.norm(five_points(mesh)[:, :2] - expected, axis=1)
    return float(distances.mean() / eye_distance(upright))


@pytest.mark.parametrize("name", PORTRAITS)
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_photos_on_their_side_and_upside_down(
    pipeline: FusionPipeline, portraits: dict[str, np.ndarray], name: str, degrees: int
) -> None:
    assert _error(pipeline, portraits[name], degrees) < NEAR


@pytest.mark.parametrize(
    ("name", "degrees"),
    [*zip(PORTRAITS * 3, (20, 45, 70, 110, 135, 155, 200, 225, 250, 300, 315, 340), strict=True)],
)
def test_heads_at_other_angles(
    pipeline: FusionPipeline, portraits: dict[str, np.ndarray], name: str, degrees: int
) -> None:
    assert _error(pipeline, portraits[name], degrees) < NEAR


def test_an_upright_answer_in_a_turned_head_is_put_right(
    pipeline: FusionPipeline, portraits: dict[str, np.ndarray]
) -> None:
    detector, photo = pipeline.networks.detector, portraits["portrait-1.jpg"]
    (face,) = pipeline.find_faces(photo)
    look = detector.right_way_up(photo, face)
    assert look is not None and look.certain and look.face is face.detection
    last = np.array([photo.shape[1] - 1, photo.shape[0] - 1])
    turned = np.ascontiguousarray(np.rot90(photo, 2))
    # The mesh as the network gives it for a head that is upside down: upright.
    mesh = face.mesh.copy()
    mesh[:, :2] += last - 2 * mesh[:, :2].mean(0)
    right = detector.right_way_up(turned, replace(face, mesh=mesh))
    assert right is not None and right.turned
    expected = last - five_points(face.mesh)[:, :2]
    distances = np.linalg.norm(right.face.points - expected, axis=1)
    assert distances.mean() < NEAR * eye_distance(face.mesh)


def test_what_no_look_confirms_is_no_face(
    pipeline: FusionPipeline, portraits: dict[str, np.ndarray]
) -> None:
    detector, photo = pipeline.networks.detector, portraits["portrait-1.jpg"]
    (face,) = pipeline.find_faces(photo)
    grey = np.full_like(photo, 127)
    doubtful = replace(face, detection=replace(face.detection, score=0.6))
    assert detector.right_way_up(grey, doubtful) is None
