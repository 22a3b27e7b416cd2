"""Composes new faces into the target photo, one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from facefusion.compose.detail import compose_coarse, compose_detail
from facefusion.compose.layers import Layer, Layers, WarpedArea
from facefusion.compose.window import FaceWindow
from facefusion.fusion.coarse import FusionMaps
from facefusion.pipeline.alignment import AlignedPair
from facefusion.pipeline.finish import match_photo
from facefusion.pipeline.steps import Steps
from facefusion.types import Mask, Photo


@dataclass
class Canvas:
    """A photo with new faces over it, rendered only on request.

    Attributes:
        layers: the unchanged photo and the faces over it.
        blend: factor of the opacity of each face, in [0, 1].
        steps: steps to run.
        masks: opacity of each added face, (height, width) float32 in its window.
    """

    layers: Layers
    blend: float
    steps: Steps
    masks: list[Mask] = field(default_factory=list)

    @classmethod
    def of(cls, photo: Photo, reshaped: Mask | None, blend: float, steps: Steps) -> Self:
        """Makes a canvas without faces.

        Args:
            photo: (H, W, 3) RGB uint8.
            reshaped: (H, W) float32, where the photo was warped, or None.
            blend: factor of the opacity of each face, in [0, 1].
            steps: steps to run.
        """
        return cls(
            Layers(photo, warped=None if reshaped is None else WarpedArea.of(reshaped)),
            blend,
            steps,
        )

    def without_faces(self) -> Canvas:
        """Returns a canvas without faces that keeps this one's changed areas."""
        return Canvas(self.layers.without_faces(), self.blend, self.steps)

    @property
    def changed(self) -> Mask:
        """New share of each pixel, (H, W) float32 in [0, 1]; a new array at each access.

        It is 1 where the photo was warped.
        """
        return self.layers.mask()

    def add_coarse(self, pair: AlignedPair, fused: FusionMaps) -> None:
        """Adds the coarse network's face."""
        window = pair.target.draft
        if window is None:
            self.masks.append(np.zeros((0, 0), np.float32))
            return
        face = compose_coarse(pair.warped_small, fused, window.frame)
        self._add(face, pair, window, fused)

    def add_detail(
        self, pair: AlignedPair, fused: FusionMaps, rendered: Photo | None = None
    ) -> None:
        """Adds a face with the source's own detail.

        Args:
            pair: source and target.
            fused: a network's answer.
            rendered: result of `pair.rendered()`, if it was called before.
        """
        window = pair.target.window
        if window is None:
            return
        rendered = pair.rendered(window) if rendered is None else rendered
        self._add(compose_detail(rendered, fused, window.frame), pair, window, fused)

    def _add(self, face: Photo, pair: AlignedPair, window: FaceWindow, fused: FusionMaps) -> None:
        mask = window.opacity(pair.final_mask(fused.mask))
        photo = window.crop(self.layers.photo)
        face = match_photo(face, photo, pair, window, mask, self.steps)
        opacity = self.blend * mask
        self.layers = self.layers.with_face(Layer(window, face, opacity))
        self.masks.append(opacity)
