"""Runs the coarse network: mask and residual of a warped source and a target at 128 px."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facefusion.engines.sessions import Network, make_session
from facefusion.types import FloatArray, Mask, Photo

#: Side in pixels of the coarse network's crops.
COARSE_SIZE: Final = 128


@dataclass(frozen=True)
class FusionMaps:
    """A fusion network's answer: the fused crop is `target + mask * (warped + delta - target)`.

    Attributes:
        mask: (S, S) float32 in [0, 1], opacity of the new face.
        delta: (S, S, 3) float32, residual in units of 255 levels.
    """

    mask: Mask
    delta: FloatArray


def planes(image: Photo) -> FloatArray:
    """Converts (H, W, 3) RGB uint8 to (1, 3, H, W) float32 in [0, 1]."""
    return np.asarray(image.transpose(2, 0, 1)[None] / np.float32(255), np.float32)


class CoarseRunner:
    """The coarse stage of progressive fusion.

    Args:
        network: an open network (`registry.open_network`), or an ONNX file for ONNX Runtime; inputs
            `warped` and `target` (1, 3, 128, 128) RGB in [0, 1], `face` (1, 1, 128, 128) in [0, 1],
            `identity` (1, 128); outputs `mask` (1, 1, 128, 128) and `delta` (1, 3, 128, 128).
        threads: intra-op threads for an ONNX file.
    """

    def __init__(self, network: Path | Network, *, threads: int | None = None) -> None:
        self.network: Final[Network] = (
            make_session(network, threads) if isinstance(network, Path) else network
        )

    def __call__(
        self, warped: Photo, target: Photo, face: FloatArray, identity: FloatArray
    ) -> FusionMaps:
        """Fuses two aligned crops.

        Args:
            warped: (128, 128, 3) RGB uint8, the source on the target's mesh, colour-corrected.
            target: (128, 128, 3) RGB uint8.
            face: (128, 128) float32 in [0, 1], face mask, outside of which nothing changes.
            identity: (128,) unit vector, the identity to fuse (`FaceMatch.identity`).
        """
        feeds = {
            "warped": planes(warped),
            "target": planes(target),
            "face": face[None, None],
            "identity": identity[None],
        }
        mask, delta = self.network.run(["mask", "delta"], feeds)
        return FusionMaps(mask[0, 0], np.ascontiguousarray(delta[0].transpose(1, 2, 0)))
