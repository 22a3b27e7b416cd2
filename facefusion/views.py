"""Two faces on top of each other: what the fusion networks see, and what is shown of them in the
photo.
"""

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
from facefusion.compose.inpaint import Patch, covered_with_skin
from facefusion.compose.mask import (
    face_mask,
    feature_mask,
    outline_mask,
    skin_mask,
    uncovered,
    whole_skin_mask,
)
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
from facefusion.geometry.mirror import mirrored
from facefusion.geometry.sampling import PhotoPart, crop_part, shown_size
from facefusion.geometry.stretch import too_oblique
from facefusion.geometry.symmetry import FROM, hidden_turn, mirrored_share
from facefusion.geometry.warp import MeshWarp, sample
from facefusion.perception.coverings import SIZE as COVERINGS
from facefusion.perception.coverings import Coverings
from facefusion.perception.mesh import FaceMesh
from facefusion.perception.strands import CROP_SIZE as STRANDS
from facefusion.perception.strands import Strands, dense, find_strands
from facefusion.steps import Steps
from facefusion.tiers import TierSpec
from facefusion.types import Face, FloatArray, Photo
from facefusion.warped import PATCH_SIZE, WarpedFace, WarpedSource

#: Side of the crop in which the warp is settled.
EXPRESSION_SIZE: Final = PATCH_SIZE
#: Side in pixels of the aligned crop up to which the coarse network's face is composed: it was made
#: at 128.
DRAFT_SIZE: Final = 384
#: Longer side of the face in a crop of 224 px, in pixels: lengths on faces are given in those.
UNIT_FACE: Final = 179.0
#: Opacity of a cut below which nothing is cut; standard deviation in pixels of 192 of what is
#: beside it, and its gain.
LEAST_CUT: Final = 0.05
BESIDE: Final = 4.0
BESIDE_GAIN: Final = 4.0
#: Standard deviations in pixels: of the Gaussian that averages the skin which covers strands, and
#: of its edge.
PATCH: Final = (6.0, 1.0)


@dataclass(frozen=True)
class PreparedTarget:
    """A target's face, prepared for whichever face comes: all that depends on it alone.

    Attributes:
        mesh: (468, 3) in the pixels of the 128 px crop.
        warp: carries faces onto that mesh.
        crops: by side, (S, S, 3) RGB uint8, the face upright and 60 % of the side, at 128 for the
            coarse network, at 256 for settling, and at the refine network's side.
        skin, face: by side, (S, S) float32 in [0, 1], where skin is most likely, and where the face
            may change.
        whole_skin, features: (256, 256) float32 in [0, 1], all of the face's skin; eyes, brows and
            lips.
        bare_face: (256, 256) float32 in [0, 1], all of the face with its forehead, without eyes,
            brows and lips.
        side: side in pixels at which the source is rendered for the networks.
        refined: side that the refine network sees, or 0.
        size: side of the detail crop, which is composed where the source is not sampled once.
        to_photo: (2, 3) pixels of the crop of `side` to pixels of the photo.
        strands: single strands of its hair over its forehead, or None.
        window: where the face is composed, or None where it lies outside of the photo.
        draft: where the coarse network's face is, at a resolution that is enough for it, or None.
        face_size: longer side of the face in the photo, in pixels.
        tone: how the photo is brought into ordinary light, in which `crops` are, and back.
        parts: what of the face takes a tone of its own, over the 128 px crop, or None.
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
            worn: what lies over its face.
            tier: the largest sides; no crop is larger than the face asks for.
            steps: what is done; everything by default.
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
        if refined > EXPRESSION_SIZE:  # smooth: nothing that a larger side would add
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
        if strands is not None:  # they are no texture of the skin
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
        """Pixels of a window per pixel of a face crop of 224 px."""
        return self.face_size * window.scale / UNIT_FACE

    def mask_over(self, mask: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        """A mask (height, width) in the draft's window, as (H, W) float32 over a photo of this
        shape.
        """
        return (
            np.zeros(shape[:2], np.float32) if self.draft is None else self.draft.over(mask, shape)
        )

    @property
    def nbytes(self) -> int:
        """About how many bytes it takes."""
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
    """A source's face, as it is carried onto targets.

    Attributes:
        mesh: (468, 3) in the photo's pixels.
        aligned: gives the `AlignedFace` of a side.
        part: gives the part of the photo for a face of so many pixels.
    """

    mesh: FloatArray
    aligned: Callable[[int], AlignedFace]
    part: Callable[[int], PhotoPart]

    def prepared(self, beside: Executor) -> SourceView:
        """The same, with its crop for settling made by an executor meanwhile."""
        ready = beside.submit(self.aligned, EXPRESSION_SIZE)
        return replace(
            self,
            aligned=lambda size: ready.result() if size == EXPRESSION_SIZE else self.aligned(size),
        )


@dataclass(frozen=True)
class AlignedFace:
    """A source's aligned crop.

    Attributes:
        crop: (S, S, 3) RGB uint8, the face upright and 60 % of the side, with the patches over it.
        mesh: (468, 3) in the crop's pixels.
        to_crop: (2, 3) pixels of the photo to pixels of the crop.
        patches: skin over the frame of spectacles and over single strands of hair, over the crop.
        hides: (192, 192, 2) float32 in [0, 1], `Coverings.occlusion_maps` with fringes of single
            strands.
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
        """Cuts a face out at a size, area-averaged where the photo shows it larger.

        Args:
            photo: (H, W, 3) RGB uint8.
            face: a face in it.
            worn: what lies over it.
            size: side of the crop.
            strands: also look for single strands.
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
    """The source on the target's mesh, in the target's aligned crop.

    Attributes:
        target: the target.
        source: the source.
        carried: the source on the target's mesh.
        warped: (side, side, 3) RGB uint8, that as the networks see it, in the target's tone; of a
            dark target in ordinary light (`PhotoTone.raised`).
        warped_small: (128, 128, 3) RGB uint8, for the coarse network.
        covered: (192, 192) float32, where the target must not change: `Coverings.blocked_by`, and
            where the source is seen too obliquely.
        cut: (192, 192) float32, where it is kept besides, around the source's hair, or None.
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
        """(2, 3) pixels of `warped` to pixels of the target photo."""
        return self.target.to_photo

    def at(self, size: int) -> tuple[Photo, Photo, FloatArray]:
        """The warped source, the target's crop and where change is allowed, at 128 or the refine
        network's side.

        Returns:
            (size, size, 3) RGB uint8 twice, and (size, size) float32 in [0, 1].
        """
        warped = self.warped_small if size == COARSE_SIZE else _smaller(self.warped, size)
        return warped, self.target.crops[size], uncovered(self.target.face[size], self.covered)

    def bare(self, region: FloatArray) -> FloatArray:
        """A region (S, S) of the target's aligned crop without what is covered or cut."""
        return self.shown(uncovered(region, self.covered))

    def shown(self, mask: FloatArray) -> FloatArray:
        """A network's mask (S, S) without what is cut."""
        return mask if self.cut is None else uncovered(mask, self.cut)

    def steadied(self, answer: FusionMaps) -> FusionMaps:
        """A network's answer without what it leaves beside the source's hair (`residual.steadied`)."""
        if self.cut is None or self.cut.max() < LEAST_CUT:
            return answer
        return steadied(
            answer, np.clip(BESIDE_GAIN * cv2.GaussianBlur(self.cut, (0, 0), BESIDE), 0, 1)
        )

    def fused(self, answer: FusionMaps) -> Photo:
        """What the networks made of the two, in the pixels of `warped`: (side, side, 3) RGB uint8."""
        frame = Frame.crop(self.target.side)
        face = compose_detail(self.warped, answer, frame)
        mask = np.clip(frame.placed(self.shown(answer.mask)), 0, 1)
        return np.asarray(
            cv2.blendLinear(face, self.target.crops[self.target.side], mask, 1 - mask), np.uint8
        )

    def rendered(self, window: FaceWindow) -> Photo:
        """The warped source in a window, (height, width, 3) RGB uint8."""
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
            source, target: their views.
            mesh: measures the expression of the warped source.
            expression_strength: share of the measured difference in expression that is corrected,
                in [0, 1].
            coverings: what covers the target's face, and stays.
            steps: what is done; everything by default.
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
    """How much of the source's mirror image shows the half that its pose hides.

    Args:
        target: the target.
        points: (468, 3) the source's mesh in its aligned crop.

    Returns:
        (S, S) float32 in [0, 1], or None where the source shows both halves.
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
    """Where the target must not change, and where it is kept besides around the source's hair.

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
    """The source on the target's mesh in the target's light, with its hidden half mirrored."""
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
    """Points of a crop of `side` pixels in the crop of `other` pixels."""
    return transform_points(points, rescale_transform(np.eye(2, 3), other / side))


def _too_oblique(
    target: PreparedTarget, points: FloatArray, share: FloatArray | None
) -> FloatArray:
    """Where the source does not show enough of the face: (192, 192) float32 in [0, 1] over the
    target's crop.

    Args:
        target: the target.
        points: (468, 3) the source's mesh.
        share: (S, S) float32, how much of its mirror image is taken, or None.
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
    """The source's aligned crop as a part of its photo."""
    aligned = source.aligned(size)
    return crop_part(aligned.crop, aligned.to_crop)


def detail_side(size: float, largest: int) -> int:
    """Side of the crop that shows a face of `size` pixels at its own resolution: a multiple of 128,
    `largest` at most.
    """
    own_size = size / FUSION_FACE_SHARE
    return int(np.clip(np.ceil(own_size / COARSE_SIZE), 1, largest // COARSE_SIZE)) * COARSE_SIZE


def refined_side(size: int, largest: int) -> int:
    """Side of what the refine network sees of a crop of `size`, `largest` at most; 0 where that is
    too small for it.
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
    """Corrects the source's points until the mesh network measures the target's expression on the
    warped face.

    The mesh network errs a little differently on the two faces, and a brow that it puts too high on
    one of them is warped too low. It errs alike on the warped face and on the target, which share
    pose and expression; so the warped face is measured in the target's place, and what differs is
    taken back at the source. What is taken back is partly the person's
    own features: a second round was measured to cost more likeness than it gained in expression.

    Args:
        target: the target.
        face: (S, S, 3) the source's aligned crop.
        points: (468, 3) the source's mesh in it.
        mesh: the network that measures.
        share: how much of the difference is taken back, in [0, 1].
        covered: (S, S) float32, where something hides the target's face.

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
    # Where the points that the network sees at `wanted + error` come from in the source.
    origin = sample(flow, (wanted[:, :2] + share * error)[:, None], cv2.BORDER_REPLICATE)
    moved = (origin - sample(flow, wanted[:, None, :2], cv2.BORDER_REPLICATE)).reshape(-1, 2)
    return np.concatenate([points[:, :2] + moved, points[:, 2:]], axis=1)
