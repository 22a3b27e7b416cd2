"""Compares outputs of fusion networks: synthetic inputs, the fused crop, and its PSNR."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.engines.sessions import Feeds
from facefusion.models.networks import NETWORKS, sizes
from facefusion.types import FloatArray

#: Least PSNR in dB of an engine's fused crops against the reference's, by whether it computes in 8
#: bits: the loss of INT8 was measured on export (`export.quantize`), so 30 dB only rejects a broken
#: engine.
MIN_PSNR: Final = {False: 40.0, True: 30.0}


def synthetic_inputs(name: str, side: int) -> dict[str, FloatArray]:
    """Makes inputs of a fusion network: smooth colours, a round face mask, a random identity.

    Args:
        name: a network whose inputs are named as those of the coarse and the refine network.
        side: side of the crops in pixels.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side - 0.5
    disc = np.clip((0.32 - np.hypot(x, y)) / 0.05 + 0.5, 0, 1)
    face: FloatArray = disc.astype(np.float32)[None, None]

    def make(key: str, tensor: str) -> FloatArray:
        if key in ("warped", "target"):
            return _smooth(rng, side, 3, 0.2, 0.8)
        if key == "mask":
            return np.asarray(face * _smooth(rng, side, 1, 0.6, 1.0), np.float32)
        if key == "delta":
            return _smooth(rng, side, 3, -0.1, 0.1)
        if key == "identity":
            embedding = rng.normal(size=(1, int(sizes(tensor)[1]))).astype(np.float32)
            return np.asarray(embedding / np.linalg.norm(embedding), np.float32)
        return face

    return {key: make(key, tensor) for key, tensor in NETWORKS[name].inputs.items()}


def _smooth(
    rng: np.random.Generator, side: int, channels: int, low: float, high: float
) -> FloatArray:
    """Returns (1, channels, side, side) float32 that varies smoothly from `low` to `high`."""
    smooth = cv2.resize(
        rng.uniform(low, high, (8, 8, channels)), (side, side), interpolation=cv2.INTER_LINEAR
    )
    # OpenCV drops the axis of a single channel: `reshape` restores it.
    planes = smooth.reshape(side, side, channels).transpose(2, 0, 1)
    return np.ascontiguousarray(planes[None], np.float32)


def fused(feeds: Feeds, mask: FloatArray, delta: FloatArray) -> FloatArray:
    """Computes the fused crop (3, S, S) in [0, 1] from a network's inputs and outputs."""
    target = feeds["target"][0]
    return np.asarray(
        np.clip(target + mask[0] * (feeds["warped"][0] + delta[0] - target), 0, 1), np.float32
    )


def psnr(found: FloatArray, truth: FloatArray, inside: np.ndarray) -> float:
    """Computes the PSNR in dB, at most 120, of (3, S, S) images in [0, 1] inside a mask (S, S)."""
    error = float(np.mean((found[:, inside].astype(np.float64) - truth[:, inside]) ** 2))
    return 10 * float(np.log10(1 / max(error, 1e-12)))
