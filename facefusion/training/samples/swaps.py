"""Draws samples of swapped faces for the fusion networks.

Paired samples are reconstructions: the portrait T is the truth, the target is T with another
person's face, and the warped source is T's own face, warped to another mesh and back.
Unpaired samples put another person's face onto T, as the product does. They have no truth;
`training/loss_networks.py` judges them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from facefusion.compose.color import match_skin
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.geometry.mask import face_mask, skin_mask
from facefusion.perception.coverings import MAP_SIZE, Coverings
from facefusion.training.samples.augment import light, photometric
from facefusion.training.samples.covered_faces import CoveredFaces
from facefusion.training.samples.data import CROP_SIZE, AlignedFaces
from facefusion.training.samples.relighting import Lamps
from facefusion.training.samples.swap_layers import (
    blend,
    draw_glasses,
    draw_object,
    low_pass,
    soft_polygon,
)
from facefusion.training.samples.swap_odds import DEFAULT_ODDS, SwapOdds
from facefusion.training.samples.swap_sample import SwapSample

Rng = np.random.Generator

#: Largest difference in yaw between source and target, in degrees.
MAX_YAW_DIFFERENCE: Final = 32.0
#: Largest difference in yaw, in degrees, between T and the mesh that its face is warped to first.
MAX_DETOUR_YAW: Final = 28.0
#: Range of the blur that separates light from identity: standard deviation in px of CROP_SIZE.
LIGHT_BLUR: Final = (12.0, 32.0)
#: Standard deviation of each mesh point in px of CROP_SIZE: the mesh network's error.
POINT_NOISE: Final = 0.5
#: Standard deviation in px of CROP_SIZE of a shift of all mesh points together.
MESH_SHIFT: Final = 0.8


class SwapSampler:
    """Draws training samples for the fusion networks.

    Args:
        faces: aligned crops, larger than `view` by what the jitter needs.
        coverings: coverings of each face.
        view: side of the samples in pixels.
        odds: probabilities.
    """

    def __init__(
        self,
        faces: AlignedFaces,
        coverings: Sequence[Coverings],
        view: int = COARSE_SIZE,
        odds: SwapOdds = DEFAULT_ODDS,
    ) -> None:
        self.faces, self.covered_faces = faces, CoveredFaces(faces, coverings)
        self.view, self.odds = view, odds
        self.size = self.covered_faces.size
        self.lamps = Lamps(faces)

    def __call__(self, rng: Rng) -> dict[str, np.ndarray]:
        """Draws one sample.

        Returns:
            `warped`, `target`, `truth` (view, view, 3) RGB uint8; `face`, `covered` (view, view)
            float32, where change is allowed and where coverings lie over either face; `paired`
            (1,); `source` (1,) index of the person in the result; `no_glasses` (1,) whether
            neither face wears real glasses; `points` (5, 2) of the target in the crop.
        """
        sample = self._start(rng)
        for step in (
            self._relight_target,
            self._detect_target_coverings,
            self._choose_source,
            self._warp_source,
            self._put_glasses_on_target,
            self._put_object_on_target,
            self._put_glasses_on_source,
            self._put_object_on_source,
        ):
            step(rng, sample)
        no_glasses = (
            self.covered_faces.glasses[sample.source]
            == self.covered_faces.glasses[sample.face]
            == ""
        )
        return sample.cut_view(rng, self.view, self.odds.mirrored) | {
            "paired": np.array([sample.paired], np.float32),
            "source": np.array([sample.source], np.int64),
            "no_glasses": np.array([no_glasses], np.float32),
        }

    def _start(self, rng: Rng) -> SwapSample:
        """Draws T."""
        face = int(rng.integers(len(self.faces)))
        crop, mesh = self.faces.crops[face], self.faces.meshes[face]
        covered = self.covered_faces.masks[face].astype(np.float32) / 255
        return SwapSample(
            face=face,
            mesh=mesh,
            source=face,
            paired=True,
            truth=crop,
            target=crop,
            warped=crop,
            source_mesh=mesh,
            covered=covered,
            detected=np.zeros_like(covered),
        )

    def _relight_target(self, rng: Rng, sample: SwapSample) -> None:
        if rng.random() < self.odds.relit_target:
            sample.truth = light(rng, sample.truth, 0.6)
        if rng.random() < self.odds.lamp_on_target:
            sample.lamp = self.lamps(rng, sample.face)
            sample.truth = sample.lamp(sample.truth)
        sample.target = sample.truth

    def _detect_target_coverings(self, rng: Rng, sample: SwapSample) -> None:
        if rng.random() < self.odds.detected:
            keep = self.covered_faces.coverings[sample.face].always_keep
            sample.detected = self.covered_faces.at_size(keep)

    def _choose_source(self, rng: Rng, sample: SwapSample) -> None:
        """Decides whether the sample is paired, and takes the source's crop."""
        glasses = self.covered_faces.coverings[sample.face].glasses
        # Faces with sunglasses are not paired: their truth would teach transfer from the source.
        shows_eyes = glasses is not None and not glasses.hides_eyes
        can_pair = self.covered_faces.glasses[sample.face] == "" or shows_eyes
        sample.paired = bool(rng.random() >= self.odds.unpaired and can_pair)
        if sample.paired:
            self._pair(rng, sample)
        else:
            self._take_other_person(rng, sample)

    def _pair(self, rng: Rng, sample: SwapSample) -> None:
        """Corrupts the target, and warps T's face to another mesh, to be warped back."""
        if rng.random() >= self.odds.uncorrupted:
            sample.target = self._corrupted(rng, sample)
        detour = self.covered_faces.draw_similar(rng, sample.face, MAX_DETOUR_YAW)
        own = self.covered_faces.without_glasses[sample.face]
        sample.warped = self.faces.warps[detour](own, sample.mesh)
        sample.source_mesh = self.faces.meshes[detour]

    def _take_other_person(self, rng: Rng, sample: SwapSample) -> None:
        """Takes another person as the source; their coverings are not to be transferred."""
        sample.source = self.covered_faces.draw_similar(rng, sample.face, MAX_YAW_DIFFERENCE)
        sample.warped = self.covered_faces.without_glasses[sample.source]
        sample.source_mesh = self.faces.meshes[sample.source]
        warp = self.faces.warps[sample.face]
        hair = warp(self.covered_faces.hair_masks[sample.source], sample.source_mesh)
        sample.covered = np.maximum(sample.covered, hair.astype(np.float32) / 255)
        if rng.random() < self.odds.detected:
            maps = self.covered_faces.at_size(
                self.covered_faces.coverings[sample.source].occlusion_maps
            )
            warped = cv2.resize(
                warp(maps, sample.source_mesh), MAP_SIZE, interpolation=cv2.INTER_AREA
            )
            blocked = self.covered_faces.coverings[sample.face].blocked_by(warped)
            sample.detected = self.covered_faces.at_size(blocked)

    def _warp_source(self, rng: Rng, sample: SwapSample) -> None:
        """Warps the source onto T with the mesh network's error, and lights it."""
        noise = np.pad(rng.normal(0, POINT_NOISE, (468, 2)), ((0, 0), (0, 1)))
        noise = noise + [*rng.normal(0, MESH_SHIFT, 2), 0]
        mesh = (sample.source_mesh + noise * self.size / CROP_SIZE).astype(np.float32)
        sample.warped = self.faces.warps[sample.face](photometric(rng, sample.warped, 0.6), mesh)
        if rng.random() < self.odds.lamp_on_source:
            sample.warped = self.lamps(rng, sample.face)(sample.warped)

    def _put_glasses_on_target(self, rng: Rng, sample: SwapSample) -> None:
        has_glasses = self.covered_faces.coverings[sample.face].glasses is not None
        if rng.random() >= self.odds.glasses_on_target or has_glasses:
            return
        drawn, found = draw_glasses(rng, self.covered_faces, sample.target, sample.mesh)
        sample.truth = blend(drawn.image, np.maximum(drawn.frame, drawn.lens), sample.truth)
        sample.target = drawn.image
        sample.covered = np.maximum(sample.covered, drawn.covered)
        if rng.random() < self.odds.detected:
            sample.detected = np.maximum(sample.detected, self.covered_faces.at_size(found.covered))

    def _put_object_on_target(self, rng: Rng, sample: SwapSample) -> None:
        if rng.random() < self.odds.object_on_target:
            layer, mask = self._draw_object(rng, sample)
            sample.target, sample.truth = (
                blend(layer, mask, image) for image in (sample.target, sample.truth)
            )
            sample.covered = np.maximum(sample.covered, mask)

    def _put_glasses_on_source(self, rng: Rng, sample: SwapSample) -> None:
        if rng.random() >= self.odds.glasses_on_source:
            return
        drawn, found = draw_glasses(rng, self.covered_faces, sample.warped, sample.mesh)
        if rng.random() >= self.odds.detected:
            sample.warped = drawn.image
            sample.covered = np.maximum(sample.covered, drawn.covered)
        elif found.hidden is None:
            sample.warped = found.without_frame(drawn.image)
        else:
            sample.warped = drawn.image
            sample.detected = np.maximum(sample.detected, self.covered_faces.at_size(found.hidden))

    def _put_object_on_source(self, rng: Rng, sample: SwapSample) -> None:
        if rng.random() < self.odds.object_on_source:
            layer, mask = self._draw_object(rng, sample)
            sample.warped = blend(layer, mask, sample.warped)
            sample.covered = np.maximum(sample.covered, mask)

    def _draw_object(self, rng: Rng, sample: SwapSample) -> tuple[np.ndarray, np.ndarray]:
        return draw_object(rng, self.covered_faces, sample.face, self.odds.object_from_face)

    def _corrupted(self, rng: Rng, sample: SwapSample) -> np.ndarray:
        """Returns T with another face under a random mask.

        The other face is lit by T's lamp, and mostly in T's light.
        """
        target = sample.target
        other = self.covered_faces.draw_similar(
            rng, sample.face, MAX_YAW_DIFFERENCE, without_glasses=True
        )
        swapped = self.faces.warps[sample.face](self.faces.crops[other], self.faces.meshes[other])
        swapped = swapped if sample.lamp is None else sample.lamp(swapped)
        swapped, _ = match_skin(swapped, target, skin_mask(sample.mesh, self.size))
        if rng.random() < self.odds.keeps_light:
            sigma = float(rng.uniform(*LIGHT_BLUR)) * self.size / CROP_SIZE
            difference = low_pass(target.astype(np.float32) - swapped, sigma)
            swapped = np.clip(swapped + difference, 0, 255).astype(np.uint8)
        mask = face_mask(sample.mesh, self.size)
        if rng.random() < self.odds.in_parts:
            for _ in range(int(rng.integers(1, 4))):
                mask = mask * (1 - soft_polygon(rng, self.size))
        mask = mask * (1 - self.covered_faces.masks[sample.face].astype(np.float32) / 255)
        return blend(swapped, mask, target)
