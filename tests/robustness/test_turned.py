"""Heads that are turned in the photo by any angle are found the right way up."""

from __future__ import annotations

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
    networks, photo = pipeline.networks, portraits["portrait-1.jpg"]
    mesh = largest_mesh(pipeline, photo)
    assert mesh is not None
    assert networks.detector.reversed_face(photo, mesh) is None
    height, width = photo.shape[:2]
    turned = np.ascontiguousarray(np.rot90(photo, 2))
    middle = mesh[:, :2].mean(0)
    # The mesh as the network gives it for a head that is upside down: upright.
    wrong = mesh.copy()
    wrong[:, :2] += (width - 1, height - 1) - 2 * middle
    face = networks.detector.reversed_face(turned, wrong)
    assert face is not None
    expected = (width - 1, height - 1) - five_points(mesh)[:, :2]
    assert np.linalg.norm(face.points - expected, axis=1).mean() < NEAR * eye_distance(mesh)
