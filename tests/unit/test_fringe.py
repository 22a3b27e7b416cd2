"""Single strands let the same share of light through on the new face as on the photo's."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.compose.fringe import LEAST_OPACITY, draw_strands

SKIN, NEW = (199, 149, 99), (100, 80, 60)


def picture(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((40, 60, 3), colour, np.uint8)


@pytest.fixture
def opacity() -> np.ndarray:
    """Two strands, and what is too faint to count."""
    opacity = np.zeros((40, 60), np.float32)
    opacity[5:25, 20:22] = opacity[8:20, 40] = 1
    opacity[30:, :] = LEAST_OPACITY / 2
    return opacity


@pytest.mark.parametrize("passed", [0.0, 0.3, 0.8])
def test_a_strand_lets_the_same_share_of_light_through(opacity: np.ndarray, passed: float) -> None:
    target, skin = picture(SKIN), picture(SKIN).astype(np.float32)
    target[opacity == 1] = np.rint((np.array(SKIN) + 1) * passed - 1).clip(0)
    face = picture(NEW)
    result = draw_strands(face, target, skin, opacity)
    assert result.shape == face.shape and result.dtype == np.uint8
    assert np.abs(result[opacity == 1] - passed * np.array(NEW)).max() <= 1.5
    np.testing.assert_array_equal(result[opacity == 0], face[opacity == 0])
    assert (face == NEW).all()


def test_a_strand_takes_its_own_share_of_each_channel(opacity: np.ndarray) -> None:
    target, skin = picture((99, 149, 19)), picture(SKIN).astype(np.float32)
    result = draw_strands(picture(NEW), target, skin, opacity)
    np.testing.assert_allclose(result[10, 20], [50, 80, 12], atol=1)


def test_half_a_strand_darkens_half_as_much(opacity: np.ndarray) -> None:
    target, skin = picture((99, 74, 49)), picture(SKIN).astype(np.float32)
    np.testing.assert_allclose(
        draw_strands(picture(NEW), target, skin, opacity / 2)[10, 20], [75, 60, 45], atol=1
    )


def test_nothing_is_brightened(opacity: np.ndarray) -> None:
    target, skin = picture((255, 255, 255)), picture(SKIN).astype(np.float32)
    np.testing.assert_array_equal(draw_strands(picture(NEW), target, skin, opacity), picture(NEW))


def test_without_strands_the_face_is_handed_back(opacity: np.ndarray) -> None:
    face, target, skin = picture(NEW), picture((0, 0, 0)), picture(SKIN).astype(np.float32)
    assert draw_strands(face, target, skin, np.minimum(opacity, LEAST_OPACITY)) is face
