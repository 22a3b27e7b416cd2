"""A photo is sampled once: at its own resolution, or averaged to that of the result."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    invert,
    mesh_crop_transform,
    transform_points,
)
from facefusion.geometry.frames import Frame
from facefusion.geometry.sampling import (
    DENSE,
    MARGIN,
    PhotoPart,
    crop_part,
    remapped,
    rounded_up,
    shrinks,
)

SIDE = 96


def flow_of(mesh: np.ndarray, side: int = SIDE) -> np.ndarray:
    """(side, side, 2) the places in the photo that the aligned crop of a face shows."""
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    back = invert(mesh_crop_transform(mesh, FUSION_FACE_SHARE, side))
    return transform_points(grid, back).reshape(side, side, 2)


def test_a_face_that_is_shown_as_large_is_sampled_from_the_photo_itself(
    make_mesh: Any, make_photo: Any
) -> None:
    photo, mesh = make_photo(200, 220), make_mesh((110, 100), 100)
    part = PhotoPart.around(photo, mesh, 100)
    assert part.image is photo and part.kernel == cv2.INTER_CUBIC
    np.testing.assert_array_equal(part.to_part, np.eye(2, 3))
    assert not shrinks(mesh, round(100 / DENSE) + 1) and shrinks(mesh, round(100 / DENSE) - 1)


def test_a_part_of_a_photo_gives_the_samples_of_the_photo(make_mesh: Any, make_photo: Any) -> None:
    photo, mesh = make_photo(500, 640), make_mesh((330, 240), 250, roll=15)
    whole, frame = PhotoPart(photo, np.eye(2, 3)), Frame.crop(SIDE)
    expected = whole.sampled(flow_of(mesh), frame)
    part = PhotoPart.around(photo, mesh, 100)
    assert part.image.shape[0] < 250 and part.image.shape[1] < 280
    found = part.sampled(flow_of(mesh), frame)
    assert (
        np.abs(found.astype(int) - expected).max() <= 5
        and np.abs(found.astype(int) - expected).mean() < 1
    )
    np.testing.assert_array_equal(
        found, PhotoPart.around(photo, mesh, 100).sampled(flow_of(mesh), frame)
    )


@pytest.mark.parametrize("shift", [(0, 0), (-150, 40), (90, -170)])
def test_the_pixels_of_a_part_lie_where_its_matrix_says(
    make_mesh: Any, shift: tuple[int, int]
) -> None:
    x, y = np.meshgrid(np.arange(640) * 0.39, np.arange(500) * 0.5)
    photo = np.rint(np.stack([x, y, 0 * x], axis=-1)).astype(np.uint8)
    mesh = make_mesh((330 + shift[0], 240 + shift[1]), 240)
    part = PhotoPart.around(photo, mesh, 80)  # 3 pixels in one
    height, width = part.image.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
    places = transform_points(grid, invert(part.to_part)).reshape(height, width, 2)
    np.testing.assert_allclose(part.image[..., :2], places * [0.39, 0.5], atol=0.8)
    # It reaches a little beyond the aligned crop on each side, as far as the photo goes.
    low, high = (np.array([330, 240]) + shift + sense * 200 * (1 + 2 * MARGIN) for sense in (-1, 1))
    np.testing.assert_allclose(places[0, 0] - 1, np.maximum(low, 0), atol=3)
    np.testing.assert_allclose(places[-1, -1] + 1, np.minimum(high, [640, 500]), atol=3)


def test_shrinking_averages_areas_where_sampling_would_pick_single_pixels(make_mesh: Any) -> None:
    y, x = np.mgrid[:600, :600]
    board = np.repeat((255 * ((x + y) % 2)).astype(np.uint8)[..., None], 3, 2)
    mesh, frame = make_mesh((300, 300), 300), Frame.crop(SIDE)
    grey = PhotoPart.around(board, mesh, 60).sampled(flow_of(mesh), frame)
    picked = PhotoPart(board, np.eye(2, 3)).sampled(flow_of(mesh), frame)
    assert np.abs(grey.astype(int) - 127).max() < 30 and picked.std() > 60


def test_a_face_outside_of_its_photo_leaves_the_photo(make_mesh: Any, make_photo: Any) -> None:
    photo = make_photo(60, 80)
    assert PhotoPart.around(photo, make_mesh((900, 900), 300), 64).image is photo


@pytest.mark.parametrize("size", [100, 40])
@pytest.mark.parametrize("at", [100, 34900])
def test_a_photo_may_be_larger_than_opencv_samples(
    make_mesh: Any, make_photo: Any, at: int, size: int
) -> None:
    small, left = make_photo(200, 200), at - 100
    photo = np.zeros((200, 35000, 3), np.uint8)
    photo[:, left : left + 200] = small
    flow, frame = flow_of(make_mesh((100, 100), 100)), Frame.crop(SIDE)
    expected = PhotoPart.around(small, make_mesh((100, 100), 100), size).sampled(flow, frame)
    part = PhotoPart.around(photo, make_mesh((at, 100), 100), size)
    moved = flow + np.array([left, 0], np.float32)
    # Places of 32 bits are coarser there.
    assert np.abs(part.sampled(moved, frame).astype(int) - expected).max() <= 4


def test_whole_pixels_are_copied(rng: np.random.Generator) -> None:
    photo = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    x, y = np.meshgrid(np.arange(7, 27, dtype=np.float32), np.arange(9, 29, dtype=np.float32))
    found = PhotoPart(photo, np.eye(2, 3)).sampled(np.stack([x, y], axis=-1), Frame.crop(20))
    np.testing.assert_array_equal(found, photo[9:29, 7:27])


def test_beyond_its_border_a_photo_is_mirrored(rng: np.random.Generator) -> None:
    photo = rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)
    x, y = (np.array([[at]], np.float32) for at in (-3, 11))
    np.testing.assert_array_equal(remapped(photo, x, y, cv2.INTER_CUBIC)[0, 0], photo[7, 3])


def test_an_aligned_crop_takes_the_place_of_its_photo(make_mesh: Any, make_photo: Any) -> None:
    photo, mesh = make_photo(400, 400), make_mesh((190, 210), 150, roll=-20)
    to_crop = mesh_crop_transform(mesh, FUSION_FACE_SHARE, SIDE)
    crop = crop_photo(photo, to_crop, SIDE)
    part = crop_part(crop, to_crop)
    assert part.kernel == cv2.INTER_LINEAR
    assert np.abs(part.sampled(flow_of(mesh), Frame.crop(SIDE)).astype(int) - crop).max() <= 1


def test_sizes_are_rounded_up_so_that_parts_serve_again() -> None:
    assert [rounded_up(size) for size in (1, 64, 64.1, 179, 192.5)] == [64, 64, 128, 192, 256]
