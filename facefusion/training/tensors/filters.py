"""Blurs, resizes and dilates batches of images as OpenCV does.

Blurring and resizing are separable and linear: a matrix over the rows and one over the columns, made by OpenCV
from a unit matrix, borders included. A matrix is made once for a device, outside of a captured CUDA
graph: run a step once before it is captured.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

#: Reduction of the resolution at which `low_pass` blurs.
SHRINK: Final = 4


@cache
def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Returns the values as a float32 tensor of a device, copied there once."""
    return _copied(np.array(values, np.float32), device)


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Blurs (B, C, H, W) as `cv2.GaussianBlur(x, (0, 0), sigma)` does float32 images.

    Args:
        x: the images.
        sigma: standard deviation in pixels.
    """
    rows, columns = (_blur(side, sigma, x.device) for side in x.shape[-2:])
    return _filtered(x, rows, columns)


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """Resizes (B, C, H, W) to (B, C, height, width): averages to shrink, else bilinear."""
    if (height, width) == tuple(x.shape[-2:]):
        return x
    rows = _resize(x.shape[-2], height, x.device)
    columns = _resize(x.shape[-1], width, x.device)
    return _filtered(x, rows, columns)


def shrunk_blur(x: Tensor, side: int, sigma: float) -> Tensor:
    """Shrinks square images (B, C, S, S) to `side`, then blurs them.

    Args:
        x: the images.
        side: side of the result in pixels, at most S.
        sigma: standard deviation in pixels of the result.
    """
    matrix = _shrunk_blur(x.shape[-1], side, sigma, x.device)
    return _filtered(x, matrix, matrix)


def low_pass(x: Tensor, sigma: float) -> Tensor:
    """Blurs square images (B, C, S, S) at a quarter of their resolution, and enlarges them again.

    Args:
        x: the images, S at least 4.
        sigma: standard deviation in pixels of `x`.
    """
    matrix = _low_pass(x.shape[-1], sigma, x.device)
    return _filtered(x, matrix, matrix)


def dilated(x: Tensor, radius: int) -> Tensor:
    """Dilates (B, C, H, W), not negative, by a disc of a radius in pixels, as `cv2.dilate` does."""
    side = 2 * radius + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    padded = functional.pad(x, (0, 0, radius, radius))
    result = x
    for row, width in enumerate(disc.sum(1).tolist()):
        part = padded[:, :, row : row + x.shape[2]]
        widest = functional.max_pool2d(part, (1, width), stride=1, padding=(0, width // 2))
        result = torch.maximum(result, widest)
    return result


def _filtered(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Multiplies the images by (h, H) `rows` from the left and (w, W) `columns` from the right."""
    with torch.autocast(x.device.type, enabled=False):
        return torch.matmul(torch.matmul(rows, x.float()), columns.T)


@cache
def _blur(side: int, sigma: float, device: torch.device) -> Tensor:
    return _copied(_blur_matrix(side, sigma), device)


@cache
def _resize(old: int, new: int, device: torch.device) -> Tensor:
    return _copied(_resize_matrix(old, new), device)


@cache
def _shrunk_blur(old: int, new: int, sigma: float, device: torch.device) -> Tensor:
    matrix = _blur_matrix(new, sigma) @ _resize_matrix(old, new)
    return _copied(matrix, device)


@cache
def _low_pass(side: int, sigma: float, device: torch.device) -> Tensor:
    small = side // SHRINK
    blur = _blur_matrix(small, sigma * small / side) @ _resize_matrix(side, small)
    return _copied(_resize_matrix(small, side) @ blur, device)


def _copied(array: np.ndarray, device: torch.device) -> Tensor:
    # Also a loss may use what was first needed in inference.
    with torch.inference_mode(False):
        return torch.from_numpy(array).to(device)


def _blur_matrix(side: int, sigma: float) -> np.ndarray:
    """Returns the (side, side) float32 matrix that blurs along one axis."""
    # 4 standard deviations on either side, as OpenCV takes for float32.
    kernel = cv2.getGaussianKernel(round(sigma * 8 + 1) | 1, sigma)
    unit = np.eye(side, dtype=np.float32)
    return np.asarray(cv2.sepFilter2D(unit, cv2.CV_32F, np.ones(1), kernel), np.float32)


def _resize_matrix(old: int, new: int) -> np.ndarray:
    """Returns the (new, old) float32 matrix that resizes along one axis."""
    kernel = cv2.INTER_AREA if new < old else cv2.INTER_LINEAR
    unit = np.eye(old, dtype=np.float32)
    return np.asarray(cv2.resize(unit, (old, new), interpolation=kernel), np.float32)
