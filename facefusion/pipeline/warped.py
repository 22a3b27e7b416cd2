"""Samples the warped source from its photo in any frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import cv2
import numpy as np

from facefusion.compose.color import Relight
from facefusion.compose.phototone import PhotoTone
from facefusion.fusion.sizes import EXPRESSION_SIZE
from facefusion.geometry.align import invert, rescale_transform, transform_points
from facefusion.geometry.frames import Frame
from facefusion.geometry.mirror import mirrored
from facefusion.geometry.sampling import PhotoPart
from facefusion.geometry.warp import MeshWarp
from facefusion.geometry.windows import mask_corners, pixel_window
from facefusion.images.inpaint import Patch
from facefusion.types import Affine, FloatArray, Mask, Mesh, Photo


def source_flow(warp: MeshWarp, mesh: Mesh, *, mirror: bool = False) -> FloatArray:
    """Computes where each pixel of the target's aligned crop lies in the source's.

    Args:
        warp: warp onto the target's mesh.
        mesh: (468, 3) the source's mesh in its aligned crop.
        mirror: whether to warp the mirror image.

    Returns:
        (S, S, 2) float32, x and y in pixels of the source's aligned crop.
    """
    flow = warp.flow(mirrored(mesh, 1) if mirror else mesh, warp.flow_size)
    if mirror:  # `mirrored` with a width of 1 negates x
        flow[..., 0] *= -1
    return np.asarray(flow, np.float32)


@dataclass(frozen=True)
class WarpedFace:
    """A source face or its mirror image on the target's mesh.

    Attributes:
        flow: (S, S, 2) float32 over the target's aligned crop, x and y in the source photo's
            pixels.
        patches: skin that replaces the source's coverings, over the same crop.
    """

    flow: FloatArray
    patches: tuple[Patch, ...] = ()

    @classmethod
    def of(cls, flow: FloatArray, patches: Sequence[Patch], to_crop: Affine) -> Self:
        """Places a flow in the source's photo.

        Args:
            flow: (S, S, 2) float32, `source_flow`.
            patches: skin that replaces the source's coverings, in the source's aligned crop.
            to_crop: (2, 3) pixels of the photo to pixels of that crop, at `EXPRESSION_SIZE`.
        """
        points = flow.reshape(-1, 2)
        moved = []
        for patch in patches:
            to_patch = rescale_transform(np.eye(2, 3), patch.filled.shape[0] / EXPRESSION_SIZE)
            positions = transform_points(points, to_patch).reshape(flow.shape)
            moved.append(patch.moved(positions[..., 0].copy(), positions[..., 1].copy()))
        return cls(transform_points(points, invert(to_crop)).reshape(flow.shape), tuple(moved))

    def sampled(self, part: PhotoPart, frame: Frame) -> Photo:
        """Samples the face in the source's own tone, (height, width, 3) RGB uint8."""
        image = part.sampled(self.flow, frame)
        for patch in self.patches:
            image = patch.onto(image, frame)
        return image


@dataclass(frozen=True)
class WarpedSource:
    """The source on the target's mesh, in the target's tone and light.

    Attributes:
        face: the source.
        relight: correction of the source's tone and light.
        mirror: the source's mirror image and its correction, if the source does not show all of the
            target's face well (`HiddenSource`), or None.
        mirror_opacity: (S, S) float32 in [0, 1] over the aligned crop, opacity of the mirror image.
        tone: maps the result to the colours of a monochrome target.
    """

    face: WarpedFace
    relight: Relight
    mirror: tuple[WarpedFace, Relight] | None = None
    mirror_opacity: Mask | None = None
    tone: PhotoTone = field(default_factory=PhotoTone)

    def sampled(self, part: PhotoPart, frame: Frame) -> Photo:
        """Samples the source photo in a frame.

        Args:
            part: part of the source photo, at the resolution of the frame.
            frame: pixels to fill.

        Returns:
            (height, width, 3) RGB uint8.
        """
        image = self.relight(self.face.sampled(part, frame), frame)
        if self.mirror is not None and self.mirror_opacity is not None:
            self._add_mirror(image, part, frame, np.clip(frame.placed(self.mirror_opacity), 0, 1))
        return self.tone.coloured(image)

    def _add_mirror(self, image: Photo, part: PhotoPart, frame: Frame, opacity: Mask) -> None:
        """Blends the mirror image over an image in place, where its opacity is not 0."""
        corners = mask_corners(opacity)
        window = None if corners is None else pixel_window(corners, frame.size, after=1)
        if self.mirror is None or window is None:
            return
        left, top, right, bottom = window
        place = np.s_[top:bottom, left:right]
        face, relight = self.mirror
        inner = frame.part(left, top, right - left, bottom - top)
        mirrored = relight(face.sampled(part, inner), inner)
        image[place] = cv2.blendLinear(mirrored, image[place], opacity[place], 1 - opacity[place])
