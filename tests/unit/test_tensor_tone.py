"""Batched corrections of tone and light do what the pipeline's do."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from facefusion import FusionPipeline
from facefusion.compose import color
from facefusion.compose.exposure import Exposure
from facefusion.compose.features import FeatureMasks
from facefusion.compose.monochrome import ColourCurve
from facefusion.compose.phototone import PhotoTone
from facefusion.compose.tone import from_lab, lab
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    rescale_transform,
    transform_points,
)
from facefusion.geometry.mask import skin_mask
from facefusion.training.tensors import curves, filters
from facefusion.training.tensors.exposure import exposure_gains, raised
from facefusion.training.tensors.monochrome import ColourCurves
from facefusion.training.tensors.parts import PartMasks
from facefusion.training.tensors.tone import Relight, match_light
from tests.unit.conftest import EXAMPLES

SIZE = 128
#: A portrait's levels are raised to these powers: dark skin, as it is, light skin, and a lamp.
POWERS = ((2.4, 2.6, 2.8), (1.0, 1.0, 1.0), (0.6, 0.55, 0.5), (0.8, 1.3, 1.8))


class Face:
    """A portrait's crops at 128 and 256 px, with the masks of the pipeline."""

    def __init__(self, photo: np.ndarray, mesh: np.ndarray) -> None:
        matrix = mesh_crop_transform(mesh, FUSION_FACE_SHARE, SIZE)
        self.crop = crop_photo(photo, matrix, SIZE)
        self.large = crop_photo(photo, rescale_transform(matrix, 2), 2 * SIZE)
        points = transform_points(mesh, matrix)
        self.skin = skin_mask(points, SIZE)
        self.features = FeatureMasks.of(points, SIZE)


@pytest.fixture(scope="module")
def faces(pipeline: FusionPipeline) -> list[Face]:
    found = []
    for path in sorted(EXAMPLES.glob("portrait-*.jpg")):
        photo = np.asarray(Image.open(path).convert("RGB"))
        detection = pipeline.networks.detector(photo)[0]
        found.append(Face(photo, pipeline.networks.mesh(photo, detection).mesh))
    return found


def _powered(image: np.ndarray, powers: tuple[float, ...]) -> np.ndarray:
    return np.rint(255 * (image / 255) ** np.array(powers)).astype(np.uint8)


def _grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def _images(*images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def _masks(*masks: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack(masks))[:, None].float()


def _parts(*features: FeatureMasks) -> PartMasks:
    return PartMasks(
        *(_masks(*(getattr(f, name) for f in features)) for name in ("lips", "whites", "hairs"))
    )


def _array(image: Tensor) -> np.ndarray:
    return (255 * image).permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def batch(faces: list[Face]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, Face]]:
    """Pairs: the source at 128 and at 256 px, the target, and the target's face."""
    pairs = []
    for i, face in enumerate(faces):
        other = faces[(i + 1) % len(faces)]
        for j, powers in enumerate(POWERS):
            own = POWERS[(i + j + 1) % len(POWERS)]
            small, large = _powered(face.crop, own), _powered(face.large, own)
            pairs.append((small, large, _powered(other.crop, powers), other))
        pairs.append((_grey(face.crop), _grey(face.large), other.crop, other))
    return pairs


def _matched(batch: list, *, features: bool, share: Any = 1.0) -> tuple[Relight, Tensor, Tensor]:
    small, large, target, faces = zip(*batch, strict=True)
    parts = _parts(*(face.features for face in faces)) if features else None
    skin = _masks(*(face.skin for face in faces))
    relight = match_light(_images(*small), _images(*target), skin, parts, share)
    return relight, _images(*small), _images(*large)


@pytest.mark.parametrize("features", [True, False])
def test_tone_and_light_are_those_of_the_pipeline(batch, features: bool) -> None:
    relight, small, large = _matched(batch, features=features)
    found, found_large = _array(relight(small)), _array(relight(large))
    for i, (source, source_large, target, face) in enumerate(batch):
        masks = face.features if features else None
        expected = color.match_light(source, target, face.skin, masks)
        for image, wanted in (
            (found[i], expected(source)),
            (found_large[i], expected(source_large)),
        ):
            error = np.abs(image - wanted)
            assert error.mean() < 0.5 and np.quantile(error, 0.99) < 1.5


def test_a_share_of_zero_leaves_the_source_and_a_half_is_between(batch) -> None:
    share = torch.tensor([(0.0, 0.5, 1.0)[i % 3] for i in range(len(batch))])
    relight, small, _ = _matched(batch, features=True, share=share)
    full, mixed = _matched(batch, features=True)[0](small), relight(small)
    torch.testing.assert_close(mixed[::3], small[::3], atol=1e-5, rtol=0)
    torch.testing.assert_close(mixed[2::3], full[2::3], atol=1e-5, rtol=0)
    torch.testing.assert_close(_matched(batch, features=True, share=0.0)[0](small), small)
    for i in range(1, len(batch), 3):
        whole = (full[i] - small[i]).abs().mean()
        for end in (full[i], small[i]):
            assert 0.3 * whole < (mixed[i] - end).abs().mean() < 0.7 * whole


def test_a_batch_equals_single_calls(batch) -> None:
    relight, small, _ = _matched(batch, features=True)
    together = relight(small)
    for i in range(0, len(batch), 4):
        alone, image, _ = _matched(batch[i : i + 1], features=True)
        torch.testing.assert_close(alone(image), together[i : i + 1], atol=1e-4, rtol=0)


def test_masks_may_be_given_at_the_resolution_of_the_image(batch) -> None:
    relight, _, large = _matched(batch, features=True)
    assert relight.masks is not None
    given = relight(large, relight.masks.resized(2 * SIZE, 2 * SIZE))
    torch.testing.assert_close(given, relight(large))
    nothing = torch.zeros(len(batch), 1, 2 * SIZE, 2 * SIZE)
    bare = relight(large, PartMasks(nothing, nothing, nothing))
    assert (bare - given).abs().max() > 0.02


def test_nothing_waits_for_the_processor(batch) -> None:
    """So that a step can be captured in a CUDA graph."""
    _, small, _ = _matched(batch, features=True)
    skin = _masks(*(face.skin for *_, face in batch))
    with _NoWaiting():
        relight, _, large = _matched(batch, features=True, share=torch.rand(len(batch)))
        relight(large)
        curve = ColourCurves.of(small)
        curve.coloured(raised(small, exposure_gains(small, skin, curve.monochrome)))
        filters.low_pass(small, 5.0)
    with pytest.raises(AssertionError, match="nonzero"), _NoWaiting():
        small[small > 0.5]


class _NoWaiting(TorchDispatchMode):
    """Refuses operations whose result or shape the processor has to wait for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        words = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount")
        assert not any(word in name for word in words), name
        if name.startswith("aten.index."):
            masks = [index for index in args[1] if index is not None]
            assert all(index.dtype not in (torch.bool, torch.uint8) for index in masks), "nonzero"
        return func(*args, **(kwargs or {}))


def test_constants_made_in_inference_serve_training() -> None:
    x = torch.rand(1, 3, 20, 20, requires_grad=True)
    with torch.inference_mode():
        filters.gaussian_blur(torch.rand(1, 3, 20, 20), 1.25)
    filters.gaussian_blur(x, 1.25).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_black_and_missing_skin_stay_finite(faces: list[Face]) -> None:
    black = np.zeros((SIZE, SIZE, 3), np.uint8)
    photo, nowhere = faces[0].crop, np.zeros((SIZE, SIZE), np.float32)
    empty = FeatureMasks(nowhere, nowhere, nowhere)
    for skin, features in ((faces[0].skin, faces[0].features), (nowhere, empty)):
        for source, target in ((black, photo), (photo, black), (black, black)):
            relight = match_light(
                _images(source), _images(target), _masks(skin), _parts(features), 0.7
            )
            assert relight(_images(source)).isfinite().all()


def test_monochrome_photos_are_found_and_matched(faces: list[Face]) -> None:
    sepia = [_powered(_grey(face.crop), (0.75, 0.95, 1.3)) for face in faces]
    lamp = [np.rint(_grey(face.crop) * (1, 0.2, 0.1)).astype(np.uint8) for face in faces]
    photos = [*(face.crop for face in faces), *(_grey(face.crop) for face in faces), *sepia, *lamp]
    image = faces[1].crop
    curve = ColourCurves.of(_images(*photos))
    found = _array(curve.coloured(_images(*[image] * len(photos))))
    for i, photo in enumerate(photos):
        expected = ColourCurve.of(photo)
        assert bool(curve.monochrome[i]) == (expected is not None)
        if expected is not None:
            error = np.abs(found[i] - expected(image))
            assert error.mean() < 0.5 and np.quantile(error, 0.99) < 1.5


def test_dark_photos_are_raised_as_by_the_pipeline(faces: list[Face]) -> None:
    lamps = ((0.2, 0.2, 0.2), (0.9, 0.15, 0.1), (1, 1, 1), (0.02, 0.02, 0.02))
    photos, skins = [], []
    for i, lamp in enumerate((*lamps, lamps[0])):
        face = faces[i % len(faces)]
        photo = _grey(face.crop) if i == len(lamps) else face.crop
        photos.append(np.rint(photo * np.array(lamp)).astype(np.uint8))
        skins.append(face.skin)
    images = _images(*photos)
    neutral = ColourCurves.of(images).monochrome
    found = _array(raised(images, exposure_gains(images, _masks(*skins), neutral)))
    for i, (photo, skin) in enumerate(zip(photos, skins, strict=True)):
        expected = PhotoTone.of(photo, skin).raised(photo)
        assert np.abs(found[i] - expected).mean() < 1
    plain = exposure_gains(images[:1], _masks(skins[0]))
    exposure = Exposure.of(photos[0], skins[0])
    assert exposure is not None
    np.testing.assert_allclose(plain[0], exposure.gains, atol=0.01)
    assert (exposure_gains(images[:1], torch.zeros(1, 1, SIZE, SIZE)) == 1).all()


def test_colours_go_to_cielab_and_back() -> None:
    """To the accuracy of OpenCV's tables."""
    colours = np.random.default_rng(0).uniform(0, 255, (200, 3)).astype(np.float32)
    colours[:4] = [(0, 0, 0), (255, 255, 255), (3, 1, 2), (250, 2, 1)]
    found = curves.lab(torch.from_numpy(colours / 255))
    np.testing.assert_allclose(found, [lab(colour) for colour in colours], atol=0.4)
    moved = found + torch.tensor([5.0, -10.0, 20.0])
    expected = [from_lab(colour) for colour in moved.numpy()]
    np.testing.assert_allclose(255 * curves.from_lab(moved), expected, atol=0.6)


@pytest.mark.parametrize("sigma", [1.5, 3.008, 11.0])
def test_filters_are_those_of_opencv(make_photo, sigma: float) -> None:
    image = make_photo(96, 96).astype(np.float32)
    x = torch.from_numpy(image).permute(2, 0, 1)[None]

    def same(found: Tensor, expected: np.ndarray) -> None:
        np.testing.assert_allclose(found[0].permute(1, 2, 0), expected, atol=0.01)

    same(filters.gaussian_blur(x, sigma), cv2.GaussianBlur(image, (0, 0), sigma))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13))
    same(filters.dilated(x, 6), cv2.dilate(image, disc))
    wide = np.ascontiguousarray(image[:64])
    same(filters.gaussian_blur(x[:, :, :64], sigma), cv2.GaussianBlur(wide, (0, 0), sigma))
    small = cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA)
    same(filters.resized(x, 24, 24), small)
    same(filters.resized(x, 256, 256), cv2.resize(image, (256, 256)))
    same(filters.shrunk_blur(x, 24, sigma), cv2.GaussianBlur(small, (0, 0), sigma))
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / 4)
    same(filters.low_pass(x, sigma), cv2.resize(blurred, (96, 96)))
