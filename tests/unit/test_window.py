"""The window in which a face is composed: the photo's own pixels, or fewer for very large faces."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.compose.window import LEAST_OPACITY, FaceWindow
from facefusion.geometry.align import chain, invert, transform_points

SIDE = 64


def place(x: float, y: float, scale: float = 1.0, degrees: float = 0.0) -> np.ndarray:
    """(2, 3) pixels of a crop of `SIDE` to pixels of the photo, the crop's middle at (x, y)."""
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.concatenate([linear, (np.array([x, y]) - linear @ [31.5, 31.5])[:, None]], axis=1)


def disc() -> np.ndarray:
    """A round mask with a soft edge, 0 within 6 px of the crop's border."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.clip((26 - np.hypot(x - 31.5, y - 31.5)) / 6, 0, 1).astype(np.float32)


def window_at(photo: np.ndarray, to_photo: np.ndarray, largest: int = 4096) -> FaceWindow:
    window = FaceWindow.of(disc(), to_photo, photo.shape, largest)
    assert window is not None
    return window


@pytest.fixture
def noise(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)


PLACES = [
    (160, 120, 1, 0), (160.3, 119.6, 2.6, 33), (0, 120, 1.5, 0), (320, 120, 3, -20), (160, 0, 1.4, 180), (0, 240, 4, 90),
]  # fmt: skip


@pytest.mark.parametrize("to_place", PLACES)
@pytest.mark.parametrize("largest", [4096, 50])
def test_not_a_bit_changes_where_the_opacity_is_zero(
    noise: np.ndarray, to_place: tuple, largest: int
) -> None:
    window, photo, changed = (
        window_at(noise, place(*to_place), largest),
        noise.copy(),
        np.zeros((240, 320), np.float32),
    )
    alpha = window.opacity(disc())
    face = np.broadcast_to(np.array([250, 10, 130], np.uint8), (*alpha.shape, 3))
    window.blend(photo, np.ascontiguousarray(face), alpha)
    window.raise_to(changed, alpha)
    np.testing.assert_array_equal(photo[changed == 0], noise[changed == 0])
    assert (photo != noise).any(2)[changed > 0.5].mean() > 0.95 and (changed > 0.5).sum() > 500
    assert np.abs(photo[changed == 1].astype(int) - [250, 10, 130]).max() <= 1
    np.testing.assert_array_equal(changed, window.over(alpha, noise.shape))


@pytest.mark.parametrize("to_place", PLACES)
@pytest.mark.parametrize("largest", [4096, 50])
def test_the_mask_lands_where_the_transform_says(
    noise: np.ndarray, to_place: tuple, largest: int
) -> None:
    window = window_at(noise, place(*to_place), largest)
    full = window.over(window.opacity(disc()), noise.shape)
    rows, columns = np.mgrid[:240, :320]
    distance = np.hypot(columns - to_place[0], rows - to_place[1]) / to_place[2]
    assert full.shape == (240, 320) and full.dtype == np.float32 and full.max() <= 1
    assert full[distance < 17].min() > 0.98 and full[distance > 29].max(initial=0) == 0
    assert ((full == 0) | (full > LEAST_OPACITY)).all()


def test_at_its_own_resolution_the_window_is_a_part_of_the_photo(noise: np.ndarray) -> None:
    window = window_at(noise, place(150, 110, 2, 25), 128)
    assert window.scale == 1 and window.size == (window.region.width, window.region.height)
    np.testing.assert_array_equal(window.crop(noise), noise[window.region.window])
    corner = transform_points(np.array([[31.5, 31.5]]), window.frame.from_crop(SIDE))[0]
    np.testing.assert_allclose(
        corner, [150 - window.region.left, 110 - window.region.top], atol=1e-4
    )


@pytest.mark.parametrize("largest", [96, 128, 250])
def test_a_larger_face_is_composed_with_the_crop_at_its_largest_side(
    make_photo, largest: int
) -> None:
    photo = make_photo(600, 700)
    window = window_at(photo, place(340, 280, 8, 10), largest)
    assert window.scale == pytest.approx(largest / 512)
    side = np.hypot(window.frame.matrix[0, 0], window.frame.matrix[1, 0])
    assert side == pytest.approx(largest, rel=0.01)  # the window's sides are whole pixels
    for own, full in zip(window.size, (window.region.width, window.region.height), strict=True):
        assert own == round(full * largest / 512)
    small = window.crop(photo)
    assert small.shape == (*window.size[::-1], 3)
    # Where the frame says that a place of the crop lies, the small window shows what the photo does
    # there.
    places = np.array([[20, 24], [31.5, 31.5], [44, 40]])
    here = np.rint(transform_points(places, window.frame.from_crop(SIDE))).astype(int)
    there = np.rint(transform_points(places, place(340, 280, 8, 10))).astype(int)
    apart = small[here[:, 1], here[:, 0]].astype(int) - photo[there[:, 1], there[:, 0]]
    assert np.abs(apart).max() < 40 and np.abs(apart).mean() < 15


@pytest.mark.parametrize("largest", [7, 13, 50])
def test_pixels_of_a_smaller_window_are_areas_of_the_photo(largest: int) -> None:
    x, y = np.meshgrid(np.arange(250), np.arange(240))
    photo = np.stack([x, y, 0 * x], axis=-1).astype(np.uint8)
    window = window_at(photo, place(125, 120, 3, 8), largest)
    back = chain(place(125, 120, 3, 8), invert(window.frame.from_crop(SIDE)))
    width, height = window.size
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
    shown = window.crop(photo)[..., :2].reshape(-1, 2)
    np.testing.assert_allclose(shown, transform_points(grid, back), atol=0.9)


def test_what_is_seen_through_a_smaller_window_goes_back_to_its_place(make_photo) -> None:
    photo = make_photo(600, 700)
    window, changed, again = (
        window_at(photo, place(340, 280, 8, 10), 250),
        np.zeros((600, 700), np.float32),
        photo.copy(),
    )
    window.blend(again, window.crop(photo), window.opacity(disc()))
    window.raise_to(changed, window.opacity(disc()))
    assert changed.max() == 1 and np.abs(again.astype(int) - photo).max() <= 4


def test_half_a_mask_is_half_a_face() -> None:
    photo = np.full((240, 320, 3), 100, np.uint8)
    window = window_at(photo, place(160, 120))
    face = np.full((*window.size[::-1], 3), 200, np.uint8)
    window.blend(photo, face, np.asarray(window.opacity(disc()) / 2, np.float32))
    assert photo[120, 160].tolist() == [150] * 3


def test_a_large_face_is_blended_in_strips_as_at_once(
    noise: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, made = window_at(noise, place(160, 120, 3, 20), 50), []
    face = np.full((*window.size[::-1], 3), 200, np.uint8)
    for pixels in (1, 1000, 1 << 20):
        monkeypatch.setattr("facefusion.compose.window.STRIP_PIXELS", pixels)
        photo = noise.copy()
        window.blend(photo, face, window.opacity(disc()))
        made.append(photo)
    assert (made[0] != noise).any()
    np.testing.assert_array_equal(made[0], made[2])
    np.testing.assert_array_equal(made[1], made[2])


def test_what_was_marked_before_stays_marked(noise: np.ndarray) -> None:
    changed = np.zeros((240, 320), np.float32)
    windows = [window_at(noise, place(x, 120)) for x in (120, 160)]
    for window in windows:
        window.raise_to(changed, window.opacity(disc()))
    alone = [window.over(window.opacity(disc()), noise.shape) for window in windows]
    np.testing.assert_array_equal(changed, np.maximum(*alone))


def test_hardly_anything_is_nothing(noise: np.ndarray) -> None:
    window = window_at(noise, place(160, 120, 2))
    assert window.opacity(disc() / 1000).max() == 0
    assert window.opacity(disc() / 100).max() == pytest.approx(0.01, abs=2e-4)


@pytest.mark.parametrize("to_place", [(-500, 120), (160, 900), (5000, 5000)])
def test_outside_of_the_photo_there_is_no_window(
    noise: np.ndarray, to_place: tuple[float, float]
) -> None:
    assert FaceWindow.of(disc(), place(*to_place), noise.shape, 4096) is None
    assert FaceWindow.of(0 * disc(), place(160, 120), noise.shape, 4096) is None
