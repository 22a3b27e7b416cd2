"""Compares a reconstruction with the truth: SSIM, and a perceptual distance if installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final

import numpy as np

from facefusion.evaluation import lite0, perceptual
from facefusion.evaluation.measures import mean_inside
from facefusion.types import Photo

#: Compares (found, truth, inside), two images (H, W, 3) RGB uint8 under a mask (H, W) bool.
Compare = Callable[[Photo, Photo, np.ndarray], float]

SSIM_NAME: Final = "SSIM"
#: Standard deviation of SSIM's Gaussian window in pixels (Wang et al., "Image Quality Assessment",
#: TIP 2004).
SSIM_SIGMA: Final = 1.5


@dataclass(frozen=True)
class Likeness:
    """The available comparisons by name, and why others are missing."""

    measures: dict[str, Compare] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def ssim(found: Photo, truth: Photo, inside: np.ndarray) -> float:
    """Computes the mean structural similarity under a mask, in [-1, 1], 1 for equal images.

    The settings are those of the paper, per channel: Gaussian window of 1.5 pixels, no sample
    covariance.

    Args:
        found, truth: (H, W, 3) RGB uint8.
        inside: (H, W) bool, the pixels to compare.
    """
    from skimage.metrics import structural_similarity

    _, values = structural_similarity(
        truth, found, channel_axis=2, data_range=255, gaussian_weights=True, sigma=SSIM_SIGMA,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    return mean_inside(values.mean(2), inside)


def open_likeness() -> Likeness:
    """Opens the comparisons whose packages are installed."""
    likeness = Likeness()
    if find_spec("skimage") is None:
        likeness.missing[SSIM_NAME] = "scikit-image is not installed"
    else:
        likeness.measures[SSIM_NAME] = ssim
    missing = lite0.missing_packages()
    if missing:
        likeness.missing[perceptual.NAME] = f"{' and '.join(missing)} not installed"
    else:
        likeness.measures[perceptual.NAME] = perceptual.PerceptualDistance()
    return likeness
