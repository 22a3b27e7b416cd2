"""Runs the refine network: corrects the coarse answer at 256 to 512 px."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.engines.sessions import Network, make_session
from facefusion.fusion.coarse import FusionMaps, planes
from facefusion.types import FloatArray, Photo

#: Smallest side in pixels of the network's crops; the coarse network suffices for smaller ones.
LEAST_SIZE: Final = 256


class RefineRunner:
    """The second stage of progressive fusion, fully convolutional.

    Args:
        network: an open network (`registry.open_network`), or an ONNX file for ONNX Runtime; inputs
            `warped` and `target` (1, 3, S, S) RGB in [0, 1], `face` and `mask` (1, 1, S, S),
            `delta` (1, 3, S, S); outputs `refined_mask` (1, 1, S, S) and `refined_delta` (1, 3, S,
            S).
        threads: intra-op threads for an ONNX file.
    """

    def __init__(self, network: Path | Network, *, threads: int | None = None) -> None:
        self.network: Final[Network] = (
            make_session(network, threads) if isinstance(network, Path) else network
        )

    def __call__(
        self, warped: Photo, target: Photo, face: FloatArray, coarse: FusionMaps
    ) -> FusionMaps:
        """Refines the coarse answer.

        Args:
            warped: (S, S, 3) RGB uint8, the warped source in the target's light; S is a multiple of
                16.
            target: (S, S, 3) RGB uint8.
            face: (S, S) float32 in [0, 1], face mask, outside of which nothing changes.
            coarse: the coarse network's answer at 128.

        Returns:
            The answer at S.
        """
        size = (warped.shape[0], warped.shape[0])
        mask = np.asarray(
            np.clip(cv2.resize(coarse.mask, size, interpolation=cv2.INTER_LINEAR), 0, 1), np.float32
        )
        delta = cv2.resize(coarse.delta, size, interpolation=cv2.INTER_LINEAR)
        feeds: dict[str, FloatArray] = {
            "warped": planes(warped),
            "target": planes(target),
            "face": face[None, None],
            "mask": np.asarray(mask[None, None], np.float32),
            "delta": np.ascontiguousarray(delta.transpose(2, 0, 1)[None], np.float32),
        }
        refined_mask, refined_delta = self.network.run(["refined_mask", "refined_delta"], feeds)
        return FusionMaps(
            refined_mask[0, 0], np.ascontiguousarray(refined_delta[0].transpose(1, 2, 0))
        )
