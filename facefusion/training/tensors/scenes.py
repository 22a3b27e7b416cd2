"""Shows packed faces in views of their crops, warps them onto each other, and matches their light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from facefusion.training.tensors.draws import Draws, mix
from facefusion.training.tensors.faces import (
    ALWAYS_KEEP,
    CARRIED,
    COVERINGS,
    HAIR,
    SKIN,
    PackedFaces,
)
from facefusion.training.tensors.filters import resized
from facefusion.training.tensors.mirroring import MirrorImages
from facefusion.training.tensors.parts import PartMasks
from facefusion.training.tensors.phototones import PhotoTones
from facefusion.training.tensors.tone import match_light
from facefusion.training.tensors.views import Views, placed

Batch = dict[str, Tensor]

#: Least side in pixels at which images are sampled, as the pipeline samples the source.
LEAST_RENDER: Final = 256
#: Standard deviation of a source's mesh points, as a share of the crop's side.
POINT_NOISE: Final = 0.5 / 192
#: Standard deviation of a source's whole mesh, as a share of the crop's side: with the points', the
#: mesh network's error.
MESH_SHIFT: Final = 0.8 / 192
#: Standard deviation of a smooth misplacement in paired samples, as a share of the crop's side: a
#: source's features never lie quite where the target's do.
MISPLACED: Final = 0.0035


@dataclass(frozen=True)
class Targets:
    """Targets in views of their crops.

    Attributes:
        index: (N,) int64.
        views: the views.
        half: number of paired samples, which come first.
        maps: (N, 5, S, S) in [0, 1], views of `PackedFaces.maps`.
        face, skin: (N, 1, S, S) in [0, 1].
        parts: (N, 3, S, S) in [0, 1].
    """

    index: Tensor
    views: Views
    half: int
    maps: Tensor
    face: Tensor
    skin: Tensor
    parts: Tensor


@dataclass(frozen=True)
class Warped:
    """Sources on their targets' meshes.

    Attributes:
        image: (N, 3, S, S) RGB in [0, 1].
        mirrored: (N - half, 3, S, S), the mirror images of the unpaired ones.
        opacity: (N - half, 1, S, S), opacity of these.
        replaced: (N - half, 1, S, S), the part of it that is due to things over the source.
        hidden: (N, 3, S, S), the sources' hair, other hidden parts and what `bare` carries along.
        oblique: (N - half, 1, S, S), where unpaired sources are too oblique.
    """

    image: Tensor
    mirrored: Tensor
    opacity: Tensor
    replaced: Tensor
    hidden: Tensor
    oblique: Tensor


class Scenes:
    """Makes the inputs of the fusion networks as the pipeline does.

    Args:
        faces: faces with crops of the side that is sampled, `render_side(view)`.
        view: side of the images in pixels, a multiple of 128.
        draws: random numbers.
    """

    def __init__(self, faces: PackedFaces, view: int, draws: Draws) -> None:
        self.faces, self.view, self.draws = faces, view, draws
        self.side = render_side(view)

    def targets(self, index: Tensor, views: Views, half: int) -> Targets:
        """Shows the maps and masks of targets (N,) int64, of which `half` are paired."""
        grid = views.grid(self.view)
        maps = placed(self.faces.maps[index].float() / 255, grid)
        face = placed(self.faces.face[index].float() / 255, grid)
        small = torch.cat([self.faces.skin[index], self.faces.parts[index]], 1).float() / 255
        skin, parts = placed(small, grid).split([1, 3], 1)
        return Targets(index, views, half, maps, face, skin, parts)

    def shown(self, index: Tensor, views: Views) -> Tensor:
        """Shows the crops of faces (N,) int64, (N, 3, S, S)."""
        images = self.faces.crops[self.side][index].float() / 255
        return self.at_view(placed(images, views.grid(self.side)))

    def at_view(self, images: Tensor) -> Tensor:
        """Averages images of the sampled side to the view's."""
        return resized(images, self.view, self.view)

    def sampled(
        self,
        images: Tensor,
        flow: Tensor,
        views: Views,
        side: int,
        *,
        cubic: bool = False,
        outside: str = "reflection",
    ) -> Tensor:
        """Samples images through flows (N, 2, F, F) of their crops, in views of `side` pixels."""
        grid = placed(flow, views.grid(side), outside="border").permute(0, 2, 3, 1)
        return placed(images, grid, cubic=cubic, outside=outside)

    def warped(
        self,
        targets: Targets,
        source: Tensor,
        noise: float = 1.0,
        detected: Tensor | None = None,
    ) -> Warped:
        """Warps sources onto targets.

        Args:
            targets: the targets.
            source: (N,) int64.
            noise: share of the mesh network's error that is added.
            detected: (N, 1, 1, 1), 0 for pairs whose coverings are taken as not found; by default all
                are found.
        """
        index, views, half = targets.index, targets.views, targets.half
        count, faces, warps = len(index), self.faces, self.faces.warps
        meshes = faces.meshes[source]
        jitter = POINT_NOISE * torch.randn(count, meshes.shape[1], 2, device=meshes.device)
        jitter = jitter + MESH_SHIFT * torch.randn(count, 1, 2, device=meshes.device)
        meshes = torch.cat([meshes[..., :2] + noise * jitter, meshes[..., 2:]], 2)
        flow = warps.flow(index, meshes)
        if half:
            wave = MISPLACED * self.draws.field(half, 7, warps.flow_size, 2)
            flow = torch.cat([flow[:half] + wave, flow[half:]])
        textures = faces.bare[self.side][source].float() / 255
        image = self.at_view(self.sampled(textures, flow, views, self.side, cubic=True))
        maps = faces.maps[source][:, HAIR : CARRIED + 1].float() / 255
        hidden = self.sampled(maps, flow, views, self.view)
        onto, own, own_views = index[half:], meshes[half:], views[half:]
        found = maps[half:, : CARRIED - HAIR]
        if detected is not None:
            found = found * detected[half:]
        mirror = MirrorImages.of(faces, onto, source[half:], own, flow[half:], found)
        mirrored = self.sampled(textures[half:], mirror.flow, own_views, self.side, cubic=True)
        oblique = warps.too_oblique(onto, own, mirror.opacity)
        fields = torch.cat([mirror.opacity, mirror.replaced, oblique], 1)
        fields = placed(fields, own_views.grid(self.view), outside="border")
        opacity, replaced, oblique = fields.split(1, 1)
        other = self.sampled(maps[half:], mirror.flow, own_views, self.view)
        hidden = torch.cat([hidden[:half], mix(opacity, other, hidden[half:])])
        mirrored = self.at_view(mirrored).clamp(0, 1)
        return Warped(image.clamp(0, 1), mirrored, opacity, replaced, hidden, oblique)

    def blocked(self, targets: Targets, warped: Warped) -> Tensor:
        """Returns where the targets must not change, (N, 1, S, S): `AlignedPair.blocked`."""
        half, maps, hidden = targets.half, targets.maps, warped.hidden
        kept = maps[:, ALWAYS_KEEP, None]
        hair = hidden[half:, :1] * (1 - maps[half:, HAIR, None])
        foreign = torch.maximum(hair, hidden[half:, 1:2])
        unpaired = torch.maximum(torch.maximum(kept[half:], foreign), warped.oblique)
        return torch.cat([kept[:half], unpaired])

    def covered(self, targets: Targets, warped: Warped) -> Tensor:
        """Returns what lies over either face, (N, 1, S, S) in [0, 1]."""
        half, own = targets.half, targets.maps[:, COVERINGS, None]
        return torch.cat([own[:half], torch.maximum(own[half:], warped.hidden[half:, 2:])])

    def batch(
        self,
        targets: Targets,
        source: Tensor,
        images: tuple[Tensor, Tensor],
        warped: Warped,
        masks: tuple[Tensor, Tensor],
        share: Tensor,
    ) -> Batch:
        """Matches sources to their targets' tone and light, dark targets brought to ordinary light.

        Args:
            targets: the targets.
            source: (N,) int64.
            images: `target` and `truth` of the batch.
            warped: the sources on them.
            masks: `blocked` and `covered`.
            share: (N,) share of the difference in tone and light that is matched.

        Returns:
            As of `TensorSampler.__call__`.
        """
        (target, truth), (blocked, covered) = images, masks
        index, faces, half = targets.index, self.faces, targets.half
        free, parts = 1 - blocked, targets.parts
        face, skin = targets.face * free, targets.skin * free
        bare = targets.skin * (1 - targets.maps[:, ALWAYS_KEEP, None])
        tones = PhotoTones.of(target, resized(bare, SKIN, SKIN))
        target, truth = tones.raised(target), tones.raised(truth)
        shown = torch.cat([skin[:half], skin[half:] * (1 - warped.replaced)])
        relit = _relit(warped.image, target, shown, parts, share)
        mirrored = _relit(warped.mirrored, target[half:], skin[half:], parts[half:], share[half:])
        relit = torch.cat([relit[:half], mix(warped.opacity, mirrored, relit[half:])])
        return {
            "warped": tones.coloured(relit),
            "target": target,
            "truth": truth,
            "face": face,
            "covered": torch.maximum(covered, blocked).clamp(0, 1),
            "skin": skin,
            "points": targets.views.points(faces.points[index]) * self.view - 0.5,
            "identity": faces.identity[source],
            "source": source,
            "index": index,
            "no_glasses": (~faces.glasses[source] & ~faces.glasses[index]).float(),
        }

    @torch.no_grad()
    def pairs(self, index: Tensor, source: Tensor, share: float = 1.0) -> Batch:
        """Returns the fusion networks' inputs for given pairs, as the pipeline makes them.

        Args:
            index, source: (N,) int64, targets and sources.
            share: share of the difference in tone and light that is matched.

        Returns:
            As of `TensorSampler.__call__`, unpaired; `truth` is the target.
        """
        device = index.device
        targets = self.targets(index, Views.plain(len(index), device), 0)
        warped = self.warped(targets, source, noise=0)
        target = self.shown(index, targets.views)
        masks = self.blocked(targets, warped), self.covered(targets, warped)
        shares = torch.full((len(index),), share, device=device)
        return self.batch(targets, source, (target, target), warped, masks, shares)


def render_side(view: int) -> int:
    """Returns the side in pixels at which the images of a view are sampled."""
    return max(view, LEAST_RENDER)


def _relit(warped: Tensor, target: Tensor, skin: Tensor, parts: Tensor, share: Tensor) -> Tensor:
    own, wanted, weight, masks = (
        resized(each, SKIN, SKIN) for each in (warped, target, skin, parts)
    )
    return match_light(own, wanted, weight, _parts(masks), share)(warped, _parts(parts))


def _parts(masks: Tensor) -> PartMasks:
    return PartMasks(*masks.split(1, 1))
