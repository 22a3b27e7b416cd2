"""Degrades photos in known ways, and measures how far a new face follows its photo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import cv2
import numpy as np
from PIL import Image

from facefusion.evaluation.realism import BANDS, SIDE, FaceCrop, energies, skin
from facefusion.types import FloatArray, Photo

#: Standard deviations of noise, in levels of 255.
NOISES: Final = (5, 15, 25)
#: Standard deviations of blur, in pixels of the photo.
BLURS: Final = (1, 2, 4)
JPEG_QUALITY: Final = 20
#: Standard deviations, in pixels of the photo, whose differences are its two finest octaves.
OCTAVE_SIGMAS: Final = (0.0, 1.0, 2.0)
OCTAVES: Final = ("photo's below 1 px", "photo's 1-2 px")
#: Compared bands: those of the crop, then the octaves of the photo.
COMPARED: Final = (*BANDS, *OCTAVES)

#: Turns a photo (H, W, 3) RGB uint8 and a seed into the degraded photo of the same size.
Degrade = Callable[[Photo, int], Photo]


def add_noise(photo: Photo, seed: int, deviation: float) -> Photo:
    """Adds Gaussian noise, independent by pixel and channel, its `deviation` in levels of 255."""
    noise = np.random.default_rng(seed).normal(0, deviation, photo.shape)
    return np.asarray(np.clip(np.rint(photo + noise), 0, 255), np.uint8)


def blur(photo: Photo, deviation: float) -> Photo:
    """Blurs by a Gaussian of a standard deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), deviation), np.uint8)


def compress_jpeg(photo: Photo, quality: int) -> Photo:
    """Compresses as JPEG and decodes again."""
    code = BytesIO()
    Image.fromarray(photo).save(code, "JPEG", quality=quality)
    return np.asarray(Image.open(code, formats=["JPEG"]), np.uint8)


def halve(photo: Photo) -> Photo:
    """Averages down to half the resolution and scales up again with a cubic kernel."""
    height, width = photo.shape[:2]
    half = (max(width // 2, 1), max(height // 2, 1))
    small = cv2.resize(photo, half, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def degradations() -> dict[str, Degrade]:
    """Returns all degradations of a target by name; the first one changes nothing."""

    def noise(deviation: int) -> Degrade:
        return lambda photo, seed: add_noise(photo, seed, deviation)

    def gaussian(deviation: int) -> Degrade:
        return lambda photo, seed: blur(photo, deviation)

    return {
        "as it is": lambda photo, seed: photo,
        **{f"noise, sd {deviation}": noise(deviation) for deviation in NOISES},
        **{f"blur, sd {deviation} px": gaussian(deviation) for deviation in BLURS},
        f"JPEG, quality {JPEG_QUALITY}": lambda photo, seed: compress_jpeg(photo, JPEG_QUALITY),
        "half resolution": lambda photo, seed: halve(photo),
    }


@dataclass(frozen=True)
class SkinEnergies:
    """Energies of the skin in the result and in the target, (7,) grey levels, by `COMPARED`."""

    result: FloatArray
    target: FloatArray

    @property
    def ratios(self) -> FloatArray:
        """Ratios of result to target, (7,); NaN if no skin is covered."""
        return np.asarray(self.result / np.maximum(self.target, 1e-6), np.float32)


def skin_energies(target: Photo, result: Photo, mask: FloatArray, mesh: FloatArray) -> SkinEnergies:
    """Measures sharpness and grain of a new face and of its photo.

    Args:
        target: (H, W, 3) RGB uint8, the photo that was fused into, degraded or not.
        result: (H, W, 3) RGB uint8.
        mask: (H, W) float32 in [0, 1], the new face's share of each pixel.
        mesh: the target's mesh (468, 2 or 3) in pixels.
    """
    target_crop, result_crop = FaceCrop.of(target, mesh), FaceCrop.of(result, mesh)
    covered = cv2.warpAffine(mask, target_crop.matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    crop_weight = skin(target_crop.mesh, target_crop.image.shape) * covered
    # The octaves are measured on the face's part of the photo, so that the time does not grow with
    # the photo.
    low = np.maximum(np.floor(mesh[:, :2].min(0)).astype(int), 0)
    high = np.maximum(np.ceil(mesh[:, :2].max(0)).astype(int) + 1, low + 1)
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    photo_weight = skin(mesh[:, :2] - low, mask[window].shape) * mask[window]

    def measured(crop: FaceCrop, photo: Photo) -> FloatArray:
        bands = energies(crop.image, crop_weight)
        octaves = energies(photo[window], photo_weight, OCTAVE_SIGMAS)
        return np.concatenate([bands, octaves])

    return SkinEnergies(measured(result_crop, result), measured(target_crop, target))
