"""Draws reconstruction samples: a portrait T is its own ground truth.

Paired samples corrupt T with another face (T') and warp T's own face away and back (W): the
network has to reconstruct T. Unpaired samples put another person's face (W) onto T, as the product
does; they have no truth and are judged by identity, light and coverings (`training/coarse.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from facefusion.compose.color import match_light, match_skin
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.geometry.align import chain, transform_points
from facefusion.geometry.mask import face_mask, skin_mask, uncovered
from facefusion.geometry.topology import five_points
from facefusion.perception.coverings import MAP_SIZE, Coverings
from facefusion.perception.spectacles import Spectacles
from facefusion.training.samples.augment import light, photometric
from facefusion.training.samples.covering_labels import covering, glasses_kinds
from facefusion.training.samples.data import CROP_SIZE, AlignedFaces
from facefusion.training.samples.drawn_spectacles import DrawnSpectacles, draw_spectacles
from facefusion.training.samples.relighting import Lamp, Lamps
from facefusion.training.tasks.mesh import jittered

Rng = np.random.Generator

UNPAIRED: Final = 0.5
#: Largest difference in yaw between source and target, in degrees.
MAX_YAW_DIFFERENCE: Final = 32.0
#: Share of the corrupted targets that keep T's light.
KEEPS_LIGHT: Final = 0.9
#: Range of the blur that separates light from identity: standard deviation in px of 192.
LOW_PASS: Final = (12.0, 32.0)
#: Share of paired samples without corruption: the network must not change a good face.
UNTOUCHED: Final = 0.05
#: Shares of targets and of sources under a synthetic lamp.
LAMPS: Final = (0.4, 0.4)
#: Share of the glasses, hair and hats that count as found, as at serving; the network must detect
#: the others itself.
FOUND: Final = 0.8
#: Rows, as shares of the crop's side, between which beards begin to count as coverings.
BEARDS: Final = (0.5, 0.6)
_MIRRORED: Final = [1, 0, 2, 4, 3]


def _covering(crop: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Returns `covering` times 255, at the crop's own size.

    Its thresholds are made for CROP_SIZE.
    """
    size = crop.shape[0]
    small = cv2.resize(crop, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
    found = (255 * covering(small, mesh * (CROP_SIZE / size))).astype(np.uint8)
    return np.asarray(cv2.resize(found, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def _low_pass(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blurs (H, W, 3) float32 widely, at a quarter of the resolution: sixteen times faster."""
    small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    return np.asarray(
        cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), image.shape[1::-1]), np.float32
    )


def _blob(rng: Rng, size: int) -> np.ndarray:
    """Draws a soft-edged random polygon, more often at the face's rim than in its middle."""
    mask = np.zeros((size, size), np.uint8)
    centre = size / 2 + size * 0.28 * rng.normal(0, 1, 2).clip(-1.6, 1.6)
    corners = centre + rng.normal(0, size * rng.uniform(0.05, 0.14), (int(rng.integers(3, 8)), 2))
    cv2.fillConvexPoly(mask, cv2.convexHull(corners.astype(np.int32)), 255)
    return cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.6, 2))).astype(np.float32) / 255


def _laid(layer: np.ndarray, mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Blends `layer` (S, S, 3) over `image` (S, S, 3) uint8 by `mask` (S, S) in [0, 1]."""
    return (image * (1 - mask[..., None]) + layer * mask[..., None]).astype(np.uint8)


class SwapSampler:
    """Draws training samples for the fusion networks.

    Args:
        faces: aligned crops, larger than `view` by what the jitter needs.
        worn: coverings of each face.
        view: side of the samples in pixels.
        unpaired: share of the samples that put another person's face onto T.
    """

    def __init__(
        self,
        faces: AlignedFaces,
        worn: Sequence[Coverings],
        view: int = COARSE_SIZE,
        unpaired: float = UNPAIRED,
    ) -> None:
        self.faces, self.worn, self.view, self.unpaired = faces, worn, view, unpaired
        self.size = faces.crops.shape[1]
        self.lamps = Lamps(faces)
        #: Sources without their spectacles, to be warped onto others.
        self.bare = [
            each.without_glasses(crop) for crop, each in zip(faces.crops, worn, strict=True)
        ]
        #: Coverings of the sources without spectacles, (S, S) uint8 each.
        self.carried = np.stack(
            [self._carried(*each) for each in zip(self.bare, faces.meshes, worn, strict=True)]
        )
        #: Coverings of the faces as they are, (S, S) uint8 each.
        self.coverings = np.stack(
            [
                np.maximum(carried, (255 * self._at_size(each.always_keep)).astype(np.uint8))
                for carried, each in zip(self.carried, worn, strict=True)
            ]
        )
        self.glasses = np.array(glasses_kinds(faces.names))

    def _carried(self, crop: np.ndarray, mesh: np.ndarray, worn: Coverings) -> np.ndarray:
        """Returns a face's coverings without glasses, (S, S) uint8.

        Hair and hats as found; below the nose, beards by colour.
        """
        low = np.clip(
            (np.arange(MAP_SIZE[0]) / MAP_SIZE[0] - BEARDS[0]) / (BEARDS[1] - BEARDS[0]), 0, 1
        )
        beard = self._at_size(
            np.repeat(low.astype(np.float32)[:, None], MAP_SIZE[0], axis=1)
        ) * _covering(crop, mesh)
        return np.maximum(beard, 255 * self._at_size(worn.occlusion_maps.max(-1))).astype(np.uint8)

    def _at_size(self, layer: np.ndarray) -> np.ndarray:
        """Resizes a map of coverings (192, 192) to the side of the crops."""
        if layer.shape[0] == self.size:
            return layer
        return np.asarray(
            cv2.resize(layer, (self.size, self.size), interpolation=cv2.INTER_LINEAR), np.float32
        )

    def _other(self, rng: Rng, face: int, within: float, *, bare: bool = False) -> int:
        """Draws another face of similar yaw, with `bare` one without glasses."""
        near = np.abs(self.faces.yaws - self.faces.yaws[face]) < within
        if bare:
            near &= self.glasses == ""
        near[face] = False
        choices = np.flatnonzero(near)
        if not len(choices):
            return self._other(rng, face, within + 5, bare=bare) if within < 90 else face
        return int(choices[rng.integers(len(choices))])

    def _fringe(
        self, rng: Rng, mesh: np.ndarray, onto: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Warps another face's covering (hair, hat, beard) onto the face `onto`.

        Returns its image and mask.
        """
        for _ in range(4):
            other = int(rng.integers(len(self.faces)))
            if self.coverings[other].mean() > 6:
                warp = self.faces.warps[onto]
                mask = warp(self.coverings[other], self.faces.meshes[other])
                return warp(self.faces.crops[other], self.faces.meshes[other]), mask.astype(
                    np.float32
                ) / 255
        return None

    def _glasses(
        self, rng: Rng, image: np.ndarray, mesh: np.ndarray
    ) -> tuple[DrawnSpectacles, Spectacles]:
        """Draws glasses on a face; returns the drawing and what is detected of it."""
        drawn = draw_spectacles(
            rng, image, mesh, self.faces.crops[int(rng.integers(len(self.faces)))]
        )
        layers = (
            cv2.resize(layer, MAP_SIZE, interpolation=cv2.INTER_AREA)
            for layer in (drawn.frame, drawn.lens)
        )
        return drawn, Spectacles.from_opacity(*layers)

    def _thing(self, rng: Rng, mesh: np.ndarray, onto: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws something over a face, such as hair, a hand or a cloth: its image and mask."""
        found = self._fringe(rng, mesh, onto) if rng.random() < 0.6 else None
        if found is not None:
            return light(rng, found[0], 0.5), found[1]
        crop = self.faces.crops[int(rng.integers(len(self.faces)))]
        return light(rng, np.roll(crop, int(rng.integers(self.size)), axis=1)), _blob(
            rng, self.size
        )

    def _corrupted(self, rng: Rng, face: int, target: np.ndarray, lamp: Lamp | None) -> np.ndarray:
        """Makes T': another face over T under a random mask.

        It is lit by T's lamp, and mostly in T's light.
        """
        mesh = self.faces.meshes[face]
        other = self._other(rng, face, MAX_YAW_DIFFERENCE, bare=True)
        swapped = self.faces.warps[face](self.faces.crops[other], self.faces.meshes[other])
        swapped = swapped if lamp is None else lamp(swapped)
        swapped, _ = match_skin(swapped, target, skin_mask(mesh, self.size))
        if rng.random() < KEEPS_LIGHT:
            sigma = float(rng.uniform(*LOW_PASS)) * self.size / CROP_SIZE
            swapped = np.clip(
                swapped + _low_pass(target.astype(np.float32) - swapped, sigma), 0, 255
            ).astype(np.uint8)
        mask = face_mask(mesh, self.size)
        if rng.random() < 0.35:  # parts only, as of a swap that failed in places
            for _ in range(int(rng.integers(1, 4))):
                mask = mask * (1 - _blob(rng, self.size))
        mask = mask * (1 - self.coverings[face].astype(np.float32) / 255)
        return _laid(swapped, mask, target)

    def __call__(self, rng: Rng) -> dict[str, np.ndarray]:
        """Draws one sample.

        Returns:
            `warped`, `target`, `truth` (view, view, 3) RGB uint8; `face`, `covered` (view, view)
            float32, where change is allowed and where coverings lie over either face; `paired`
            (1,); `source` (1,) index of the person in the result; `bare` (1,) whether neither face
            wears real glasses; `points` (5, 2) of the target in the crop.
        """
        faces = self.faces
        face = int(rng.integers(len(faces)))
        mesh, warp = faces.meshes[face], faces.warps[face]
        truth = light(rng, faces.crops[face], 0.6) if rng.random() < 0.4 else faces.crops[face]
        lamp = self.lamps(rng, face) if rng.random() < LAMPS[0] else None
        truth = truth if lamp is None else lamp(truth)
        covered = self.coverings[face].astype(np.float32) / 255
        found, worn = np.zeros_like(covered), self.worn[face]
        if rng.random() < FOUND:
            found = self._at_size(worn.always_keep)
        # Faces with sunglasses are not paired: their truth would teach transfer from the source.
        clear = worn.glasses is not None and not worn.glasses.hides_eyes
        paired = rng.random() >= self.unpaired and (self.glasses[face] == "" or clear)
        if paired:
            source = face
            target = truth if rng.random() < UNTOUCHED else self._corrupted(rng, face, truth, lamp)
            stop = self._other(rng, face, 28.0)
            away = faces.warps[stop](self.bare[face], faces.meshes[face])
            source_mesh = faces.meshes[stop]
        else:
            source = self._other(rng, face, MAX_YAW_DIFFERENCE)
            target, away, source_mesh = truth, self.bare[source], faces.meshes[source]
            hidden = warp(self.carried[source], source_mesh).astype(np.float32) / 255
            covered = np.maximum(covered, hidden)
            if rng.random() < FOUND:
                occlusion_maps = warp(self._at_size(self.worn[source].occlusion_maps), source_mesh)
                found = self._at_size(
                    worn.blocked_by(
                        cv2.resize(occlusion_maps, MAP_SIZE, interpolation=cv2.INTER_AREA)
                    )
                )
        # Simulates the mesh network's error: of each point, and of all together.
        off = np.pad(rng.normal(0, 0.5, (468, 2)), ((0, 0), (0, 1))) + [*rng.normal(0, 0.8, 2), 0]
        warped = warp(
            photometric(rng, away, 0.6),
            (source_mesh + off * self.size / CROP_SIZE).astype(np.float32),
        )
        if rng.random() < LAMPS[1]:
            warped = self.lamps(rng, face)(warped)
        if rng.random() < 0.25 and worn.glasses is None:  # glasses on the target are kept
            drawn, seen = self._glasses(rng, target, mesh)
            truth = _laid(drawn.image, np.maximum(drawn.frame, drawn.lens), truth)
            target, covered = drawn.image, np.maximum(covered, drawn.covered)
            if rng.random() < FOUND:
                found = np.maximum(found, self._at_size(seen.covered))
        if rng.random() < 0.3:  # coverings of the target are kept
            layer, mask = self._thing(rng, mesh, face)
            target, truth = (_laid(layer, mask, image) for image in (target, truth))
            covered = np.maximum(covered, mask)
        if rng.random() < 0.18:  # glasses on the source are not transferred
            drawn, seen = self._glasses(rng, warped, mesh)
            if rng.random() >= FOUND:
                warped, covered = drawn.image, np.maximum(covered, drawn.covered)
            elif seen.hidden is None:
                warped = seen.without_frame(drawn.image)
            else:
                warped, found = drawn.image, np.maximum(found, self._at_size(seen.hidden))
        if rng.random() < 0.22:  # coverings of the source are not transferred
            layer, mask = self._thing(rng, mesh, face)
            warped = _laid(layer, mask, warped)
            covered = np.maximum(covered, mask)
        layers = (warped, target, truth, np.maximum(covered, found), found)
        return self._view(rng, mesh, *layers) | {
            "paired": np.array([paired], np.float32), "source": np.array([source], np.int64),
            "bare": np.array([self.glasses[source] == self.glasses[face] == ""], np.float32),
        }  # fmt: skip

    def _view(
        self,
        rng: Rng,
        mesh: np.ndarray,
        warped: np.ndarray,
        target: np.ndarray,
        truth: np.ndarray,
        covered: np.ndarray,
        found: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Cuts the sample's view: jittered as by a detection, colour-corrected as in the pipeline.

        Half of the views are mirrored.
        """
        size = self.view
        scale = size / self.size
        shrink = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])
        matrix = chain(jittered(rng, size, 1.5, 0.03, 0.01), shrink)
        layers = (warped, target, truth, covered, found)
        moved = [
            cv2.warpAffine(i, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)
            for i in layers
        ]
        points = transform_points(mesh, matrix)
        face, skin = (uncovered(mask(points, size), moved[4]) for mask in (face_mask, skin_mask))
        five = five_points(points)
        if rng.random() < 0.5:
            moved, face, skin = [i[:, ::-1] for i in moved], face[:, ::-1], skin[:, ::-1]
            five = (five * [-1, 1] + [size - 1, 0])[_MIRRORED].astype(np.float32)
        warped, target, truth, covered, found = (np.ascontiguousarray(i) for i in moved)
        warped = match_light(warped, target, np.ascontiguousarray(skin))(warped)
        return {
            "warped": warped, "target": target, "truth": truth, "covered": covered,
            "face": np.ascontiguousarray(face), "points": five,
        }  # fmt: skip
