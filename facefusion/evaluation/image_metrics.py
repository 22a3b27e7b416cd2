"""Compares an image with the truth: SSIM, and a perceptual distance if installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final

import numpy as np

from facefusion.evaluation import lite0, perceptual
from facefusion.evaluation.measures import mean_inside
from facefusion.types import Photo

#: Compares (image, truth, inside): two images (H, W, 3) RGB uint8 under a mask (H, W) bool.
ImageMetric = Callable[[Photo, Photo, np.ndarray], float]

SSIM_NAME: Final = "SSIM"
#: Standard deviation of SSIM's Gaussian window in pixels (Wang et al., "Image Quality Assessment",
#: TIP 2004).
SSIM_SIGMA: Final = 1.5


@dataclass(frozen=True)
class ImageMetrics:
    """The available metrics by name, and the reasons why others are missing."""

    available: dict[str, ImageMetric] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def ssim(image: Photo, truth: Photo, inside: np.ndarray) -> float:
    """Computes the mean structural similarity under a mask, in [-1, 1], 1 for equal images.

    The settings are those of the paper, per channel: Gaussian window of 1.5 pixels, no sample
    covariance.

    Args:
        image, truth: (H, W, 3) RGB uint8.
        inside: (H, W) bool, the pixels to compare.
    """
    from skimage.metrics import structural_similarity

    _, values = structural_similarity(
        truth, image, channel_axis=2, data_range=255, gaussian_weights=True, sigma=SSIM_SIGMA,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    return mean_inside(values.mean(2), inside)


def open_image_metrics() -> ImageMetrics:
    """Opens the metrics whose packages are installed."""
    metrics = ImageMetrics()
    if find_spec("skimage") is None:
        metrics.missing[SSIM_NAME] = "scikit-image is not installed"
    else:
        metrics.available[SSIM_NAME] = ssim
    packages = lite0.missing_packages()
    if packages:
        metrics.missing[perceptual.NAME] = f"{' and '.join(packages)} not installed"
    else:
        metrics.available[perceptual.NAME] = perceptual.PerceptualDistance()
    return metrics
