"""Draws training samples of the fusion networks in batches, on any device.

Undoing a swap teaches more than copying: in a paired sample the target's face was replaced by
another one, and the target's own face, warped, relit and spoilt as a source's is, brings it back.
In an unpaired sample another person is the source, and only losses by other networks say how good
the result is. Warps, masks, tone and light are those of the pipeline (`Scenes`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from facefusion.training.tensors.curves import tone_curve
from facefusion.training.tensors.draws import Draws, mix
from facefusion.training.tensors.faces import COVERINGS, PackedFaces
from facefusion.training.tensors.filters import low_pass
from facefusion.training.tensors.light import LAMP_SIDE, Light
from facefusion.training.tensors.odds import DEFAULT_ODDS, Odds
from facefusion.training.tensors.parts import skin_tone
from facefusion.training.tensors.scenes import Batch, Scenes, Targets, Warped
from facefusion.training.tensors.views import Views, placed

#: Faces that are tried as the other person of a sample.
TRIES: Final = 24
#: Largest difference in yaw of a source, in degrees.
SOURCE_YAW: Final = 32.0
#: Largest difference in yaw of the other face of a corrupted target, in degrees.
OTHER_YAW: Final = 28.0
#: Range of the standard deviation of the light that a corrupted target keeps, as shares of the
#: side.
KEPT_LIGHT: Final = (0.08, 0.16)
#: Strength of the changes of light (`Light.photometric`).
STRENGTH: Final = 0.6


class TensorSampler:
    """Draws batches of samples.

    Args:
        faces: faces with crops of the side that is sampled, `render_side(view)`.
        view: side of the samples in pixels, a multiple of 128.
        odds: probabilities in a sample.
    """

    def __init__(self, faces: PackedFaces, view: int, odds: Odds = DEFAULT_ODDS) -> None:
        self.faces, self.view, self.odds = faces, view, odds
        self.device = faces.meshes.device
        self.draws = Draws(self.device)
        self.light = Light(self.draws, view)
        self.scenes = Scenes(faces, view, self.draws)
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
        half, scenes, draws = count // 2, self.scenes, self.draws
        index = torch.cat(
            [
                draws.choice(self._paired_weights, half),
                draws.choice(self._unpaired_weights, count - half),
            ]
        )
        views = Views.drawn(count, self.odds.mirrored, self.device)
        truth, lamp = self._lit_truth(index, views)
        targets = scenes.targets(index, views, half)
        target = torch.cat([self._corrupted(targets, truth[:half], lamp), truth[half:]])
        other = self._other_person(index[half:], SOURCE_YAW, self.odds.far_tone)
        source = torch.cat([index[:half], other])
        detected = draws.chance(count, self.odds.detected)
        warped = self._spoilt(targets, scenes.warped(targets, source, detected=detected))
        blocked = scenes.blocked(targets, warped) * detected
        covered = scenes.covered(targets, warped)
        images, warped, covered = self._put_over(targets, (target, truth), warped, covered)
        share = mix(
            draws.chance(count, self.odds.partly_matched),
            draws.uniform(count, self.odds.least_match, 1),
            torch.ones(count, 1, 1, 1, device=self.device),
        ).flatten()
        return scenes.batch(targets, source, images, warped, (blocked, covered), share)

    def _lit_truth(self, index: Tensor, views: Views) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Returns the targets in new light, with the lamps on them (factors, gloss)."""
        count, draws, odds = len(index), self.draws, self.odds
        truth = self.scenes.shown(index, views)
        relit = self.light.photometric(truth, STRENGTH)
        truth = mix(draws.chance(count, odds.relit_target), relit, truth)
        gain, shine = self._lamps(index, views)
        lit = draws.chance(count, odds.lamp_on_target)
        gain, shine = 1 + lit * (gain - 1), lit * shine
        return (truth * gain + shine).clamp(0, 1), (gain, shine)

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

    def _spoilt(self, targets: Targets, warped: Warped) -> Warped:
        """Changes the light and sharpness of sources; paired ones get a matched tone's faults."""
        half, count = targets.half, len(targets.index)
        draws, odds = self.draws, self.odds
        both = torch.cat([warped.image, warped.mirrored])
        image, mirrored = self.light.photometric(both, STRENGTH).split([count, count - half])
        gain, shine = self._lamps(targets.index, targets.views)
        lit = torch.cat(
            [
                draws.chance(half, odds.lamp_on_pair),
                draws.chance(count - half, odds.lamp_on_source),
            ]
        )
        image = (image * (1 + lit * (gain - 1)) + lit * shine).clamp(0, 1)
        own = image[:half]
        own = mix(draws.chance(half, odds.mottled), self.light.mottle(own), own)
        image = self.light.camera(torch.cat([own, image[half:]]))
        return replace(warped, image=image, mirrored=mirrored)

    def _corrupted(self, targets: Targets, truth: Tensor, lamp: tuple[Tensor, Tensor]) -> Tensor:
        """Returns paired targets with another face each, wholly or in parts.

        Args:
            targets: all targets.
            truth: (half, 3, S, S), the paired ones.
            lamp: factors and gloss of the lamps on all targets.
        """
        count, draws, odds, scenes = targets.half, self.draws, self.odds, self.scenes
        index, views, skin = targets.index[:count], targets.views[:count], targets.skin[:count]
        other = self._other_person(index, OTHER_YAW, bare=True)
        flow = self.faces.warps.flow(index, self.faces.meshes[other])
        textures = self.faces.bare[scenes.side][other].float() / 255
        swap = scenes.at_view(scenes.sampled(textures, flow, views, scenes.side)).clamp(0, 1)
        gain, shine = (each[:count] for each in lamp)
        lit = draws.chance(count, odds.lit_swap)
        swap = (swap * (1 + lit * (gain - 1)) + lit * shine).clamp(0, 1)
        swap = tone_curve(skin_tone(swap, skin), skin_tone(truth, skin))(swap)
        difference = truth - swap
        narrow, wide = (low_pass(difference, share * self.view) for share in KEPT_LIGHT)
        light = mix(draws.uniform(count, 0, 1), wide, narrow)
        swap = (swap + draws.chance(count, odds.keeps_light) * light).clamp(0, 1)
        parts = draws.blob(count, 5, self.view, (0.3, 1.2))
        mask = targets.face[:count] * (1 - targets.maps[:count, COVERINGS, None])
        mask = mask * (1 - draws.chance(count, odds.in_parts) * parts)
        mask = mask * (1 - draws.chance(count, odds.uncorrupted))
        return mix(mask, swap, truth)

    def _put_over(
        self,
        targets: Targets,
        images: tuple[Tensor, Tensor],
        warped: Warped,
        covered: Tensor,
    ) -> tuple[tuple[Tensor, Tensor], Warped, Tensor]:
        """Puts things over targets and truths, to be kept, and over sources, not to be carried.

        Returns:
            Targets and truths, sources, and what lies over either face.
        """
        half, count, scenes = targets.half, len(targets.index), self.scenes
        draws, odds, views = self.draws, self.odds, targets.views
        other = torch.randint(len(self.faces), (count,), device=self.device)
        flow = self.faces.warps.flow(targets.index, self.faces.meshes[other])
        masks = self.faces.maps[other][:, COVERINGS, None].float() / 255
        mask = scenes.sampled(masks, flow, views, self.view, outside="zeros")
        textures = self.faces.crops[scenes.side][other].float() / 255
        image = scenes.at_view(scenes.sampled(textures, flow, views, scenes.side))
        shifts = (self.view // 2, self.view // 3)
        piece = torch.roll(scenes.at_view(textures), shifts, (2, 3))
        of_face = draws.chance(count, odds.covering_of_face)
        mask = mix(of_face, mask, draws.blob(count, 4, self.view, (0.9, 1.6)))
        image = self.light.photometric(mix(of_face, image, piece).clamp(0, 1), 0.5)
        over = mask * draws.chance(count, odds.covering_on_target)
        target, truth = (mix(over, image, each) for each in images)
        covered = torch.maximum(covered, over)
        edge = (4 * mask * (1 - mask)).clamp(0, 1) * draws.uniform(count, 0.2, 0.8)
        own = warped.image * (1 - edge * draws.chance(count, odds.cut_hair))
        # What another sample's target is covered by.
        mask, image = torch.roll(mask, 1, 0), torch.roll(image, 1, 0)
        over = mask * draws.chance(count, odds.covering_on_source)
        spoilt = replace(
            warped,
            image=mix(over, image, own),
            mirrored=mix(over[half:], image[half:], warped.mirrored),
        )
        return (target, truth), spoilt, torch.maximum(covered, over)
