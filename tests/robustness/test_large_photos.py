"""Small faces of large and long photos are found, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data

from benchmarks.large_photos import crowd, textured
from facefusion import FusionPipeline
from facefusion.errors import NoFaceError
from facefusion.geometry.topology import five_points
from facefusion.types import Photo

#: Distance between the eyes of a face 84 px wide.
EYES = 28


def _missed(pipeline: FusionPipeline, photo: Photo, centres: np.ndarray) -> int:
    """How many faces were not found; fails where something else was found or one twice."""
    pipeline.cache.clear()
    found = np.array([face.mesh[:, :2].mean(0) for face in pipeline.find_faces(photo)])
    distances = np.linalg.norm(found[:, None] - centres, axis=2)
    assert distances.min(1).max() < EYES
    assert len(set(distances.argmin(1))) == len(found)
    return len(centres) - len(found)


@pytest.mark.parametrize(
    ("width", "height", "faces"), [(4000, 3000, 8), (6000, 1500, 8), (9000, 900, 6)]
)
def test_every_small_face_is_found_once(
    pipeline: FusionPipeline, width: int, height: int, faces: int
) -> None:
    photo, centres = crowd(pipeline, width, height, faces, EYES)
    assert _missed(pipeline, photo, centres) == 0


@pytest.mark.parametrize("eyes", [EYES, 45, 70, 110, 200])
def test_a_smaller_face_beside_a_large_one_is_offered(pipeline: FusionPipeline, eyes: int) -> None:
    large, (centre,) = crowd(pipeline, 2400, 3000, 1, 330)
    small, (other,) = crowd(pipeline, 1600, 3000, 1, eyes, seed=1)
    photo = np.concatenate([large, small], axis=1)
    assert len(pipeline.networks.detector.glance(photo)) == 1  # so that fewer passes are made
    assert _missed(pipeline, photo, np.array([centre, other + (2400, 0)])) == 0


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_small_faces_that_lie_on_their_side_or_upside_down(
    pipeline: FusionPipeline, turns: int
) -> None:
    photo, centres = crowd(pipeline, 4000, 3000, 3, 32)
    x, y = centres.T
    there = {1: (y, 3999 - x), 2: (3999 - x, 2999 - y), 3: (2999 - y, x)}[turns]
    turned = np.ascontiguousarray(np.rot90(photo, turns))
    assert _missed(pipeline, turned, np.stack(there, axis=1)) == 0
    for face in pipeline.find_faces(turned):
        left, right = five_points(face.mesh)[:2]
        roll = np.degrees(np.arctan2(*(right - left)[::-1]))
        assert abs((roll + 90 * turns + 180) % 360 - 180) < 30


def test_a_large_photo_is_halved_once_for_all_passes(pipeline: FusionPipeline) -> None:
    photo, _ = crowd(pipeline, 4000, 3000, 1, 400)
    detector = pipeline.networks.detector
    passes = detector.passes(photo)
    (seen,), (first,) = detector.glance(photo), next(passes)
    np.testing.assert_array_equal(first.box, seen.box)
    (upright,), parts = next(passes), next(passes)
    np.testing.assert_allclose(upright.box, seen.box, atol=100)
    assert parts == []


@pytest.mark.parametrize("picture", ["texture", "brick", "grass", "coffee"])
def test_no_face_is_found_where_there_is_none(pipeline: FusionPipeline, picture: str) -> None:
    if picture == "texture":
        photo = textured(4000, 3000)
    else:
        small = np.atleast_3d(getattr(skimage.data, picture)())
        small = np.broadcast_to(small, (*small.shape[:2], 3))
        photo = np.ascontiguousarray(np.tile(small, (6, 8, 1))[:3000, :4000])
    with pytest.raises(NoFaceError):
        pipeline.find_faces(photo)
