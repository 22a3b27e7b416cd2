"""The photo on which new faces are composed, one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from facefusion.compose.detail import compose_coarse, compose_detail
from facefusion.compose.window import FaceWindow
from facefusion.finish import finished
from facefusion.fusion.coarse import FusionMaps
from facefusion.steps import Steps
from facefusion.types import FloatArray, Photo
from facefusion.views import AlignedPair


@dataclass
class Canvas:
    """A photo with new faces in it.

    Attributes:
        photo: (H, W, 3) RGB uint8, the target photo; it is not changed.
        image: (H, W, 3) RGB uint8, the photo with the faces that were added.
        changed: (H, W) float32 in [0, 1], how much of each pixel is new; 1 where the photo was bent.
        masks: the opacity of each face that was added, (height, width) in its window.
        regions: the rectangles in which anything is new; the whole photo where it was bent.
    """

    photo: Photo
    image: Photo
    changed: FloatArray
    masks: list[FloatArray] = field(default_factory=list)
    regions: list[tuple[slice, slice]] = field(default_factory=list)

    @classmethod
    def of(cls, photo: Photo, bent: FloatArray | None) -> Self:
        """A canvas without faces.

        Args:
            photo: (H, W, 3) RGB uint8.
            bent: (H, W) float32, where the photo was bent, or None.
        """
        if bent is None:
            return cls(photo, photo.copy(), np.zeros(photo.shape[:2], np.float32))
        return cls(photo, photo.copy(), bent.copy(), regions=[np.s_[:, :]])

    def again(self) -> Canvas:
        """The photo without faces, of which as much counts as new as here."""
        changed = np.zeros(self.photo.shape[:2], np.float32)
        for region in self.regions:  # of a large photo, what is never written costs nothing
            changed[region] = self.changed[region]
        return Canvas(self.photo, self.photo.copy(), changed, regions=list(self.regions))

    def add_coarse(self, pair: AlignedPair, fused: FusionMaps, blend: float, steps: Steps) -> None:
        """Adds a face as the coarse network made it, with a share `blend` of its opacity."""
        window = pair.target.draft
        if window is None:
            self.masks.append(np.zeros((0, 0), np.float32))
            return
        face = compose_coarse(pair.warped_small, fused, window.frame)
        self._add(face, pair, window, fused, blend, steps)

    def add_detail(
        self, pair: AlignedPair, fused: FusionMaps, blend: float, steps: Steps, rendered: Photo | None = None
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
        self, face: Photo, pair: AlignedPair, window: FaceWindow, fused: FusionMaps, blend: float, steps: Steps
    ) -> None:
        mask, target = window.opacity(pair.shown(fused.mask)), window.of_photo(self.photo)
        face = finished(face, target, pair, window, mask, steps)
        window.blend(self.image, face, blend * mask, self.changed)
        self.masks.append(mask)
        self.regions.append(window.region.window)
