"""Aligns a source with a target, and makes the inputs of the fusion networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from facefusion.compose.color import Relight, match_light
from facefusion.compose.detail import compose_detail
from facefusion.compose.residual import steadied
from facefusion.compose.window import FaceWindow
from facefusion.fusion.coarse import COARSE_SIZE, FusionMaps
from facefusion.fusion.sizes import EXPRESSION_SIZE
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    invert,
    rescale_points,
    transform_points,
)
from facefusion.geometry.frames import Frame
from facefusion.geometry.mask import uncovered
from facefusion.geometry.mirror import mirrored
from facefusion.geometry.sampling import PhotoPart, crop_part, shown_size
from facefusion.geometry.stretch import too_oblique
from facefusion.geometry.symmetry import FROM, hidden_turn, mirrored_share
from facefusion.perception.coverings import SIZE as COVERINGS
from facefusion.perception.coverings import Coverings
from facefusion.perception.mesh import FaceMesh
from facefusion.pipeline.expression import correct_expression
from facefusion.pipeline.source import AlignedFace, SourceView
from facefusion.pipeline.steps import Steps
from facefusion.pipeline.target import PreparedTarget
from facefusion.pipeline.warped import WarpedFace, WarpedSource
from facefusion.types import FloatArray, Photo

#: Opacity of `AlignedPair.cut` below which the residual is not steadied.
LEAST_CUT: Final = 0.05
#: Standard deviation of the Gaussian that widens the cut, in pixels of the 192 px crop.
BESIDE: Final = 4.0
#: Gain of the widened cut before it is clipped to [0, 1].
BESIDE_GAIN: Final = 4.0


@dataclass(frozen=True)
class AlignedPair:
    """A source warped onto a target, in the target's aligned crop.

    Attributes:
        target: the target.
        source: the source.
        carried: the warped source, sampled from its photo on demand.
        warped: (side, side, 3) RGB uint8, the warped source as the networks see it, in the target's
            tone; for a dark target in ordinary light (`PhotoTone.raised`).
        warped_small: (128, 128, 3) RGB uint8, for the coarse network.
        covered: (192, 192) float32, where the target must not change: `Coverings.blocked_by`, and
            where the source is seen too obliquely.
        cut: (192, 192) float32, where the target is also kept, around the source's hair, or None.
        single: whether the source photo is sampled once, at the resolution of the result.
    """

    target: PreparedTarget
    source: SourceView
    carried: WarpedSource
    warped: Photo
    warped_small: Photo
    covered: FloatArray
    cut: FloatArray | None = None
    single: bool = True

    @property
    def to_photo(self) -> np.ndarray:
        """Affine transform (2, 3) from pixels of `warped` to pixels of the target photo."""
        return self.target.to_photo

    def at(self, size: int) -> tuple[Photo, Photo, FloatArray]:
        """Returns a network's inputs at 128 or at the refine network's side.

        Returns:
            The warped source and the target's crop, (size, size, 3) RGB uint8, and the face mask
            without coverings, (size, size) float32 in [0, 1].
        """
        warped = self.warped_small if size == COARSE_SIZE else _smaller(self.warped, size)
        return warped, self.target.crops[size], uncovered(self.target.face[size], self.covered)

    def bare(self, region: FloatArray) -> FloatArray:
        """Returns a region (S, S) of the target's aligned crop without `covered` and `cut`."""
        return self.shown(uncovered(region, self.covered))

    def shown(self, mask: FloatArray) -> FloatArray:
        """Returns a network's mask (S, S) without `cut`."""
        return mask if self.cut is None else uncovered(mask, self.cut)

    def steadied(self, answer: FusionMaps) -> FusionMaps:
        """Removes a network's residue beside the source's hair (`residual.steadied`)."""
        if self.cut is None or self.cut.max() < LEAST_CUT:
            return answer
        return steadied(
            answer, np.clip(BESIDE_GAIN * cv2.GaussianBlur(self.cut, (0, 0), BESIDE), 0, 1)
        )

    def fused(self, answer: FusionMaps) -> Photo:
        """Composes a network's answer in the aligned crop: (side, side, 3) RGB uint8."""
        frame = Frame.crop(self.target.side)
        face = compose_detail(self.warped, answer, frame)
        mask = np.clip(frame.placed(self.shown(answer.mask)), 0, 1)
        return np.asarray(
            cv2.blendLinear(face, self.target.crops[self.target.side], mask, 1 - mask), np.uint8
        )

    def rendered(self, window: FaceWindow) -> Photo:
        """Renders the warped source in a window, (height, width, 3) RGB uint8."""
        if self.single:
            part = self.source.part(shown_size(self.target.face_size * window.scale))
            return self.carried.at(part, window.frame)
        size = self.target.size
        crop = self.carried.at(_cropped(self.source, size), Frame.crop(size))
        matrix = window.frame.from_crop(size)
        flags, border = cv2.INTER_CUBIC, cv2.BORDER_REPLICATE
        return np.asarray(
            cv2.warpAffine(crop, matrix, window.size, flags=flags, borderMode=border), np.uint8
        )

    @classmethod
    def align(
        cls,
        source: SourceView,
        target: PreparedTarget,
        *,
        mesh: FaceMesh,
        expression_strength: float,
        coverings: Coverings,
        steps: Steps | None = None,
    ) -> Self:
        """Warps the source onto the target, and corrects its tone and light.

        Args:
            source, target: the two faces.
            mesh: measures the expression of the warped source.
            expression_strength: share of the measured difference in expression that is corrected,
                in [0, 1].
            coverings: coverings of the target face, which are kept.
            steps: steps to run; all by default.
        """
        steps = Steps() if steps is None else steps
        aligned = source.aligned(EXPRESSION_SIZE)
        points = aligned.mesh
        if expression_strength > 0:
            points = correct_expression(
                target, aligned.crop, points, mesh, expression_strength, coverings.always_keep
            )
        share = _mirrored_share(target, points)
        covered, cut = _block(target, aligned, points, share, coverings, steps)
        part = (
            source.part(round(FUSION_FACE_SHARE * target.side))
            if steps.single_sampling
            else _cropped(source, target.size)
        )
        carried = _relight(target, aligned, points, share, covered, part)
        warped = carried.at(part, Frame.crop(target.side))
        return cls(
            target, source, carried, warped, _smaller(warped), covered, cut, steps.single_sampling
        )


def _mirrored_share(target: PreparedTarget, points: FloatArray) -> FloatArray | None:
    """Returns the share of the source's mirror image in the half that its pose hides.

    Args:
        target: the target.
        points: (468, 3) the source's mesh in its aligned crop.

    Returns:
        (S, S) float32 in [0, 1], or None if the source shows both halves.
    """
    turn = hidden_turn(points, target.mesh)
    if abs(turn) <= FROM:
        return None
    return mirrored_share(target.warp, target.mesh, turn, target.warp.flow_size)


def _block(
    target: PreparedTarget,
    aligned: AlignedFace,
    points: FloatArray,
    share: FloatArray | None,
    coverings: Coverings,
    steps: Steps,
) -> tuple[FloatArray, FloatArray | None]:
    """Computes `covered` and `cut` of an `AlignedPair`.

    Returns:
        (192, 192) float32 in [0, 1] twice; the second is None without the step `hairline`.
    """
    mesh = rescale_points(points, EXPRESSION_SIZE, COVERINGS[0])
    occlusion_maps = target.warp(aligned.occlusion_maps, mesh, COVERINGS[0])
    covered, cut = coverings.blocked_by(occlusion_maps), None
    if steps.hairline:
        cut = coverings.around_hair(occlusion_maps, target.face[EXPRESSION_SIZE])
    if steps.triangles:
        covered = np.maximum(covered, _too_oblique(target, points, share))
    return covered, cut


def _relight(
    target: PreparedTarget,
    aligned: AlignedFace,
    points: FloatArray,
    share: FloatArray | None,
    covered: FloatArray,
    part: PhotoPart,
) -> WarpedSource:
    """Warps the source into the target's light, with its hidden half mirrored."""
    skin = uncovered(target.skin[COARSE_SIZE], covered)
    placed = transform_points(points, invert(aligned.to_crop))
    frame = Frame.crop(target.side)

    def relit(*, mirror: bool) -> tuple[WarpedFace, Relight]:
        face = WarpedFace.of(target.warp, placed, aligned.patches, aligned.to_crop, mirror=mirror)
        plain = _smaller(face.sampled(part, frame))
        return face, match_light(plain, target.crops[COARSE_SIZE], skin, target.parts)

    face, relight = relit(mirror=False)
    other = None if share is None else relit(mirror=True)
    return WarpedSource(face, relight, other, share, target.tone)


def _too_oblique(
    target: PreparedTarget, points: FloatArray, share: FloatArray | None
) -> FloatArray:
    """Returns where the source sees the face too obliquely to be warped.

    Args:
        target: the target.
        points: (468, 3) the source's mesh.
        share: (S, S) float32, share of the mirror image, or None.

    Returns:
        (192, 192) float32 in [0, 1] over the target's aligned crop.
    """
    own, other = (too_oblique(mesh, target.mesh) for mesh in (points, mirrored(points, 1)))
    both = target.warp.spread(np.stack([own, other], axis=1), COVERINGS[0])
    if share is None:
        return np.asarray(np.clip(both[..., 0], 0, 1), np.float32)
    taken = cv2.resize(share, COVERINGS, interpolation=cv2.INTER_AREA)
    return np.asarray(
        np.clip(both[..., 0] + taken * (both[..., 1] - both[..., 0]), 0, 1), np.float32
    )


def _cropped(source: SourceView, size: int) -> PhotoPart:
    """Returns the source's aligned crop as a part of its photo."""
    aligned = source.aligned(size)
    return crop_part(aligned.crop, aligned.to_crop)


def _smaller(image: Photo, size: int = COARSE_SIZE) -> Photo:
    if image.shape[0] == size:
        return image
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
