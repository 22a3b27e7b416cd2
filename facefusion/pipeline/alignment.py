"""Aligns a source with a target: crops, masks and the warped source for the fusion networks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import cv2
import numpy as np

from facefusion.compose.color import Relight, match_light, match_skin
from facefusion.compose.detail import compose_detail
from facefusion.compose.features import FeatureMasks
from facefusion.compose.phototone import PhotoTone
from facefusion.compose.residual import steadied
from facefusion.compose.window import FaceWindow
from facefusion.fusion.coarse import COARSE_SIZE, FusionMaps
from facefusion.fusion.refine import LEAST_SIZE
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    face_size,
    invert,
    mesh_crop_transform,
    rescale_transform,
    transform_points,
)
from facefusion.geometry.frames import Frame
from facefusion.geometry.mask import (
    face_mask,
    feature_mask,
    outline_mask,
    skin_mask,
    uncovered,
    whole_skin_mask,
)
from facefusion.geometry.mirror import mirrored
from facefusion.geometry.sampling import PhotoPart, crop_part, shown_size
from facefusion.geometry.stretch import too_oblique
from facefusion.geometry.symmetry import FROM, hidden_turn, mirrored_share
from facefusion.geometry.warp import MeshWarp, sample
from facefusion.images.inpaint import Patch, covered_with_skin
from facefusion.perception.coverings import SIZE as COVERINGS
from facefusion.perception.coverings import Coverings
from facefusion.perception.mesh import FaceMesh
from facefusion.perception.strands import CROP_SIZE as STRANDS
from facefusion.perception.strands import Strands, dense, find_strands
from facefusion.pipeline.steps import Steps
from facefusion.pipeline.warped import PATCH_SIZE, WarpedFace, WarpedSource
from facefusion.tiers import TierSpec
from facefusion.types import Face, FloatArray, Photo

#: Side in pixels of the aligned crop in which the expression is corrected.
EXPRESSION_SIZE: Final = PATCH_SIZE
#: Largest side in pixels of the aligned crop in which the draft is composed; the coarse network's
#: answer has 128.
DRAFT_SIZE: Final = 384
#: Longer side in pixels of the face in a crop of 224 px, the unit of lengths on faces.
UNIT_FACE: Final = 179.0
#: Opacity of `AlignedPair.cut` below which the residual is not steadied.
LEAST_CUT: Final = 0.05
#: Standard deviation of the Gaussian that widens the cut, in pixels of the 192 px crop.
BESIDE: Final = 4.0
#: Gain of the widened cut before it is clipped to [0, 1].
BESIDE_GAIN: Final = 4.0
#: Standard deviations in pixels of the Gaussians that average the skin laid over strands, and that
#: soften its edge.
PATCH: Final = (6.0, 1.0)


@dataclass(frozen=True)
class PreparedTarget:
    """Everything of a target face that does not depend on the source.

    Attributes:
        mesh: (468, 3) in the pixels of the 128 px crop.
        warp: warps faces onto that mesh.
        crops: by side, (S, S, 3) RGB uint8, the face upright and 60 % of the side: at 128 for the
            coarse network, at 256 for the expression correction, and at the refine network's side.
        skin, face: by side, (S, S) float32 in [0, 1], where skin is most likely, and where the face
            may change.
        whole_skin, features: (256, 256) float32 in [0, 1], all skin of the face; eyes, brows and
            lips.
        bare_face: (256, 256) float32 in [0, 1], the whole face with the forehead, without eyes,
            brows and lips.
        side: side in pixels at which the source is rendered for the networks.
        refined: side of the refine network's input in pixels, or 0 where it does not run.
        size: side in pixels of the detail crop, used without single sampling.
        to_photo: (2, 3) pixels of the crop of `side` to pixels of the photo.
        strands: single strands of the target's hair over the forehead, or None.
        window: window in which the face is composed, or None outside of the photo.
        draft: window of the draft, at a lower resolution, or None outside of the photo.
        face_size: longer side of the face in the photo, in pixels.
        tone: maps the photo to ordinary light, in which `crops` are, and back.
        parts: masks of features with a tone of their own, over the 128 px crop, or None.
    """

    mesh: FloatArray
    warp: MeshWarp
    crops: dict[int, Photo]
    skin: dict[int, FloatArray]
    face: dict[int, FloatArray]
    whole_skin: FloatArray
    features: FloatArray
    bare_face: FloatArray
    side: int
    refined: int
    size: int
    to_photo: np.ndarray
    strands: Strands | None
    window: FaceWindow | None
    draft: FaceWindow | None
    face_size: float
    tone: PhotoTone
    parts: FeatureMasks | None

    @classmethod
    def of(
        cls,
        photo: Photo,
        mesh: FloatArray,
        worn: Coverings,
        tier: TierSpec,
        steps: Steps | None = None,
    ) -> Self:
        """Prepares the face with this mesh (468, 3) in `photo` (H, W, 3) RGB uint8.

        Args:
            photo, mesh: the target.
            worn: coverings of the target face.
            tier: limits of the sides; no crop is larger than the face's own resolution needs.
            steps: steps to run; all by default.
        """
        steps = Steps() if steps is None else steps
        small = mesh_crop_transform(mesh, FUSION_FACE_SHARE, COARSE_SIZE)
        size = detail_side(face_size(mesh), tier.detail_size)
        refined = refined_side(size, tier.refine_size)
        side = refined or min(size, EXPRESSION_SIZE)
        within = {
            s: rescale_transform(small, s / COARSE_SIZE)
            for s in {COARSE_SIZE, EXPRESSION_SIZE, refined} - {0}
        }
        meshes = {s: transform_points(mesh, matrix) for s, matrix in within.items()}
        face = {s: face_mask(meshes[s], s) for s in (COARSE_SIZE, EXPRESSION_SIZE)}
        if refined > EXPRESSION_SIZE:  # the mask is smooth: it can be enlarged
            face[refined] = Frame.crop(refined).placed(face[EXPRESSION_SIZE])
        to_photo = {s: invert(matrix) for s, matrix in within.items()}
        window, draft = (
            FaceWindow.of(face[EXPRESSION_SIZE], to_photo[EXPRESSION_SIZE], photo.shape, largest)
            for largest in (tier.detail_size, DRAFT_SIZE)
        )
        crops = {s: crop_photo(photo, matrix, s) for s, matrix in within.items()}
        skin = {s: skin_mask(meshes[s], s) for s in (COARSE_SIZE, EXPRESSION_SIZE)}
        tone = PhotoTone.of(
            crops[COARSE_SIZE],
            skin[COARSE_SIZE],
            exposure=steps.exposure,
            monochrome=steps.monochrome,
        )
        strands = Strands.of(crops[STRANDS], meshes[STRANDS], worn.hair) if steps.strands else None
        crops = {s: tone.raised(crop) for s, crop in crops.items()}
        whole_skin = whole_skin_mask(meshes[EXPRESSION_SIZE], EXPRESSION_SIZE)
        features = feature_mask(meshes[EXPRESSION_SIZE], EXPRESSION_SIZE)
        if strands is not None:  # strands are not texture of the skin
            whole_skin = uncovered(whole_skin, strands.opacity)
        return cls(
            mesh=meshes[COARSE_SIZE],
            warp=MeshWarp(meshes[COARSE_SIZE], COARSE_SIZE, triangles=steps.triangles),
            crops=crops,
            skin=skin,
            tone=tone,
            parts=FeatureMasks.of(meshes[COARSE_SIZE], COARSE_SIZE) if steps.lips else None,
            face=face,
            whole_skin=whole_skin,
            features=features,
            bare_face=np.asarray(
                outline_mask(meshes[EXPRESSION_SIZE], EXPRESSION_SIZE) * (1 - features), np.float32
            ),
            side=side,
            refined=refined,
            size=size,
            to_photo=invert(rescale_transform(small, side / COARSE_SIZE)),
            strands=strands,
            window=window,
            draft=draft,
            face_size=face_size(mesh),
        )

    def unit(self, window: FaceWindow) -> float:
        """Returns the pixels of a window per pixel of a face crop of 224 px."""
        return self.face_size * window.scale / UNIT_FACE

    def mask_over(self, mask: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        """Places a mask (height, width) of the draft's window in a photo: (H, W) float32."""
        return (
            np.zeros(shape[:2], np.float32) if self.draft is None else self.draft.over(mask, shape)
        )

    @property
    def nbytes(self) -> int:
        """Approximate size in bytes."""
        groups: tuple[dict[int, Any], ...] = (self.crops, self.skin, self.face)
        maps = (self.whole_skin, self.features, self.bare_face)
        single = sum(each.nbytes for each in maps) + (
            0 if self.strands is None else self.strands.nbytes
        )
        return (
            self.warp.nbytes
            + single
            + sum(int(each.nbytes) for group in groups for each in group.values())
        )


@dataclass(frozen=True)
class SourceView:
    """A source face with access to its photo.

    Attributes:
        mesh: (468, 3) in the photo's pixels.
        aligned: returns the `AlignedFace` for a side in pixels.
        part: returns the part of the photo for a face of a size in pixels.
    """

    mesh: FloatArray
    aligned: Callable[[int], AlignedFace]
    part: Callable[[int], PhotoPart]

    def prepared(self, beside: Executor) -> SourceView:
        """Returns the view with the crop for the expression correction cut in an executor."""
        ready = beside.submit(self.aligned, EXPRESSION_SIZE)
        return replace(
            self,
            aligned=lambda size: ready.result() if size == EXPRESSION_SIZE else self.aligned(size),
        )


@dataclass(frozen=True)
class AlignedFace:
    """A source's aligned crop.

    Attributes:
        crop: (S, S, 3) RGB uint8, the face upright and 60 % of the side, with the patches applied.
        mesh: (468, 3) in the crop's pixels.
        to_crop: (2, 3) pixels of the photo to pixels of the crop.
        patches: skin that replaces spectacle frames and single strands of hair, over the crop.
        occlusion_maps: (192, 192, 2) float32 in [0, 1], `Coverings.occlusion_maps` with fringes of
            single strands.
    """

    crop: Photo
    mesh: FloatArray
    to_crop: np.ndarray
    patches: tuple[Patch, ...]
    occlusion_maps: FloatArray

    @classmethod
    def of(
        cls, photo: Photo, face: Face, worn: Coverings, size: int, *, strands: bool = True
    ) -> Self:
        """Cuts out the aligned crop, area-averaged where the photo is larger.

        Args:
            photo: (H, W, 3) RGB uint8.
            face: a face in the photo.
            worn: coverings of the face.
            size: side of the crop in pixels.
            strands: whether to replace single strands of hair as well.
        """
        cut = mesh_crop_transform(face.mesh, FUSION_FACE_SHARE, size)
        crop, mesh, occlusion_maps = (
            crop_photo(photo, cut, size),
            transform_points(face.mesh, cut),
            worn.occlusion_maps,
        )
        patches = [] if worn.glasses is None else [worn.glasses.patch(crop)]
        if strands:
            small = np.asarray(
                cv2.resize(crop, (STRANDS, STRANDS), interpolation=cv2.INTER_AREA), np.uint8
            )
            found = find_strands(small, _at_side(mesh, size, STRANDS), worn.hair)
            if found.any():
                skin = outline_mask(_at_side(mesh, size, STRANDS), STRANDS)
                bare = uncovered(skin, worn.hair)
                patches.append(covered_with_skin(small, found, bare, *PATCH))
                fringe = cv2.resize(dense(found), COVERINGS, interpolation=cv2.INTER_AREA)
                occlusion_maps = np.dstack(
                    [np.maximum(occlusion_maps[..., 0], fringe), occlusion_maps[..., 1]]
                )
        kept = tuple(patch for patch in patches if patch is not None)
        for patch in kept:
            crop = patch.onto(crop)
        return cls(crop, mesh, cut, kept, occlusion_maps)


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
    mesh = _at_side(points, EXPRESSION_SIZE, COVERINGS[0])
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


def _at_side(points: FloatArray, side: int, other: int) -> FloatArray:
    """Scales points from a crop of `side` pixels to one of `other` pixels."""
    return transform_points(points, rescale_transform(np.eye(2, 3), other / side))


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


def detail_side(size: float, largest: int) -> int:
    """Returns the side of the crop that shows a face of `size` pixels at its own resolution.

    It is a multiple of 128, at most `largest`.
    """
    own_size = size / FUSION_FACE_SHARE
    return int(np.clip(np.ceil(own_size / COARSE_SIZE), 1, largest // COARSE_SIZE)) * COARSE_SIZE


def refined_side(size: int, largest: int) -> int:
    """Returns the side of the refine network's input for a crop of `size`, at most `largest`.

    It is 0 where the crop is too small for the network.
    """
    side = min(size, largest)
    return side if side >= LEAST_SIZE else 0


def _smaller(image: Photo, size: int = COARSE_SIZE) -> Photo:
    if image.shape[0] == size:
        return image
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def correct_expression(
    target: PreparedTarget,
    face: Photo,
    points: FloatArray,
    mesh: FaceMesh,
    share: float,
    covered: FloatArray,
) -> FloatArray:
    """Moves the source's points so that the warped source has the target's expression.

    The mesh network's error differs between the two photos: a brow placed too high in one of them
    is warped too low. Its error is the same on the warped source and on the target, which share
    pose and expression; so the warped source is measured in the target's place, and the difference
    is subtracted from the source's points. The difference contains some of the person's own
    features: a second round was measured to cost more likeness than it gained in expression.

    Args:
        target: the target.
        face: (S, S, 3) RGB uint8, the source's aligned crop.
        points: (468, 3) the source's mesh in it.
        mesh: the mesh network.
        share: share of the difference that is corrected, in [0, 1].
        covered: (S, S) float32, coverings of the target face.

    Returns:
        (468, 3) corrected points.
    """
    size = EXPRESSION_SIZE
    crop, wanted = (
        target.crops[size],
        transform_points(target.mesh, rescale_transform(np.eye(2, 3), size / COARSE_SIZE)),
    )
    skin, inside = (uncovered(mask, covered) for mask in (target.skin[size], target.face[size]))
    flow = target.warp.flow(points, size)
    warped, _ = match_skin(sample(face, flow), crop, skin)
    tried = cv2.blendLinear(warped, crop, inside, 1 - inside)
    error = mesh.measure(np.asarray(tried, np.uint8), wanted)[:, :2] - wanted[:, :2]
    # Source positions of the points that the network measures at `wanted + error`.
    origin = sample(flow, (wanted[:, :2] + share * error)[:, None], cv2.BORDER_REPLICATE)
    moved = (origin - sample(flow, wanted[:, None, :2], cv2.BORDER_REPLICATE)).reshape(-1, 2)
    return np.concatenate([points[:, :2] + moved, points[:, 2:]], axis=1)
