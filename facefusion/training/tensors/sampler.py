"""Draws training samples of the fusion networks in batches, on any device.

Undoing a swap teaches more than copying: in a paired sample the target's face was replaced by
another one, and the target's own face, warped, relit and spoilt as a source's is, brings it back.
In an unpaired sample another person is the source, and only losses by other networks say how good
the result is. Warps, masks, tone and light are those of the pipeline.
"""

from __future__ import annotations

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
from facefusion.training.tensors.filters import low_pass, resized
from facefusion.training.tensors.light import LAMP_SIDE, Light
from facefusion.training.tensors.odds import DEFAULT_ODDS, Odds
from facefusion.training.tensors.parts import PartMasks, skin_tone
from facefusion.training.tensors.tone import match_light
from facefusion.training.tensors.views import Views, placed

Batch = dict[str, Tensor]

#: Least side in pixels at which images are sampled, as the pipeline samples the source.
LEAST_RENDER: Final = 256
#: Faces that are tried as the other person of a sample.
TRIES: Final = 24
#: Largest difference in yaw of a source, of the other face of a corrupted target, in degrees.
SOURCE_YAW: Final = 32.0
OTHER_YAW: Final = 28.0
#: Standard deviation of a source's mesh points and of its whole mesh, as shares of the crop's side:
#: the mesh network's error.
POINT_NOISE: Final = 0.5 / 192
MESH_SHIFT: Final = 0.8 / 192
#: Standard deviation of a smooth misplacement in paired samples, as a share of the crop's side: a
#: source's features never lie quite where the target's do.
MISPLACED: Final = 0.0035
#: Range of the standard deviation of the light that a corrupted target keeps, as shares of the
#: side.
KEPT_LIGHT: Final = (0.08, 0.16)
#: Strength of the changes of light (`Light.photometric`).
STRENGTH: Final = 0.6
#: Range of a tone's gamma.
GAMMA: Final = (0.4, 2.5)


class TensorSampler:
    """Draws batches of samples.

    Args:
        faces: faces with crops of the side that is sampled, `render_side(view)`.
        view: side of the samples in pixels, a multiple of 128.
        odds: probabilities in a sample.
    """

    def __init__(self, faces: PackedFaces, view: int, odds: Odds = DEFAULT_ODDS) -> None:
        self.faces, self.view, self.odds = faces, view, odds
        self.side = render_side(view)
        self.device = faces.meshes.device
        self.draws = Draws(self.device)
        self.light = Light(self.draws, view)
        kinds = (
            1
            + odds.open_mouth * faces.open_mouth
            + odds.beard * faces.bearded
            + odds.side_light * faces.side_lit
        )
        self._unpaired_weights = kinds
        # Sunglasses hide what the source would have to bring: nothing is learnt from undoing them.
        self._paired_weights = kinds * (~faces.eyes_hidden).float()

    @torch.no_grad()
    def __call__(self, count: int) -> Batch:
        """Draws a batch, the first half paired.

        Returns:
            `warped`, `target`, `truth`: (N, 3, S, S) RGB in [0, 1], the source in the target's
            tone, what it is fused into, and what a paired sample shall become; `face`, `covered`,
            `skin`: (N, 1, S, S) in [0, 1], where the face may change, what lies over either face,
            and likely skin of the target; `points`: (N, 5, 2) in pixels; `identity`: (N, 128), the
            source's embedding; `source` and `index`: (N,) of the faces; `no_glasses`: (N,) 1 where
            neither wears any.
        """
        half = count // 2
        pairs, others = slice(0, half), slice(half, count)
        draws, odds, faces = self.draws, self.odds, self.faces
        index = torch.cat(
            [
                draws.choice(self._paired_weights, half),
                draws.choice(self._unpaired_weights, count - half),
            ]
        )
        views = Views.drawn(count, odds.mirrored, self.device)
        truth, gain, shine = self._lit_truth(index, views)
        maps = self._maps(index, views)
        face, skin, parts = self._masks(index, views)
        covered = maps[:, COVERINGS, None]
        swapped = self._corrupted(
            index[pairs],
            views[pairs],
            truth[pairs],
            (gain[pairs], shine[pairs]),
            face[pairs] * (1 - covered[pairs]),
            skin[pairs],
        )
        target = torch.cat([swapped, truth[others]])
        source = torch.cat(
            [index[pairs], self._other_person(index[others], SOURCE_YAW, odds.far_tone)]
        )
        warped, mirrored, opacity, hidden, oblique = self._warped(index, source, views, half)
        warped, mirrored = self._spoilt(warped, mirrored, index, views, half)
        own_hair = maps[:, HAIR, None]
        foreign = torch.maximum(hidden[:, :1] * (1 - own_hair), hidden[:, 1:2])
        found = maps[:, ALWAYS_KEEP, None]
        found = torch.cat(
            [
                found[pairs],
                torch.maximum(torch.maximum(found[others], foreign[others]), oblique),
            ]
        )
        found = found * draws.chance(count, odds.detected)
        covered = torch.cat([covered[pairs], torch.maximum(covered[others], hidden[others, 2:])])
        target, truth, warped, mirrored, covered = self._covered(
            index, views, target, truth, warped, mirrored, covered, half
        )
        covered = torch.maximum(covered, found).clamp(0, 1)
        share = mix(
            draws.chance(count, odds.partly_matched),
            draws.uniform(count, odds.least_match, 1),
            torch.ones(count, 1, 1, 1, device=self.device),
        ).flatten()
        free = 1 - found
        relit = self._relit(warped, target, skin * free, parts, share)
        relit_mirror = self._relit(
            mirrored, target[others], (skin * free)[others], parts[others], share[others]
        )
        relit = torch.cat([relit[pairs], mix(opacity, relit_mirror, relit[others])])
        return {
            "warped": relit,
            "target": target,
            "truth": truth,
            "face": face * free,
            "covered": covered,
            "skin": skin * free,
            "points": views.points(faces.points[index]) * self.view - 0.5,
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
            As of `__call__`, unpaired; `truth` is the target.
        """
        count = len(index)
        views = Views.plain(count, self.device)
        target = self._shown(self.faces.crops, index, views)
        maps = self._maps(index, views)
        face, skin, parts = self._masks(index, views)
        warped, mirrored, opacity, hidden, oblique = self._warped(index, source, views, 0, noise=0)
        foreign = torch.maximum(hidden[:, :1] * (1 - maps[:, HAIR, None]), hidden[:, 1:2])
        found = torch.maximum(torch.maximum(maps[:, ALWAYS_KEEP, None], foreign), oblique)
        free = 1 - found
        shares = torch.full((count,), share, device=self.device)
        relit = self._relit(warped, target, skin * free, parts, shares)
        relit_mirror = self._relit(mirrored, target, skin * free, parts, shares)
        covered = torch.maximum(torch.maximum(maps[:, COVERINGS, None], hidden[:, 2:]), found)
        no_glasses = ~self.faces.glasses[source] & ~self.faces.glasses[index]
        return {
            "warped": mix(opacity, relit_mirror, relit),
            "target": target,
            "truth": target,
            "face": face * free,
            "covered": covered,
            "skin": skin * free,
            "points": self.faces.points[index] * self.view - 0.5,
            "identity": self.faces.identity[source],
            "source": source,
            "index": index,
            "no_glasses": no_glasses.float(),
        }

    # Parts of a batch -------------------------------------------------------------------------

    def _shown(self, crops: dict[int, Tensor], index: Tensor, views: Views) -> Tensor:
        """Returns the views of crops, (N, 3, S, S)."""
        images = crops[self.side][index].float() / 255
        return self._at_view(placed(images, views.grid(self.side)))

    def _at_view(self, images: Tensor) -> Tensor:
        """Averages images of the sampled side to the view's."""
        return resized(images, self.view, self.view)

    def _maps(self, index: Tensor, views: Views) -> Tensor:
        """Returns the views of `PackedFaces.maps`, (N, 5, S, S) in [0, 1]."""
        return placed(self.faces.maps[index].float() / 255, views.grid(self.view))

    def _masks(self, index: Tensor, views: Views) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the views of face and skin, (N, 1, S, S), and of the parts, (N, 3, S, S)."""
        grid = views.grid(self.view)
        face = placed(self.faces.face[index].float() / 255, grid)
        small = torch.cat([self.faces.skin[index], self.faces.parts[index]], 1).float() / 255
        skin, parts = placed(small, grid).split([1, 3], 1)
        return face, skin, parts

    def _lit_truth(self, index: Tensor, views: Views) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the targets in new light, with the lamps on them (factors, gloss)."""
        count, draws, odds = len(index), self.draws, self.odds
        truth = self._shown(self.faces.crops, index, views)
        relit = self.light.photometric(truth, STRENGTH)
        truth = mix(draws.chance(count, odds.relit_target), relit, truth)
        gain, shine = self._lamps(index, views)
        lit = draws.chance(count, odds.lamp_on_target)
        gain, shine = 1 + lit * (gain - 1), lit * shine
        return (truth * gain + shine).clamp(0, 1), gain, shine

    def _lamps(self, index: Tensor, views: Views) -> tuple[Tensor, Tensor]:
        """Draws a lamp on each face."""
        normals = self.faces.warps.spread(index, self.faces.normals[index])
        normals = placed(normals, views.grid(LAMP_SIDE), outside="border")
        across, down = normals.split(1, 1)
        return self.light.lamp(torch.cat([across * views.sign.view(-1, 1, 1, 1), down], 1))

    def _other_person(
        self, index: Tensor, yaw: float, far_tone: float = 0.0, *, bare: bool = False
    ) -> Tensor:
        """Draws another face for each, turned alike where one was tried that is.

        Args:
            index: (N,).
            yaw: largest difference in degrees.
            far_tone: share of the faces that are drawn by their difference in skin tone.
            bare: whether without glasses, where such a one was tried.
        """
        count, faces = len(index), self.faces
        tried = torch.randint(len(faces), (count, TRIES), device=self.device)
        suited = (faces.yaw[tried] - faces.yaw[index][:, None]).abs() < yaw
        suited &= tried != index[:, None]
        if bare:
            suited &= ~faces.glasses[tried]
        score = suited.float() * (1 + 0.05 * torch.rand(count, TRIES, device=self.device))
        far = (faces.tone[tried] - faces.tone[index][:, None]).abs()
        score = score * (1 + far * self.draws.chance(count, far_tone).view(-1, 1))
        return tried.gather(1, score.argmax(1, keepdim=True))[:, 0]

    def _sampled(
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

    def _warped(
        self, index: Tensor, source: Tensor, views: Views, half: int, noise: float = 1.0
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Warps the sources.

        Returns:
            The warped sources (N, 3, S, S); of the unpaired ones the mirror images (N - half, 3, S,
            S) and their opacity (N - half, 1, S, S); the sources' hair, dark glass and further
            coverings (N, 3, S, S); where unpaired sources are too oblique (N - half, 1, S, S).
        """
        count, faces, warps = len(index), self.faces, self.faces.warps
        meshes = faces.meshes[source]
        jitter = POINT_NOISE * torch.randn(count, meshes.shape[1], 2, device=self.device)
        jitter = jitter + MESH_SHIFT * torch.randn(count, 1, 2, device=self.device)
        meshes = torch.cat([meshes[..., :2] + noise * jitter, meshes[..., 2:]], 2)
        flow = warps.flow(index, meshes)
        if half:
            wave = MISPLACED * self.draws.field(half, 7, warps.flow_size, 2)
            flow = torch.cat([flow[:half] + wave, flow[half:]])
        textures = faces.without_glasses[self.side][source].float() / 255
        warped = self._at_view(self._sampled(textures, flow, views, self.side, cubic=True))
        maps = faces.maps[source][:, HAIR : CARRIED + 1].float() / 255
        hidden = self._sampled(maps, flow, views, self.view)
        rows = slice(half, count)
        own_views = views[rows]
        mirrored_flow = warps.mirrored_flow(index[rows], meshes[rows])
        mirrored = self._at_view(
            self._sampled(textures[rows], mirrored_flow, own_views, self.side, cubic=True)
        )
        grid = own_views.grid(self.view)
        opacity = placed(warps.mirror_opacity(index[rows], meshes[rows]), grid, outside="border")
        oblique = placed(warps.too_oblique(index[rows], meshes[rows]), grid, outside="border")
        return warped.clamp(0, 1), mirrored.clamp(0, 1), opacity, hidden, oblique

    def _spoilt(
        self, warped: Tensor, mirrored: Tensor, index: Tensor, views: Views, half: int
    ) -> tuple[Tensor, Tensor]:
        """Changes the light and sharpness of sources; paired ones get a matched tone's faults."""
        count, draws, odds = len(warped), self.draws, self.odds
        both = self.light.photometric(torch.cat([warped, mirrored]), STRENGTH)
        warped, mirrored = both.split([count, count - half])
        gain, shine = self._lamps(index, views)
        lit = torch.cat(
            [
                draws.chance(half, odds.lamp_on_pair),
                draws.chance(count - half, odds.lamp_on_source),
            ]
        )
        warped = (warped * (1 + lit * (gain - 1)) + lit * shine).clamp(0, 1)
        own = warped[:half]
        own = mix(draws.chance(half, odds.mottled), self.light.mottle(own), own)
        warped = self.light.camera(torch.cat([own, warped[half:]]))
        return warped, mirrored

    def _corrupted(
        self,
        index: Tensor,
        views: Views,
        truth: Tensor,
        lamp: tuple[Tensor, Tensor],
        mask: Tensor,
        skin: Tensor,
    ) -> Tensor:
        """Returns the targets with another face each, wholly or in parts, mostly in their light."""
        count, draws, odds = len(index), self.draws, self.odds
        other = self._other_person(index, OTHER_YAW, bare=True)
        flow = self.faces.warps.flow(index, self.faces.meshes[other])
        textures = self.faces.without_glasses[self.side][other].float() / 255
        swap = self._at_view(self._sampled(textures, flow, views, self.side)).clamp(0, 1)
        gain, shine = lamp
        lit = draws.chance(count, odds.lit_swap)
        swap = (swap * (1 + lit * (gain - 1)) + lit * shine).clamp(0, 1)
        swap = _toned(swap, truth, skin)
        difference = truth - swap
        narrow, wide = (low_pass(difference, share * self.view) for share in KEPT_LIGHT)
        light = mix(draws.uniform(count, 0, 1), wide, narrow)
        swap = (swap + draws.chance(count, odds.keeps_light) * light).clamp(0, 1)
        parts = draws.blob(count, 5, self.view, (0.3, 1.2))
        mask = mask * (1 - draws.chance(count, odds.in_parts) * parts)
        mask = mask * (1 - draws.chance(count, odds.uncorrupted))
        return mix(mask, swap, truth)

    def _covered(
        self,
        index: Tensor,
        views: Views,
        target: Tensor,
        truth: Tensor,
        warped: Tensor,
        mirrored: Tensor,
        covered: Tensor,
        half: int,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Puts things over targets, to be kept, and over sources, not to be carried over."""
        count, draws, odds = len(index), self.draws, self.odds
        other = torch.randint(len(self.faces), (count,), device=self.device)
        flow = self.faces.warps.flow(index, self.faces.meshes[other])
        masks = self.faces.maps[other][:, COVERINGS, None].float() / 255
        mask = self._sampled(masks, flow, views, self.view, outside="zeros")
        textures = self.faces.crops[self.side][other].float() / 255
        image = self._at_view(self._sampled(textures, flow, views, self.side))
        piece = torch.roll(self._at_view(textures), (self.view // 2, self.view // 3), (2, 3))
        of_face = draws.chance(count, odds.covering_of_face)
        mask = mix(of_face, mask, draws.blob(count, 4, self.view, (0.9, 1.6)))
        image = self.light.photometric(mix(of_face, image, piece).clamp(0, 1), 0.5)
        over = mask * draws.chance(count, odds.covering_on_target)
        target, truth = mix(over, image, target), mix(over, image, truth)
        covered = torch.maximum(covered, over)
        edge = (4 * mask * (1 - mask)).clamp(0, 1) * draws.uniform(count, 0.2, 0.8)
        warped = warped * (1 - edge * draws.chance(count, odds.cut_hair))
        # What another sample's target is covered by.
        mask, image = torch.roll(mask, 1, 0), torch.roll(image, 1, 0)
        over = mask * draws.chance(count, odds.covering_on_source)
        warped, mirrored = mix(over, image, warped), mix(over[half:], image[half:], mirrored)
        return target, truth, warped, mirrored, torch.maximum(covered, over)

    def _relit(
        self, warped: Tensor, target: Tensor, skin: Tensor, parts: Tensor, share: Tensor
    ) -> Tensor:
        """Matches sources to the targets' tone and light."""
        own, wanted, weight, masks = (
            resized(each, SKIN, SKIN) for each in (warped, target, skin, parts)
        )
        return match_light(own, wanted, weight, _parts(masks), share)(warped, _parts(parts))


def render_side(view: int) -> int:
    """Returns the side in pixels at which the samples of a view are sampled."""
    return max(view, LEAST_RENDER)


def _parts(masks: Tensor) -> PartMasks:
    return PartMasks(*masks.split(1, 1))


def _toned(images: Tensor, target: Tensor, skin: Tensor) -> Tensor:
    """Gives images the targets' skin tone by a gamma for each channel."""
    own, wanted = (skin_tone(each, skin).clamp(0.02, 0.98) for each in (images, target))
    gamma = (wanted.log() / own.log()).clamp(*GAMMA)
    return images.clamp(1e-5, 1) ** gamma[..., None, None]
