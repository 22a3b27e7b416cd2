"""Similarity transforms and crops, and the pixel-centre convention that they share with
`cv2.resize`.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.geometry.align import (
    chain,
    crop_photo,
    crop_transform,
    face_size,
    invert,
    mesh_crop_transform,
    rescale_transform,
    shrunk,
    similarity_transform,
    transform_points,
)
from facefusion.geometry.topology import five_points


def _similarity(scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[scale * cos, -scale * sin, shift[0]], [scale * sin, scale * cos, shift[1]]])


@pytest.mark.parametrize("degrees", [0, 30, 90, -135, 180])
@pytest.mark.parametrize("scale", [0.05, 1, 7])
def test_similarity_transform_recovers_a_known_one(
    rng: np.random.Generator, scale: float, degrees: float
) -> None:
    known = _similarity(scale, degrees, (12.5, -300))
    points = rng.uniform(0, 100, (5, 2))
    found = similarity_transform(points, points @ known[:, :2].T + known[:, 2])
    np.testing.assert_allclose(found, known, rtol=1e-9, atol=1e-9)


def test_similarity_transform_needs_two_points() -> None:
    known = _similarity(2, 45, (1, 2))
    points = np.array([[0.0, 0.0], [10.0, 0.0]])
    np.testing.assert_allclose(
        similarity_transform(points, points @ known[:, :2].T + known[:, 2]), known, atol=1e-9
    )


def test_similarity_transform_never_mirrors(rng: np.random.Generator) -> None:
    points = rng.uniform(0, 100, (6, 2))
    found = similarity_transform(points, points * [-1, 1])
    assert np.linalg.det(found[:, :2]) >= 0


def test_similarity_transform_is_the_least_squares_one(rng: np.random.Generator) -> None:
    source, destination = rng.uniform(0, 100, (5, 2)), rng.uniform(0, 100, (5, 2))

    def error(matrix: np.ndarray) -> float:
        return float(((source @ matrix[:, :2].T + matrix[:, 2] - destination) ** 2).sum())

    best = similarity_transform(source, destination)
    for _ in range(50):
        other = np.vstack([best, [0, 0, 1]]) @ np.vstack(
            [_similarity(*rng.normal((1, 0), (0.02, 1)), (0.1, 0.1)), [0, 0, 1]]
        )
        assert error(best) <= error(other[:2])


def test_transform_points_scales_depth_along() -> None:
    moved = transform_points(np.array([[1.0, 2.0, 3.0]]), _similarity(4, 90, (10, 20)))
    np.testing.assert_allclose(moved, [[2, 24, 12]], atol=1e-5)
    assert moved.dtype == np.float32


def test_invert_undoes(rng: np.random.Generator) -> None:
    matrix, points = _similarity(0.3, 77, (5, 6)), rng.uniform(0, 100, (9, 2))
    np.testing.assert_allclose(
        transform_points(transform_points(points, matrix), invert(matrix)), points, atol=1e-3
    )


def test_crop_transform_centres_the_face_at_its_share() -> None:
    corners = np.array([[100, 200], [160, 200], [160, 300], [100, 300]], float)
    moved = transform_points(corners, crop_transform(corners, 0.0, 0.5, 128))
    np.testing.assert_allclose(
        [moved.min(0), moved.max(0)], [[64 - 19.2, 32], [64 + 19.2, 96]], atol=1e-4
    )


@pytest.mark.parametrize("roll", [0, 25, -70, 180])
def test_mesh_crop_transform_levels_the_eyes(make_mesh, roll: float) -> None:
    mesh = make_mesh((300, 200), 150, roll=roll)
    left, right = five_points(transform_points(mesh, mesh_crop_transform(mesh, 0.6, 128)))[:2]
    assert left[0] < right[0]
    assert abs(left[1] - right[1]) < 1e-3


@pytest.mark.parametrize("factor", [2, 3])
def test_rescale_transform_agrees_with_cv2_resize(factor: int) -> None:
    y, x = np.mgrid[:200, :200].astype(np.float32)
    ramp = np.stack(
        [3 * x + 5 * y, x - y, 2 * y], axis=-1
    )  # linear: both ways of interpolating are exact on it
    matrix = _similarity(1.1, 12, (-50, -40))
    small = crop_photo(ramp, matrix, 64)
    large = crop_photo(ramp, rescale_transform(matrix, factor), 64 * factor)
    resized = cv2.resize(small, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    inner = slice(factor * 2, -factor * 2)
    # warpAffine rounds positions to 1/32 px, on a slope of up to 8 levels a pixel.
    np.testing.assert_allclose(large[inner, inner], resized[inner, inner], atol=0.4)
    wrong = crop_photo(
        ramp, matrix * factor, 64 * factor
    )  # what a convention without the half pixel would give
    assert np.abs(wrong[inner, inner] - resized[inner, inner]).mean() > 0.5


def test_rescale_transform_does_not_change_its_argument() -> None:
    matrix = _similarity(1, 0, (3, 4))
    rescale_transform(matrix, 2)
    np.testing.assert_array_equal(matrix, _similarity(1, 0, (3, 4)))


@pytest.mark.parametrize("factor", [2, 8])
def test_crop_photo_averages_areas(rng: np.random.Generator, factor: int) -> None:
    noise = rng.integers(0, 256, (64 * factor, 64 * factor, 3), dtype=np.uint8)
    crop = crop_photo(noise, rescale_transform(np.eye(2, 3), 1 / factor), 64)
    means = noise.reshape(64, factor, 64, factor, 3).mean((1, 3))
    assert np.abs(crop - means).max() <= 1.5  # each halving rounds


@pytest.mark.parametrize(
    ("scale", "turn"), [(0.9, 10), (0.6, 0), (0.34, -25), (0.3, 170), (0.11, 40), (0.05, 0)]
)
def test_a_crop_from_halved_pixels_lies_where_it_should(scale: float, turn: float) -> None:
    y, x = np.mgrid[:900, :1100].astype(np.float32)
    ramp = np.stack([x, y, x + y], axis=-1)  # every pixel says where it is
    matrix = _similarity(scale, turn, (0, 0))
    matrix[:, 2] = 32 - matrix[:, :2] @ [400, 300]
    crop = crop_photo(ramp, matrix, 64)
    columns, rows = np.meshgrid(np.arange(64), np.arange(64))
    places = transform_points(np.stack([columns.ravel(), rows.ravel()], axis=1), invert(matrix))
    inside = ((places > 40) & (places < [1060, 860])).all(1)
    found = crop.reshape(-1, 3)[inside]
    assert inside.sum() > 200
    np.testing.assert_allclose(found[:, :2], places[inside], atol=0.08 / scale)
    np.testing.assert_allclose(found[:, 2], places[inside].sum(1), atol=0.16 / scale)


def test_what_is_shrunk_holds_the_crop_and_little_more(rng: np.random.Generator) -> None:
    photo = rng.integers(0, 256, (3000, 4000, 3), dtype=np.uint8)
    matrix = _similarity(0.1, 20, (-80, -60))
    part, onto = shrunk(photo, matrix, 128, 0.1)
    assert max(part.shape) < 2 * 1.5 * 1.2 * 128 * np.sqrt(2) + 10
    assert 1 / np.hypot(onto[0, 0], onto[1, 0]) == pytest.approx(10 / 4)
    np.testing.assert_allclose(crop_photo(part, onto, 128), crop_photo(photo, matrix, 128), atol=1)
    same, unmoved = shrunk(photo, np.eye(2, 3), 128)
    assert same is photo and (unmoved == np.eye(2, 3)).all()
    outside = _similarity(0.1, 0, (-5000, 0))
    assert shrunk(photo, outside, 128)[0] is photo


def test_matrices_are_chained(rng: np.random.Generator) -> None:
    first, second = _similarity(1.3, 20, (5, 7)), _similarity(0.4, -50, (1, -9))
    points = rng.uniform(0, 100, (9, 2))
    expected = transform_points(transform_points(points, first), second)
    np.testing.assert_allclose(transform_points(points, chain(second, first)), expected, atol=1e-4)


def test_the_size_of_a_face_is_measured_along_the_face(make_mesh) -> None:
    assert face_size(make_mesh((200, 200), 100)) == pytest.approx(100, abs=0.5)
    assert face_size(make_mesh((200, 200), 100, roll=30)) == pytest.approx(100, abs=0.5)


def test_crop_photo_outside_the_photo_repeats_its_border() -> None:
    photo = np.full((10, 10, 3), 77, np.uint8)
    assert (crop_photo(photo, _similarity(1, 0, (-100, -100)), 16) == 77).all()
    assert (crop_photo(photo, _similarity(1, 0, (-100, -100)), 16, cv2.BORDER_CONSTANT) == 0).all()
