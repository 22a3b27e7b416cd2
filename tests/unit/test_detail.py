"""From the network's 128 px answer to a crop of any size."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.compose.detail import compose_coarse, compose_detail
from facefusion.fusion.coarse import FusionMaps


def _answer(delta: float = 0.0) -> FusionMaps:
    mask = np.zeros((128, 128), np.float32)
    mask[32:96, 32:96] = 1
    return FusionMaps(mask, np.full((128, 128, 3), delta, np.float32))


@pytest.mark.parametrize("size", [128, 256, 512])
def test_without_a_change_the_warped_face_is_shown(make_photo, size: int) -> None:
    warped = make_photo(size, size)
    face, mask = compose_detail(warped, _answer())
    np.testing.assert_array_equal(face, warped)
    assert mask.shape == (size, size) and mask.dtype == np.float32


@pytest.mark.parametrize("delta", [0.1, -0.2])
def test_the_change_is_in_units_of_255_levels(delta: float) -> None:
    small, large = np.full((128, 128, 3), 120, np.uint8), np.full((256, 256, 3), 120, np.uint8)
    for face, _ in (compose_coarse(small, _answer(delta), 256), compose_detail(large, _answer(delta))):
        assert face.shape == (256, 256, 3) and face.dtype == np.uint8
        assert np.abs(face.astype(float) - (120 + 255 * delta)).max() <= 1


def test_the_change_saturates() -> None:
    bright, dark = np.full((128, 128, 3), 250, np.uint8), np.full((128, 128, 3), 5, np.uint8)
    for compose in (lambda face, answer: compose_coarse(face, answer, 128), compose_detail):
        assert (compose(bright, _answer(0.5))[0] == 255).all()
        assert (compose(dark, _answer(-0.5))[0] == 0).all()


def test_the_mask_stays_in_range_and_is_zero_away_from_the_face() -> None:
    for size in (128, 256, 640):
        mask = compose_coarse(np.zeros((128, 128, 3), np.uint8), _answer(), size)[1]
        assert mask.min() == 0 and mask.max() == 1
        assert (mask[: size // 5] == 0).all() and mask[size // 2, size // 2] == 1
        assert ((mask == 0) | (mask >= 1 / 512)).all()


def test_the_coarse_face_is_soft_and_the_detailed_one_sharp(rng: np.random.Generator) -> None:
    large = rng.integers(0, 256, (512, 512, 3), dtype=np.uint8)
    small = large.reshape(128, 4, 128, 4, 3).mean((1, 3)).astype(np.uint8)
    coarse, detail = compose_coarse(small, _answer(), 512)[0], compose_detail(large, _answer())[0]

    def sharpness(image: np.ndarray) -> float:
        return float(np.abs(np.diff(image.astype(float), axis=1)).mean())

    assert sharpness(detail) > 4 * sharpness(coarse)
