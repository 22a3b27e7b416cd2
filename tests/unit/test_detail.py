"""From the networks' answers to a face at the resolution of the result."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.compose.detail import RESIDUAL_SHARE, compose_coarse, compose_detail
from facefusion.fusion.coarse import FusionMaps
from facefusion.geometry.frames import Frame

#: The middle half of the crop at three times the size of the coarse network's.
PART = Frame(np.array([[384.0, 0, 95.5], [0, 384, 95.5]]), 192, 192)
FRAMES = [Frame.crop(128), Frame.crop(256), Frame.crop(512), PART]


def _answer(delta: float = 0.0) -> FusionMaps:
    return FusionMaps(np.ones((128, 128), np.float32), np.full((128, 128, 3), delta, np.float32))


@pytest.mark.parametrize("frame", FRAMES)
def test_without_a_change_the_warped_face_is_shown(make_photo, frame: Frame) -> None:
    warped = make_photo(frame.height, frame.width)
    np.testing.assert_array_equal(compose_detail(warped, _answer(), frame), warped)


@pytest.mark.parametrize("delta", [0.1, -0.2])
@pytest.mark.parametrize("frame", FRAMES)
def test_a_share_of_the_change_is_added_in_units_of_255_levels(frame: Frame, delta: float) -> None:
    small, large = (np.full((*size[::-1], 3), 120, np.uint8) for size in ((128, 128), frame.size))
    for face in (
        compose_coarse(small, _answer(delta), frame),
        compose_detail(large, _answer(delta), frame),
    ):
        assert face.shape == large.shape and face.dtype == np.uint8
        assert np.abs(face.astype(float) - (120 + RESIDUAL_SHARE * 255 * delta)).max() <= 1


@pytest.mark.parametrize("compose", [compose_coarse, compose_detail])
def test_the_change_saturates(compose) -> None:
    bright, dark = np.full((128, 128, 3), 250, np.uint8), np.full((128, 128, 3), 5, np.uint8)
    assert (compose(bright, _answer(0.5), Frame.crop(128)) == 255).all()
    assert (compose(dark, _answer(-0.5), Frame.crop(128)) == 0).all()


def test_a_frame_shows_its_part_of_the_crop(make_photo) -> None:
    warped, answer = make_photo(128, 128), _answer()
    answer.delta[:, 64:] = 0.2
    whole, part = (compose_coarse(warped, answer, frame) for frame in (Frame.crop(384), PART))
    assert np.abs(whole[96:288, 96:288].astype(int) - part).mean() < 1.5
    changed = compose_detail(np.full((192, 192, 3), 90, np.uint8), answer, PART)
    lighter = 90 + round(RESIDUAL_SHARE * 255 * 0.2)
    assert (changed[:, :90] == 90).all() and (changed[:, 102:] == lighter).all()


def test_the_coarse_face_is_soft_and_the_detailed_one_sharp(rng: np.random.Generator) -> None:
    large, frame = rng.integers(0, 256, (512, 512, 3), dtype=np.uint8), Frame.crop(512)
    small = large.reshape(128, 4, 128, 4, 3).mean((1, 3)).astype(np.uint8)
    coarse, detail = (
        compose_coarse(small, _answer(), frame),
        compose_detail(large, _answer(), frame),
    )

    def sharpness(image: np.ndarray) -> float:
        return float(np.abs(np.diff(image.astype(float), axis=1)).mean())

    assert sharpness(detail) > 4 * sharpness(coarse)
