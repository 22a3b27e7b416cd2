"""What the cut leaves of the source's hair is painted over."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.compose.hairline import without_hairline
from facefusion.perception.coverings import Coverings

SKIN, HAIR = (200, 150, 130), (40, 30, 20)


@pytest.mark.parametrize("size", [64, 128, 384])
def test_hair_and_its_edge_take_the_colour_of_the_skin_beside_them(size: int) -> None:
    warped = np.full((size, size, 3), SKIN, np.uint8)
    hair = np.zeros((192, 192), np.float32)
    hair[:40] = 1
    warped[: round(0.22 * size)] = HAIR  # a little further down than the map says: 40 of 192 rows are 0.208
    painted = without_hairline(warped, hair)
    assert painted.shape == warped.shape and painted.dtype == np.uint8
    assert np.abs(painted[round(0.1 * size) : round(0.24 * size)].astype(int) - SKIN).max() < 25
    below = round(0.3 * size)
    np.testing.assert_array_equal(painted[below:], warped[below:])


def test_where_there_is_no_hair_nothing_is_painted() -> None:
    warped = np.random.default_rng(0).integers(0, 255, (128, 128, 3)).astype(np.uint8)
    hair = np.zeros((192, 192), np.float32)
    assert without_hairline(warped, hair) is warped
    hair[:] = 0.2  # hardly any
    assert without_hairline(warped, hair) is warped


def test_only_hair_over_a_bare_face_is_foreign() -> None:
    own = np.zeros((96, 96), np.float32)
    own[:, 48:] = 1
    hides = np.zeros((192, 192, 2), np.float32)
    hides[:60, :, 0], hides[:, :, 1] = 1, 1
    foreign = Coverings(None, own).foreign_hair(hides)
    assert foreign.shape == (192, 192) and foreign[:60, :94].min() == 1
    assert foreign[60:].max() == 0 and foreign[:, 98:].max() == 0
