"""Draws training samples of the face parser: labelled faces with glasses and things in front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from safetensors.torch import load_file

from facefusion.nets.segmentation import SpectaclesNet
from facefusion.perception.face_parts import FACE, FacePart
from facefusion.perception.spectacles import (
    CLEAR,
    COLUMNS,
    CROP_SIZE,
    ROWS,
    Spectacles,
    as_spectacles,
)
from facefusion.training.samples.augment import jittered, photometric
from facefusion.training.samples.covering_labels import glasses_kinds
from facefusion.training.samples.cut_hands import CutHands
from facefusion.training.samples.drawn_spectacles import draw_spectacles
from facefusion.training.samples.part_labels import HAIR_OR_CLOTH, IGNORED, beard_kinds, label_parts
from facefusion.training.samples.part_maps import PartMaps
from facefusion.training.samples.things import Things
from facefusion.training.tasks.spectacles import SpectaclesTask

#: Share of the samples with a thing in front of the face.
THINGS: Final = 0.55
#: Share of the faces without glasses that get drawn ones.
SPECTACLES: Final = 0.2
#: Share of the samples onto which another face's hair and hat are pasted.
PASTED: Final = 0.25
#: Standard deviations of turn in degrees, log scale, and shift as a share of the side.
JITTER: Final = (5.0, 0.06, 0.02)
#: Largest shift in pixels of pasted hair, to the side, upwards and downwards.
PASTED_SHIFT: Final = (14, 20, 34)
#: Least opacity at which a drawn frame hides the face.
OPAQUE: Final = 0.4


@dataclass(frozen=True)
class ParsedFaces:
    """Aligned crops with labels of their parts.

    Attributes:
        crops: (N, S, S, 3) RGB uint8.
        meshes: (N, 468, 3) in crop pixels.
        labels: (N, S, S) uint8, values of `FacePart` or `IGNORED`.
        glasses: (N,) bool, whether a face wears glasses.
        things: puts things in front of faces.
    """

    crops: np.ndarray
    meshes: np.ndarray
    labels: np.ndarray
    glasses: np.ndarray
    things: Things

    def sample(
        self, rng: np.random.Generator, things: float = THINGS
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws a sample.

        Args:
            rng: source of randomness.
            things: probability of a thing in front of the face.

        Returns:
            (S, S, 3) RGB uint8 and (S, S) uint8 labels.
        """
        face = int(rng.integers(len(self.crops)))
        image, labels = self.crops[face], self.labels[face]
        if rng.random() < PASTED:
            image, labels = self._paste_hair(rng, image, labels)
        if not self.glasses[face] and rng.random() < SPECTACLES:
            image, labels = self._draw_spectacles(rng, image, labels, self.meshes[face])
        if rng.random() < things:
            image, labels = self.things.put(rng, image, self.meshes[face], labels)
        return _moved(rng, photometric(rng, image), labels)

    def _paste_hair(
        self, rng: np.random.Generator, image: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Puts another face's hair and hat in front, moved a little."""
        other = int(rng.integers(len(self.crops)))
        side, up, down = PASTED_SHIFT
        move = np.array(
            [[1, 0, rng.uniform(-side, side)], [0, 1, rng.uniform(-up, down)]], np.float32
        )
        size = image.shape[1::-1]
        hair = self.labels[other].copy()
        hair[~np.isin(hair, (FacePart.HAIR, FacePart.CLOTH, HAIR_OR_CLOTH))] = IGNORED
        moved = cv2.warpAffine(
            hair, move, size, flags=cv2.INTER_NEAREST, borderValue=(IGNORED,) * 3
        )
        opacity = cv2.GaussianBlur((moved != IGNORED).astype(np.float32), (0, 0), 0.8)
        pasted = photometric(rng, self.crops[other], 0.4)
        pasted = cv2.warpAffine(pasted, move, size, borderMode=cv2.BORDER_REPLICATE)
        return (
            np.asarray(cv2.blendLinear(pasted, image, opacity, 1 - opacity)),
            np.where(moved != IGNORED, moved, labels),
        )

    def _draw_spectacles(
        self, rng: np.random.Generator, image: np.ndarray, labels: np.ndarray, mesh: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws spectacles in front of the face, behind hair."""
        reflected = self.crops[int(rng.integers(len(self.crops)))]
        drawn = draw_spectacles(rng, image, mesh, reflected)
        behind = ~np.isin(labels, (*FACE, FacePart.BACKGROUND))
        labels = labels.copy()
        labels[(drawn.lens > 0.5) & ~behind] = FacePart.DARK_GLASS
        labels[(drawn.lens > CLEAR) & (drawn.lens <= 0.5) & ~behind] = IGNORED
        labels[(drawn.frame > OPAQUE) & ~behind] = FacePart.FRAME
        return np.where(behind[..., None], image, drawn.image), labels


def labelled(
    maps: PartMaps, chosen: np.ndarray, net: SpectaclesNet
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels faces.

    Args:
        maps: the faces with the teachers' answers.
        chosen: (N,) bool, which of them to use; those on which the teachers fail are left out.
        net: finds the glasses of faces that wear any.

    Returns:
        Crops, meshes, labels and glasses, as in `ParsedFaces`.
    """
    beards, kinds = beard_kinds(maps.names), glasses_kinds(maps.names)
    used, labels = [], []
    for i in np.flatnonzero(chosen):
        glasses = _glasses(net, maps.crops[i]) if kinds[i] else None
        found = label_parts(maps.crops[i], maps.meshes[i], maps.maps[i], glasses, beards[i])
        if found is not None:
            used.append(i)
            labels.append(found)
    wears = np.array([bool(kinds[i]) for i in used])
    return maps.crops[used], maps.meshes[used], np.stack(labels), wears


def both_splits(files: Mapping[str, Path]) -> tuple[ParsedFaces, ParsedFaces]:
    """Loads and labels the faces of both splits.

    Images from which hands were cut are left out, as their labels do not show the hands.

    Args:
        files: `maps` (`PartMaps`), `hands` (`CutHands`), and `spectacles`, safetensors.
    """
    maps, hands = PartMaps.load(files["maps"]), CutHands.load(files["hands"])
    net = SpectaclesNet()
    net.load_state_dict(load_file(files["spectacles"]))
    net.eval()
    train, val = (_split(maps, hands, net, is_val=is_val) for is_val in (False, True))
    return train, val


def _split(maps: PartMaps, hands: CutHands, net: SpectaclesNet, *, is_val: bool) -> ParsedFaces:
    chosen = (maps.is_val == is_val) & ~np.isin(maps.names, hands.names)
    crops, meshes, labels, wears = labelled(maps, chosen, net)
    things = Things(crops, labels, hands.hands[hands.is_val == is_val], held_out=is_val)
    return ParsedFaces(crops, meshes, labels, wears, things)


def _glasses(net: SpectaclesNet, crop: np.ndarray) -> Spectacles | None:
    """Finds glasses in an aligned crop."""
    side = (CROP_SIZE, CROP_SIZE)
    eyes = cv2.resize(crop, side, interpolation=cv2.INTER_AREA)[None, ROWS, COLUMNS]
    return as_spectacles(SpectaclesTask.predict(net, eyes)[0])


def _moved(
    rng: np.random.Generator, image: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turns, scales, shifts and mirrors a sample."""
    size = image.shape[0]
    matrix = jittered(rng, size, *JITTER)
    image = cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)
    labels = cv2.warpAffine(
        labels, matrix, (size, size), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101
    )
    if rng.random() < 0.5:
        image, labels = image[:, ::-1], labels[:, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(labels)
