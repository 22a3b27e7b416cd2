"""Blocks of compression are seen, and given to the new face on the photo's own grid."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.compose.jpeg import LEAST_BLOCKINESS, blockiness, compressed, quality_of

ORIGINS = [(0, 0), (5, 11), (16, 3)]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    rng, shape = np.random.default_rng(1), (360, 330)
    parts = [
        cv2.GaussianBlur(rng.standard_normal((*shape, 3)).astype(np.float32), (0, 0), sigma)
        for sigma in (1, 3, 12)
    ]
    luma = sum(share * part / part.std() for share, part in zip((4, 8, 25), parts, strict=True))
    return np.clip(130 + luma, 0, 255).astype(np.uint8)


def _saved(photo: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("quality", [10, 20, 45, 60])
def test_the_quality_is_found(photo: np.ndarray, quality: int, origin: tuple[int, int]) -> None:
    window = _saved(photo, quality)[origin[0] :, origin[1] :]
    assert blockiness(window, origin) > LEAST_BLOCKINESS
    assert quality_of(np.ascontiguousarray(window), origin) == quality


CHANGES = [
    lambda p: p,
    lambda p: _saved(p, 97),
    lambda p: cv2.GaussianBlur(_saved(p, 20), (0, 0), 2),
]


@pytest.mark.parametrize("change", CHANGES)
def test_without_blocks_there_is_no_quality(photo: np.ndarray, change) -> None:
    assert quality_of(change(photo)) is None
    noise = np.random.default_rng(0).normal(0, 20, photo.shape)
    assert quality_of(np.clip(photo + noise, 0, 255).astype(np.uint8)) is None


def test_a_tiny_window_has_none(photo: np.ndarray) -> None:
    assert quality_of(_saved(photo, 10)[:20, :20]) is None


@pytest.mark.parametrize("origin", ORIGINS)
def test_blocks_lie_on_the_photos_grid(photo: np.ndarray, origin: tuple[int, int]) -> None:
    face = np.ascontiguousarray(photo[origin[0] :, origin[1] :])
    result = compressed(face, 20, origin)
    assert result.shape == face.shape and result.dtype == np.uint8
    assert blockiness(result, origin) > 1.3 > blockiness(result, (origin[0] + 4, origin[1] + 4))
    whole = compressed(photo, 20)[origin[0] :, origin[1] :]
    assert np.abs(result.astype(int) - whole)[16:-16, 16:-16].max() <= 2
