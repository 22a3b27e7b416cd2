"""From the coarse network's 128 px answer to a crop at the photo's own resolution."""

from __future__ import annotations

import cv2
import numpy as np

from facefusion.fusion.coarse import FusionMaps
from facefusion.types import FloatArray, Photo


def _larger(field: FloatArray, size: int) -> FloatArray:
    return np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _mask_at(fused: FusionMaps, size: int) -> FloatArray:
    mask = np.clip(_larger(fused.mask, size), 0, 1)
    mask[mask < 1 / 512] = 0
    return mask


def compose_coarse(warped: Photo, fused: FusionMaps, size: int) -> tuple[Photo, FloatArray]:
    """The coarse result, upsampled: what the network made at 128, as soft as that is.

    Args:
        warped: (128, 128, 3) RGB uint8, the warped source that the network saw.
        fused: its answer.
        size: side of the crop to fill.

    Returns:
        (size, size, 3) RGB uint8 face and (size, size) float32 mask, for `paste`.
    """
    face = _larger(warped + 255 * fused.delta, size)
    return np.clip(face + 0.5, 0, 255).astype(np.uint8), _mask_at(fused, size)


def compose_detail(warped: Photo, fused: FusionMaps) -> tuple[Photo, FloatArray]:
    """The warped source at full detail with the network's change of light and colour.

    The network's mask and residual are smooth, the detail is the source's own: `warped + up(delta)` under `up(mask)` is
    the coarse change upsampled, with the target's high frequencies under the mask replaced by the warped source's.

    Args:
        warped: (S, S, 3) RGB uint8, the warped source at the detail size.
        fused: the networks' answer, at 128 or refined at a larger side.

    Returns:
        (S, S, 3) RGB uint8 face and (S, S) float32 mask, for `paste`.
    """
    size = warped.shape[0]
    face = cv2.add(warped, _larger(255 * fused.delta, size), dtype=cv2.CV_8U)
    return np.asarray(face, np.uint8), _mask_at(fused, size)
