"""The photo on which new faces are composed, one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from facefusion.compose.detail import compose_coarse, compose_detail
from facefusion.compose.window import FaceWindow
from facefusion.finish import finished
from facefusion.fusion.coarse import FusionMaps
from facefusion.layers import Area, Bend, Layer, Layers
from facefusion.steps import Steps
from facefusion.types import FloatArray, Photo
from facefusion.views import AlignedPair


@dataclass
class Canvas:
    """A photo with new faces in it, which is not copied until somebody looks at it.

    Attributes:
        made: the photo, which is not changed, and the faces over it.
        masks: the opacity of each face that was added, (height, width) in its window.
    """

    made: Layers
    masks: list[FloatArray] = field(default_factory=list)

    @classmethod
    def of(cls, photo: Photo, bent: FloatArray | None) -> Self:
        """A canvas without faces.

        Args:
            photo: (H, W, 3) RGB uint8.
            bent: (H, W) float32, where the photo was bent, or None.
        """
        return cls(Layers(photo, bend=None if bent is None else Bend.where(bent)))

    def again(self) -> Canvas:
        """The photo without faces, of which as much counts as new as here."""
        return Canvas(self.made.without_faces())

    @property
    def image(self) -> Photo:
        """(H, W, 3) RGB uint8, the photo with the faces that were added; a new array each time."""
        return self.made.image()

    @property
    def changed(self) -> FloatArray:
        """(H, W) float32 in [0, 1], how much of each pixel is new, 1 where the photo was bent; a
        new array each time.
        """
        return self.made.mask()

    @property
    def regions(self) -> list[Area]:
        """The rectangles in which anything is new."""
        return self.made.areas

    def add_coarse(self, pair: AlignedPair, fused: FusionMaps, blend: float, steps: Steps) -> None:
        """Adds a face as the coarse network made it, with a share `blend` of its opacity."""
        window = pair.target.draft
        if window is None:
            self.masks.append(np.zeros((0, 0), np.float32))
            return
        face = compose_coarse(pair.warped_small, fused, window.frame)
        self._add(face, pair, window, fused, blend, steps)

    def add_detail(
        self,
        pair: AlignedPair,
        fused: FusionMaps,
        blend: float,
        steps: Steps,
        rendered: Photo | None = None,
    ) -> None:
        """Adds a face with the source's own detail.

        Args:
            pair: source and target.
            fused: a network's answer.
            blend: share of the face's opacity.
            steps: what is done.
            rendered: what `pair.rendered()` gave, if it was called before.
        """
        window = pair.target.window
        if window is None:
            return
        rendered = pair.rendered(window) if rendered is None else rendered
        self._add(compose_detail(rendered, fused, window.frame), pair, window, fused, blend, steps)

    def _add(
        self,
        face: Photo,
        pair: AlignedPair,
        window: FaceWindow,
        fused: FusionMaps,
        blend: float,
        steps: Steps,
    ) -> None:
        mask, target = window.opacity(pair.shown(fused.mask)), window.of_photo(self.made.photo)
        face = finished(face, target, pair, window, mask, steps)
        self.made = self.made.with_face(Layer(window, face, blend * mask))
        self.masks.append(mask)
