"""Back into the photo: not a bit changes outside the mask, wherever the face lies."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.compose.paste import face_region, paste

SIZE = 128


def _place(x: float, y: float, scale: float = 1.0, degrees: float = 0.0) -> np.ndarray:
    """Crop pixels to photo pixels, with the crop's centre at (x, y)."""
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.concatenate(
        [linear, (np.array([x, y]) - linear @ [SIZE / 2, SIZE / 2])[:, None]], axis=1
    )


@pytest.fixture
def soft() -> np.ndarray:
    """A round mask with a soft edge; 0 within 14 px of the crop's border."""
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.clip((50 - np.hypot(x - 63.5, y - 63.5)) / 10, 0, 1).astype(np.float32)


@pytest.fixture
def noise(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)


FACE = np.full((SIZE, SIZE, 3), (250, 10, 130), np.uint8)
PLACES = [
    (160, 120, 1, 0), (160.3, 119.6, 0.7, 33), (0, 120, 1, 0), (320, 120, 1, -20), (160, 0, 1.4, 180), (160, 240, 1, 90),
    (0, 0, 2, 45), (320, 240, 0.3, 10), (160, 120, 5, 15),
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_outside_the_mask_nothing_changes(
    noise: np.ndarray, soft: np.ndarray, place: tuple
) -> None:
    before = noise.copy()
    result, mask = paste(noise, FACE, soft, _place(*place))
    assert result.shape == noise.shape and result.dtype == np.uint8
    assert mask.shape == noise.shape[:2] and mask.dtype == np.float32
    assert mask.min() >= 0 and mask.max() <= 1
    np.testing.assert_array_equal(result[mask == 0], noise[mask == 0])
    changed = (result != noise).any(2)
    assert changed[mask > 0.5].mean() > 0.95
    np.testing.assert_array_equal(noise, before)


@pytest.mark.parametrize("place", PLACES)
def test_the_mask_lands_where_the_transform_says(
    noise: np.ndarray, soft: np.ndarray, place: tuple
) -> None:
    x, y, scale, _ = place
    mask = paste(noise, FACE, soft, _place(*place))[1]
    rows, columns = np.mgrid[:240, :320]
    distance = np.hypot(columns - x, rows - y) / scale
    assert mask[distance < 38].min() > 0.99
    assert mask[distance > 52].max(initial=0) == 0


def test_the_face_shows_where_the_mask_is_one(noise: np.ndarray, soft: np.ndarray) -> None:
    result, mask = paste(noise, FACE, soft, _place(160, 120))
    assert np.abs(result[mask == 1].astype(int) - FACE[0, 0]).max() <= 1


def test_half_a_mask_is_half_a_face() -> None:
    photo = np.full((240, 320, 3), 100, np.uint8)
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[32:96, 32:96] = 0.5
    result, full = paste(photo, np.full((SIZE, SIZE, 3), 200, np.uint8), mask, _place(160, 120))
    assert full[120, 160] == pytest.approx(0.5, abs=1e-3)
    assert result[120, 160].tolist() == pytest.approx([150] * 3, abs=1)


def test_a_crop_pasted_where_it_is_from_is_the_photo(make_photo, soft: np.ndarray) -> None:
    photo = make_photo(240, 320)
    crop = photo[40 : 40 + SIZE, 90 : 90 + SIZE]
    matrix = np.array([[1.0, 0, 90], [0, 1, 40]])
    result, mask = paste(photo, crop, soft, matrix)
    assert mask.max() == 1
    assert np.abs(result.astype(int) - photo).max() <= 1


@pytest.mark.parametrize("place", [(-500, 120), (160, 900), (5000, 5000)])
def test_outside_the_photo_nothing_happens(
    noise: np.ndarray, soft: np.ndarray, place: tuple
) -> None:
    result, mask = paste(noise, FACE, soft, _place(*place))
    np.testing.assert_array_equal(result, noise)
    assert result is not noise and not np.shares_memory(result, noise)
    assert mask.max() == 0


def test_an_empty_mask_changes_nothing(noise: np.ndarray) -> None:
    empty = np.zeros((SIZE, SIZE), np.float32)
    assert face_region(empty, _place(160, 120), noise.shape) is None
    result, mask = paste(noise, FACE, empty, _place(160, 120))
    np.testing.assert_array_equal(result, noise)
    assert mask.max() == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 320), (240, 1), (3, 3)])
def test_tiny_photos(soft: np.ndarray, shape: tuple[int, int]) -> None:
    photo = np.full((*shape, 3), 100, np.uint8)
    result, mask = paste(photo, FACE, soft, _place(shape[1] / 2, shape[0] / 2))
    assert result.shape == photo.shape and mask.shape == shape
    np.testing.assert_array_equal(result[mask == 0], photo[mask == 0])


def test_only_the_face_s_region_of_a_12_megapixel_photo_is_worked_on(
    rng: np.random.Generator, soft: np.ndarray
) -> None:
    photo = np.tile(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8), (10, 10, 1))
    matrix = _place(3900, 2950, 3)
    region = face_region(soft, matrix, photo.shape)
    assert region is not None and region.height * region.width < 100_000
    result, mask = paste(photo, FACE, soft, matrix)
    np.testing.assert_array_equal(result[mask == 0], photo[mask == 0])
    touched = np.argwhere(mask > 0)
    top, left = touched.min(0)
    assert top >= region.top and left >= region.left
    assert touched.max(0).tolist() == [2999, 3999]


@pytest.mark.parametrize(
    "place", [(160, 120, 1.4, 15), (160, 120, 2.3, -33), (130, 90, 6, 170), (0, 200, 3, 5)]
)
def test_an_enlarged_face_is_the_cubic_one(
    rng: np.random.Generator, soft: np.ndarray, place: tuple
) -> None:
    face = cv2.GaussianBlur(rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8), (0, 0), 1.2)
    photo, matrix = np.zeros((240, 320, 3), np.uint8), _place(*place)
    result, mask = paste(photo, face, soft, matrix)
    expected = cv2.warpAffine(
        face, matrix, (320, 240), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    apart = np.abs(result.astype(int) - expected)[mask == 1]
    assert len(apart) > 2000 and apart.max() <= 6 and apart.mean() < 1


def test_what_was_pasted_before_stays_marked(noise: np.ndarray, soft: np.ndarray) -> None:
    _, left = paste(noise, FACE, soft, _place(100, 120))
    before = left.copy()
    _, right = paste(noise, FACE, soft, _place(160, 120))
    _, both = paste(noise, FACE, soft, _place(160, 120), left)
    assert both is left
    np.testing.assert_array_equal(both, np.maximum(before, right))


def test_a_turned_crop_beside_the_photo_changes_nothing(noise: np.ndarray) -> None:
    """The box around the enlarged, turned mask reaches into the photo, its pixels do not."""
    mask = np.ones((SIZE, SIZE), np.float32)
    to_photo = _place(-200, -200, scale=4, degrees=45)
    region = face_region(mask, to_photo, noise.shape)
    assert region is not None
    result, changed = paste(noise, FACE, mask, to_photo)
    np.testing.assert_array_equal(result, noise)
    assert not changed.any()
