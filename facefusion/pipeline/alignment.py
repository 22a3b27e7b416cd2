"""Aligns a source with a target, and makes the inputs of the fusion networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from facefusion.compose.beard import carry_beard, without_colour
from facefusion.compose.color import Relight, match_light
from facefusion.compose.detail import compose_detail
from facefusion.compose.residual import smooth_residual
from facefusion.compose.window import FaceWindow
from facefusion.fusion.coarse import COARSE_SIZE, FusionMaps
from facefusion.fusion.sizes import EXPRESSION_SIZE
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    rescale_points,
)
from facefusion.geometry.frames import Frame
from facefusion.geometry.mask import lips_mask, uncovered
from facefusion.geometry.mirror import mirrored
from facefusion.geometry.ramps import ramp
from facefusion.geometry.sampling import PhotoPart, crop_part, rounded_up
from facefusion.geometry.stretch import too_oblique
from facefusion.geometry.topology import LEFT_BROW, RIGHT_BROW
from facefusion.perception.coverings import MAP_SIZE, Coverings, at_map_size
from facefusion.perception.in_front import stays_closed
from facefusion.perception.mesh import FaceMesh
from facefusion.pipeline.expression import correct_expression
from facefusion.pipeline.mirroring import HiddenSource
from facefusion.pipeline.source import AlignedFace, SourceView
from facefusion.pipeline.steps import Steps
from facefusion.pipeline.target import PreparedTarget
from facefusion.pipeline.warped import WarpedFace, WarpedSource
from facefusion.types import Affine, FloatArray, Mask, Mesh, Photo

#: Rows of the 192 px crop over which the forehead ends at the brows.
FOREHEAD_EDGE: Final = 8
#: Standard deviation of the Gaussian that widens `around_hair`, in pixels of the 192 px crop.
SMOOTHED_SIGMA: Final = 4.0
#: Gain of the widened map before it is clipped to [0, 1].
SMOOTHED_GAIN: Final = 4.0


@dataclass(frozen=True)
class AlignedPair:
    """A source warped onto a target, in the target's aligned crop.

    Attributes:
        target: the target.
        source: the source.
        warped_source: the warped source, sampled from its photo on demand.
        warped: (side, side, 3) RGB uint8, the warped source as the networks see it, in the target's
            tone; for a dark target in ordinary light (`PhotoTone.raised`).
        warped_small: (128, 128, 3) RGB uint8, for the coarse network.
        blocked: (192, 192) float32, where the target must not change: `Coverings.blocked_by`, and
            where the source is seen too obliquely.
        around_hair: (192, 192) float32, where the target is also kept, around the
            source's hair, or None.
        beard: (192, 192) float32, the source's dark full beard where the target has none, or None.
        single_sampling: whether the source photo is sampled once, at the resolution of the result.
    """

    target: PreparedTarget
    source: SourceView
    warped_source: WarpedSource
    warped: Photo
    warped_small: Photo
    blocked: Mask
    around_hair: Mask | None = None
    beard: Mask | None = None
    single_sampling: bool = True

    @property
    def to_photo(self) -> Affine:
        """Affine transform (2, 3) from pixels of `warped` to pixels of the target photo."""
        return self.target.to_photo

    def network_inputs(self, size: int) -> tuple[Photo, Photo, Mask]:
        """Returns a network's inputs at 128 or at the refine network's side.

        Returns:
            The warped source and the target's crop, (size, size, 3) RGB uint8, and the face mask
            without blocked areas, (size, size) float32 in [0, 1].
        """
        warped = self.warped_small if size == COARSE_SIZE else _smaller(self.warped, size)
        return warped, self.target.crops[size], uncovered(self.target.face[size], self.blocked)

    def changeable(self, region: Mask) -> Mask:
        """Returns a region (S, S) of the target's aligned crop without `blocked` and `around_hair`."""
        return self.final_mask(uncovered(region, self.blocked))

    def final_mask(self, mask: Mask) -> Mask:
        """Returns a network's mask (S, S) without `around_hair`."""
        return mask if self.around_hair is None else uncovered(mask, self.around_hair)

    def smooth_residual(self, answer: FusionMaps) -> FusionMaps:
        """Removes a network's residue in a beard, along the forehead's edge and beside hair.

        Without the step `hairline` it stays along the forehead's edge and beside hair.
        """
        if self.beard is not None:
            face = self.changeable(self.target.face[EXPRESSION_SIZE])
            answer = carry_beard(answer, self.beard, face)
        if self.around_hair is None:
            return answer
        widened = SMOOTHED_GAIN * cv2.GaussianBlur(self.around_hair, (0, 0), SMOOTHED_SIGMA)
        size = MAP_SIZE[0]
        brows = rescale_points(self.target.mesh, COARSE_SIZE, size)[list(LEFT_BROW + RIGHT_BROW), 1]
        edge = float(brows.mean()) + FOREHEAD_EDGE / 2
        forehead = ramp(np.arange(size), edge, edge - FOREHEAD_EDGE)[:, None]
        return smooth_residual(answer, np.asarray(np.clip(np.maximum(widened, forehead), 0, 1)))

    def fused(self, answer: FusionMaps) -> Photo:
        """Composes a network's answer in the aligned crop: (side, side, 3) RGB uint8, in the photo's light."""
        side, tone = self.target.sizes.network, self.target.tone
        frame = Frame.crop(side)
        face = tone.restored(compose_detail(self.warped, answer, frame))
        mask = np.clip(frame.placed(self.final_mask(answer.mask)), 0, 1)
        photo = tone.lowered(self.target.crops[side])
        return np.asarray(cv2.blendLinear(face, photo, mask, 1 - mask), np.uint8)

    def rendered(self, window: FaceWindow) -> Photo:
        """Renders the warped source in a window, (height, width, 3) RGB uint8."""
        if self.single_sampling:
            part = self.source.part(rounded_up(self.target.face_size * window.scale))
            return self.warped_source.sampled(part, window.frame)
        size = self.target.sizes.detail
        crop = self.warped_source.sampled(_cropped(self.source, size), Frame.crop(size))
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
        source_mesh = _corrected_mesh(target, aligned, mesh, expression_strength, coverings)
        hidden = HiddenSource.of(target, aligned, source_mesh)
        blocked, around_hair = _blocked_areas(
            target, aligned, source_mesh, hidden, coverings, steps
        )
        part = _source_part(source, target, steps)
        beard = hidden.beard if coverings.beard is None else None
        skin = uncovered(target.skin[COARSE_SIZE], blocked)
        if beard is not None:
            skin = uncovered(skin, beard)
        warped_source = _relight(target, aligned, hidden, skin, part, beard)
        warped = warped_source.sampled(part, Frame.crop(target.sizes.network))
        return cls(
            target,
            source,
            warped_source,
            warped,
            _smaller(warped),
            blocked,
            around_hair,
            beard,
            steps.single_sampling,
        )


def _corrected_mesh(
    target: PreparedTarget,
    aligned: AlignedFace,
    mesh: FaceMesh,
    strength: float,
    coverings: Coverings,
) -> Mesh:
    """Returns the source's mesh (468, 3) in its aligned crop, its expression corrected."""
    if strength <= 0:
        return aligned.mesh
    return correct_expression(
        target, aligned.crop, aligned.mesh, mesh, strength, coverings.always_keep
    )


def _source_part(source: SourceView, target: PreparedTarget, steps: Steps) -> PhotoPart:
    """Returns the part of the source photo that the networks' inputs are sampled from."""
    if steps.single_sampling:
        return source.part(round(FUSION_FACE_SHARE * target.sizes.network))
    return _cropped(source, target.sizes.detail)


def _blocked_areas(
    target: PreparedTarget,
    aligned: AlignedFace,
    source_mesh: Mesh,
    hidden: HiddenSource,
    coverings: Coverings,
    steps: Steps,
) -> tuple[Mask, Mask | None]:
    """Computes `blocked` and `around_hair` of an `AlignedPair`.

    Returns:
        (192, 192) float32 in [0, 1] twice; the second is None without the step `hairline`.
    """
    occlusion_maps = hidden.occlusion_maps
    blocked, around_hair = coverings.blocked_by(occlusion_maps), None
    if steps.hairline:
        around_hair = coverings.around_hair(occlusion_maps, target.face[EXPRESSION_SIZE])
    if steps.triangles:
        blocked = np.maximum(blocked, _too_oblique(target, source_mesh, hidden.mirror))
    beard = coverings.kept_beard(source_bearded=aligned.bearded)
    if beard is not None:
        blocked = np.maximum(blocked, beard)
    if stays_closed(aligned.mouth, coverings.mouth):
        small = rescale_points(target.mesh, COARSE_SIZE, MAP_SIZE[0])
        blocked = np.maximum(blocked, lips_mask(small, MAP_SIZE[0]))
    return blocked, around_hair


def _relight(
    target: PreparedTarget,
    aligned: AlignedFace,
    hidden: HiddenSource,
    skin: Mask,
    part: PhotoPart,
    beard: Mask | None,
) -> WarpedSource:
    """Warps the source into the target's light on skin (128, 128), with what it hides mirrored."""
    own_skin = skin if hidden.replaced is None else uncovered(skin, hidden.replaced)

    def relit(flow: FloatArray, weights: Mask, frame: Frame) -> tuple[WarpedFace, Relight]:
        face = WarpedFace.of(flow, aligned.patches, aligned.to_crop)
        small = _smaller(face.sampled(part, frame))
        light = match_light(small, target.crops[COARSE_SIZE], weights, target.feature_masks)
        return face, light if beard is None else without_colour(light, beard)

    face, relight = relit(hidden.flow, own_skin, Frame.crop(target.sizes.network))
    mirror = None
    if hidden.mirror_flow is not None:  # its light alone needs no more pixels
        mirror = relit(hidden.mirror_flow, skin, Frame.crop(COARSE_SIZE))
    return WarpedSource(face, relight, mirror, hidden.mirror, target.tone)


def _too_oblique(target: PreparedTarget, source_mesh: Mesh, mirror: Mask | None) -> Mask:
    """Returns where the source sees the face too obliquely to be warped.

    Args:
        target: the target.
        source_mesh: (468, 3) the source's mesh.
        mirror: (S, S) float32, opacity of the mirror image, or None.

    Returns:
        (192, 192) float32 in [0, 1] over the target's aligned crop.
    """
    meshes = (source_mesh, mirrored(source_mesh, 1))
    point_values = np.stack([too_oblique(mesh, target.mesh) for mesh in meshes], axis=1)
    both = target.warp.spread(point_values, MAP_SIZE[0])
    if mirror is None:
        return np.asarray(np.clip(both[..., 0], 0, 1), np.float32)
    opacity = at_map_size(mirror)
    return np.asarray(
        np.clip(both[..., 0] + opacity * (both[..., 1] - both[..., 0]), 0, 1), np.float32
    )


def _cropped(source: SourceView, size: int) -> PhotoPart:
    """Returns the source's aligned crop as a part of its photo."""
    aligned = source.aligned(size)
    return crop_part(aligned.crop, aligned.to_crop)


def _smaller(image: Photo, size: int = COARSE_SIZE) -> Photo:
    if image.shape[0] == size:
        return image
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
