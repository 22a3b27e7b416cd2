"""Small faces of large and long photos are found, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data

from benchmarks.large_photos import crowd, textured
from facefusion import FusionPipeline
from facefusion.errors import NoFaceError
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


def test_a_small_face_beside_a_large_one_is_offered(pipeline: FusionPipeline) -> None:
    photo, centres = crowd(pipeline, 4000, 3000, 2, EYES)
    large, (centre,) = crowd(pipeline, 1500, 1500, 1, 240)
    x, y = 1250, 700
    photo[y : y + 1500, x : x + 1500] = large
    centres = [at for at in centres if not (x - 200 < at[0] < x + 1700)]
    assert _missed(pipeline, photo, np.array([*centres, centre + (x, y)])) == 0


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
