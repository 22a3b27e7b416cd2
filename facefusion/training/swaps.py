"""Undo-a-swap samples: for a portrait T its own pixels are the ground truth.

Paired samples corrupt T with another face (T') and carry T's own face away and back (W): the network has to undo the swap.
Unpaired samples put another person's face (W) onto T, as the product does; they have no truth and are judged by identity,
light and coverings (`training/coarse.py`).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.compose.color import match_light, match_skin
from facefusion.compose.mask import face_mask, fill_points, skin_mask
from facefusion.fusion.coarse import COARSE_SIZE
from facefusion.geometry.align import transform_points
from facefusion.geometry.topology import LEFT_EYE, RIGHT_EYE, five_points
from facefusion.training.augment import light, photometric
from facefusion.training.coverings import covering, glasses_kinds, lenses
from facefusion.training.data import CROP_SIZE, AlignedFaces
from facefusion.training.mesh import compose, jittered
from facefusion.training.relighting import Lamp, Lamps

Rng = np.random.Generator

UNPAIRED: Final = 0.5
#: Degrees of yaw between faces that are put on each other.
MAX_YAW_DIFFERENCE: Final = 32.0
#: Share of the corrupted targets that keep T's light, and the low-pass that separates light from identity (px of 192).
KEEPS_LIGHT: Final = 0.9
LOW_PASS: Final = (12.0, 32.0)
#: Paired samples without any corruption: the network must also leave a good face alone.
UNTOUCHED: Final = 0.05
#: Shares of targets and of sources that stand under a lamp of their own.
LAMPS: Final = (0.4, 0.4)
_MIRRORED: Final = [1, 0, 2, 4, 3]


def draw_glasses(rng: Rng, image: np.ndarray, mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws spectacles on a face; returns the image and the (H, W) float32 mask of what they cover."""
    size = image.shape[0]
    frame, lens = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
    left, right = (mesh[list(eye), :2].mean(0) for eye in (LEFT_EYE, RIGHT_EYE))
    span = float(np.hypot(*(right - left)))
    angle = float(np.degrees(np.arctan2(*(right - left)[::-1])))
    width, height = span * rng.uniform(0.34, 0.46), span * rng.uniform(0.24, 0.42)
    drop = np.array([0, span * rng.uniform(-0.02, 0.10)])
    thick = max(1, round(size * float(rng.uniform(0.006, 0.02))))
    corners = float(rng.choice([1.0, 0.6, 0.45]))
    rims = []
    for eye in (left + drop, right + drop):
        t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        # A superellipse: round, rounded and nearly rectangular rims by one exponent.
        x, y = (np.sign(f) * np.abs(f) ** corners for f in (np.cos(t), np.sin(t)))
        turn = np.radians(angle)
        level = np.stack([width * x, height * y], axis=1)
        turned = level @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        rims.append((eye + turned).astype(np.float32))
        fill_points(lens, rims[-1], 255)
        cv2.polylines(frame, [rims[-1].astype(np.int32)], True, 255, thick, cv2.LINE_AA)
    inner = [left + drop + [width, 0], right + drop - [width, 0]]
    cv2.line(frame, *(tuple(int(v) for v in p) for p in inner), 255, thick, cv2.LINE_AA)
    for eye, temple in ((left, mesh[127, :2]), (right, mesh[356, :2])):
        outer = eye + drop + [-width if eye is left else width, 0]
        cv2.line(frame, tuple(int(v) for v in outer), tuple(int(v) for v in temple), 255, thick, cv2.LINE_AA)
    dark = rng.random() < 0.4
    shade = (rng.uniform(0.75, 0.97) if dark else rng.uniform(0, 0.12)) * lens.astype(np.float32) / 255
    colour = rng.integers(0, 60 if rng.random() < 0.7 else 255, 3)
    covered = np.maximum(frame.astype(np.float32) / 255, shade)
    tint = np.where(frame[..., None] > 127, colour, rng.integers(0, 70, 3) if dark else rng.integers(120, 255, 3))
    out = image * (1 - covered[..., None]) + tint * covered[..., None]
    return out.astype(np.uint8), np.where(covered > 0.3, covered, 0).astype(np.float32)


def _covering(crop: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """`covering` (its thresholds are made for CROP_SIZE), 255 times, at the crop's own size."""
    size = crop.shape[0]
    small = cv2.resize(crop, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
    found = (255 * covering(small, mesh * (CROP_SIZE / size))).astype(np.uint8)
    return np.asarray(cv2.resize(found, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def _low_pass(image: np.ndarray, sigma: float) -> np.ndarray:
    """A wide Gaussian blur of (H, W, 3) float32, at a quarter of the resolution: sixteen times quicker."""
    small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), image.shape[1::-1]), np.float32)


def _blob(rng: Rng, size: int) -> np.ndarray:
    """A soft-edged random polygon, more often at the face's rim than in its middle."""
    mask = np.zeros((size, size), np.uint8)
    centre = size / 2 + size * 0.28 * rng.normal(0, 1, 2).clip(-1.6, 1.6)
    corners = centre + rng.normal(0, size * rng.uniform(0.05, 0.14), (int(rng.integers(3, 8)), 2))
    cv2.fillConvexPoly(mask, cv2.convexHull(corners.astype(np.int32)), 255)
    return cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.6, 2))).astype(np.float32) / 255


class SwapSampler:
    """Draws training samples for the fusion networks.

    Args:
        faces: aligned crops, larger than `view` by what the jitter needs.
        view: side of the samples.
    """

    def __init__(self, faces: AlignedFaces, view: int = COARSE_SIZE) -> None:
        self.faces, self.view = faces, view
        self.size = faces.crops.shape[1]
        self.lamps = Lamps(faces)
        self.coverings = np.stack([_covering(c, m) for c, m in zip(faces.crops, faces.meshes, strict=True)])
        self.glasses = np.array(glasses_kinds(faces.names))
        #: Where nobody knows what is covering and what is skin: inside and around real spectacles.
        self.unknown = np.zeros_like(self.coverings)
        for i in np.flatnonzero(self.glasses != ""):
            where = lenses(faces.meshes[i], self.size)
            if self.glasses[i] == "dark":
                self.coverings[i] = np.maximum(self.coverings[i], where)
            else:
                self.unknown[i] = where

    def _other(self, rng: Rng, face: int, within: float, *, bare: bool = False) -> int:
        """Another face that looks about the same way, on request one without glasses."""
        near = np.abs(self.faces.yaws - self.faces.yaws[face]) < within
        if bare:
            near &= self.glasses == ""
        near[face] = False
        choices = np.flatnonzero(near)
        if not len(choices):
            return self._other(rng, face, within + 5, bare=bare) if within < 90 else face
        return int(choices[rng.integers(len(choices))])

    def _fringe(self, rng: Rng, mesh: np.ndarray, onto: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Another face's covering (hair, hat, beard), carried onto the face `onto`: its image and mask."""
        for _ in range(4):
            other = int(rng.integers(len(self.faces)))
            if self.coverings[other].mean() > 6:
                warp = self.faces.warps[onto]
                mask = warp(self.coverings[other], self.faces.meshes[other])
                return warp(self.faces.crops[other], self.faces.meshes[other]), mask.astype(np.float32) / 255
        return None

    def _cover(self, rng: Rng, image: np.ndarray, mesh: np.ndarray, onto: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Something over the face; returns the layer, its mask and the covered image."""
        kind = rng.random()
        if kind < 0.45:
            out, mask = draw_glasses(rng, image, mesh)
            return out, (mask > 0).astype(np.float32), out
        found = self._fringe(rng, mesh, onto) if kind < 0.8 else None
        if found is None:
            crop = self.faces.crops[int(rng.integers(len(self.faces)))]
            layer = light(rng, np.roll(crop, int(rng.integers(self.size)), axis=1))
            mask = _blob(rng, self.size)
        else:
            layer, mask = light(rng, found[0], 0.5), found[1]
        return layer, mask, (image * (1 - mask[..., None]) + layer * mask[..., None]).astype(np.uint8)

    def _corrupted(self, rng: Rng, face: int, target: np.ndarray, lamp: Lamp | None) -> np.ndarray:
        """T': another face over T, under T's lamp and in T's light more often than not, under a random mask."""
        mesh = self.faces.meshes[face]
        other = self._other(rng, face, MAX_YAW_DIFFERENCE, bare=True)
        swapped = self.faces.warps[face](self.faces.crops[other], self.faces.meshes[other])
        swapped = swapped if lamp is None else lamp(swapped)
        swapped, _ = match_skin(swapped, target, skin_mask(mesh, self.size))
        if rng.random() < KEEPS_LIGHT:
            sigma = float(rng.uniform(*LOW_PASS)) * self.size / CROP_SIZE
            swapped = np.clip(swapped + _low_pass(target.astype(np.float32) - swapped, sigma), 0, 255).astype(np.uint8)
        mask = face_mask(mesh, self.size)
        if rng.random() < 0.35:  # a part only: a swap that failed here and there
            for _ in range(int(rng.integers(1, 4))):
                mask = mask * (1 - _blob(rng, self.size))
        mask = mask * (1 - self.coverings[face].astype(np.float32) / 255)
        return (target * (1 - mask[..., None]) + swapped * mask[..., None]).astype(np.uint8)

    def __call__(self, rng: Rng) -> dict[str, np.ndarray]:
        """One sample.

        Returns:
            `warped`, `target`, `truth` (view, view, 3) RGB uint8; `face`, `covered`, `known` (view, view) float32;
            `covered` where something lies over either face, `known` where that is certain; `paired` (1,);
            `source` (1,) index of the person in the result; `bare` (1,) whether neither face wears real glasses; `points`
            (5, 2) of the target in the crop.
        """
        faces = self.faces
        face = int(rng.integers(len(faces)))
        mesh, warp = faces.meshes[face], faces.warps[face]
        truth = light(rng, faces.crops[face], 0.6) if rng.random() < 0.4 else faces.crops[face]
        lamp = self.lamps(rng, face) if rng.random() < LAMPS[0] else None
        truth = truth if lamp is None else lamp(truth)
        covered = self.coverings[face].astype(np.float32) / 255
        # A face that wears glasses is no truth: they would come back from the source, as they never shall.
        paired = rng.random() >= UNPAIRED and self.glasses[face] == ""
        unknown = self.unknown[face]
        if paired:
            source = face
            target = truth if rng.random() < UNTOUCHED else self._corrupted(rng, face, truth, lamp)
            stop = self._other(rng, face, 28.0)
            away = faces.warps[stop](faces.crops[face], faces.meshes[face])
            source_mesh = faces.meshes[stop]
        else:
            source = self._other(rng, face, MAX_YAW_DIFFERENCE)
            target, away, source_mesh = truth, faces.crops[source], faces.meshes[source]
            hidden = warp(self.coverings[source], source_mesh).astype(np.float32) / 255
            covered = np.maximum(covered, hidden)
            unknown = np.maximum(unknown, warp(self.unknown[source], source_mesh))
        # As far off as the mesh network's points are, each by itself and all together.
        off = np.pad(rng.normal(0, 0.5, (468, 2)), ((0, 0), (0, 1))) + [*rng.normal(0, 0.8, 2), 0]
        warped = warp(photometric(rng, away, 0.6), (source_mesh + off * self.size / CROP_SIZE).astype(np.float32))
        if rng.random() < LAMPS[1]:
            warped = self.lamps(rng, face)(warped)
        if rng.random() < 0.55:  # over the target: it must stay
            layer, mask, target = self._cover(rng, target, mesh, face)
            truth = (truth * (1 - mask[..., None]) + layer * mask[..., None]).astype(np.uint8)
            covered = np.maximum(covered, mask)
        if rng.random() < 0.4:  # over the source: it must not travel
            _, mask, warped = self._cover(rng, warped, mesh, face)
            covered = np.maximum(covered, mask)
        known = 1 - (unknown > 127).astype(np.float32)
        return self._view(rng, mesh, warped, target, truth, covered, known) | {
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
        known: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """The sample's view: jittered like a detection, mirrored half of the time, colour-corrected like the product."""
        size = self.view
        scale = size / self.size
        shrink = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])
        matrix = compose(jittered(rng, size, 1.5, 0.03, 0.01), shrink)
        layers = (warped, target, truth, covered, known)
        moved = [cv2.warpAffine(i, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101) for i in layers]
        points = transform_points(mesh, matrix)
        face, skin = face_mask(points, size), skin_mask(points, size)
        five = five_points(points)
        if rng.random() < 0.5:
            moved, face, skin = [i[:, ::-1] for i in moved], face[:, ::-1], skin[:, ::-1]
            five = (five * [-1, 1] + [size - 1, 0])[_MIRRORED].astype(np.float32)
        warped, target, truth, covered, known = (np.ascontiguousarray(i) for i in moved)
        warped = match_light(warped, target, np.ascontiguousarray(skin))(warped)
        return {
            "warped": warped, "target": target, "truth": truth, "covered": covered, "known": known,
            "face": np.ascontiguousarray(face), "points": five,
        }  # fmt: skip
