"""Puts things in front of faces: drawn shapes with textures, hands, and other people's heads."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facefusion.perception.face_parts import FACE, FacePart
from facefusion.training.samples import drawn_things as drawn
from facefusion.training.samples.augment import photometric

Rng = np.random.Generator

#: Shapes in training, with the class of what they show and their odds.
TRAINING: Final = (
    (drawn.face_mask, FacePart.CLOTH, 4.0),
    (drawn.scarf, FacePart.CLOTH, 1.5),
    (drawn.hat, FacePart.CLOTH, 3.0),
    (drawn.hood, FacePart.CLOTH, 1.5),
    (drawn.microphone, FacePart.THING, 3.0),
    (drawn.box, FacePart.THING, 3.0),
    (drawn.blob, FacePart.THING, 3.0),
    (drawn.leaves, FacePart.THING, 1.0),
    (drawn.bars, FacePart.THING, 1.0),
    (drawn.text, FacePart.THING, 1.0),
    (drawn.fingers, FacePart.HAND, 3.0),
    (None, FacePart.HAND, 5.0),  # a cut-out hand
    (None, FacePart.THING, 3.0),  # another head
)
#: Shapes that training never shows; hands and heads are of the val split.
HELD_OUT: Final = (
    (drawn.pointed_mask, FacePart.CLOTH, 3.0),
    (drawn.rod, FacePart.THING, 2.0),
    (drawn.bottle, FacePart.THING, 2.0),
    (drawn.feathers, FacePart.THING, 1.0),
    (drawn.wires, FacePart.THING, 1.0),
    (None, FacePart.HAND, 4.0),
    (None, FacePart.THING, 3.0),
)
#: Least opacity at which a thing hides the face.
OPAQUE: Final = 0.5
#: Share of things with a shadow beside them.
SHADOWS: Final = 0.5
#: Lightness of cloth masks in RGB, drawn more often than other colours: white, blue, black, grey.
MASK_COLOURS: Final = ((235, 238, 240), (130, 180, 215), (25, 25, 28), (120, 120, 125))
#: Standard deviation in pixels of a cut-out's edge.
EDGE: Final = 0.7


class Things:
    """Source of things.

    Args:
        faces: (N, S, S, 3) RGB uint8 aligned crops, for textures and heads.
        labels: (N, S, S) uint8 of `FacePart` of the same crops.
        hands: (M, R, R, 4) uint8, cut-out hands in RGB and opacity.
        held_out: draw only kinds that training never shows.
    """

    def __init__(
        self, faces: np.ndarray, labels: np.ndarray, hands: np.ndarray, *, held_out: bool = False
    ) -> None:
        self.faces, self.labels, self.hands = faces, labels, hands
        self.kinds = HELD_OUT if held_out else TRAINING
        odds = np.array([each[2] for each in self.kinds])
        self.odds = odds / odds.sum()

    def put(
        self, rng: Rng, image: np.ndarray, mesh: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Puts a thing in front of a face.

        Args:
            rng: source of randomness.
            image: (S, S, 3) RGB uint8 aligned crop.
            mesh: (468, 3) in its pixels.
            labels: (S, S) uint8 of `FacePart`.

        Returns:
            The image and its labels with the thing.
        """
        shape, part, _ = self.kinds[int(rng.choice(len(self.kinds), p=self.odds))]
        if shape is None and part == FacePart.HAND and len(self.hands):
            colour, opacity = self._hand(rng, mesh, image.shape[0])
        elif shape is None:
            part = FacePart.THING
            colour, opacity = self._head(rng, image.shape[0])
        else:
            opacity = shape(rng, mesh, image.shape[0])
            colour = self._texture(rng, image, mesh, part)
            if part == FacePart.CLOTH and rng.random() < 0.1:
                opacity = opacity * np.float32(rng.uniform(0.55, 0.9))  # a veil
        if rng.random() < SHADOWS:
            image = _shaded(rng, image, opacity)
        opacity = cv2.GaussianBlur(opacity, (0, 0), float(rng.uniform(0.3, 1.2)))
        return (
            np.asarray(cv2.blendLinear(colour, image, opacity, 1 - opacity)),
            np.where(opacity > OPAQUE, np.uint8(part), labels),
        )

    def _texture(self, rng: Rng, image: np.ndarray, mesh: np.ndarray, part: FacePart) -> np.ndarray:
        """Draws the surface of a thing: (S, S, 3) RGB uint8."""
        size = image.shape[0]
        if part == FacePart.HAND or (part == FacePart.THING and rng.random() < 0.15):
            skin = image[_inside(mesh[[50, 280, 205, 425][int(rng.integers(4))], :2], size)]
            colour = skin * np.exp(rng.normal(0, 0.12)) + rng.normal(0, 4, 3)
        elif part == FacePart.CLOTH and rng.random() < 0.5:
            chosen = MASK_COLOURS[int(rng.integers(len(MASK_COLOURS)))]
            colour = np.array(chosen) * np.exp(rng.normal(0, 0.1)) + rng.normal(0, 8, 3)
        else:
            colour = rng.uniform(0, 255, 3)
        plain = np.full((size, size, 3), np.clip(colour, 0, 255), np.float32)
        kind = rng.random()
        if kind < 0.35 and part != FacePart.HAND:
            plain = self._patch(rng, size).astype(np.float32) * 0.7 + plain * 0.3
        elif kind < 0.5 and part != FacePart.HAND:
            plain = _pattern(rng, plain)
        return _lit(rng, plain)

    def _patch(self, rng: Rng, size: int) -> np.ndarray:
        """Cuts a texture from a photo's corner or hair, enlarged: (S, S, 3) RGB uint8."""
        photo = self.faces[int(rng.integers(len(self.faces)))]
        side = int(rng.integers(24, 72))
        top = int(rng.integers(size - side)) if rng.random() < 0.5 else size - side
        left = int(rng.choice([0, size - side]))
        patch = photo[top : top + side, left : left + side]
        return np.asarray(cv2.resize(patch, (size, size), interpolation=cv2.INTER_CUBIC))

    def _head(self, rng: Rng, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws another person's head, moved aside: its image and opacity."""
        other = int(rng.integers(len(self.faces)))
        keep = (*FACE, FacePart.HAIR, FacePart.CLOTH, FacePart.FRAME, FacePart.DARK_GLASS)
        opacity = np.isin(self.labels[other], keep).astype(np.float32)
        scale, angle = float(np.exp(rng.normal(0, 0.25))), float(rng.normal(0, 12))
        matrix = cv2.getRotationMatrix2D((size / 2, size / 2), angle, scale)
        side = rng.choice([-1, 1])
        matrix[:, 2] += size * np.array([side * rng.uniform(0.3, 0.65), rng.normal(0.05, 0.2)])
        image = photometric(rng, self.faces[other], 0.5)
        moved = cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
        shown = cv2.warpAffine(opacity, matrix, (size, size))
        return moved, cv2.GaussianBlur(shown, (0, 0), EDGE)

    def _hand(self, rng: Rng, mesh: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws a cut-out hand over a part of the face: its image and opacity."""
        hand = self.hands[int(rng.integers(len(self.hands)))]
        if rng.random() < 0.5:
            hand = hand[:, ::-1]
        side = hand.shape[0]
        wanted = float(np.ptp(mesh[:, 1])) * rng.uniform(0.6, 1.25)
        matrix = cv2.getRotationMatrix2D(
            (side / 2, side / 2), float(rng.normal(0, 35)), wanted / side
        )
        at = mesh[int(rng.integers(len(mesh))), :2] + rng.normal(0, 0.12, 2) * size
        matrix[:, 2] += at - side / 2
        moved = cv2.warpAffine(np.ascontiguousarray(hand), matrix, (size, size))
        colour = photometric(rng, np.ascontiguousarray(moved[..., :3]), 0.7)
        return colour, moved[..., 3].astype(np.float32) / 255


def _inside(point: np.ndarray, size: int) -> tuple[int, int]:
    """Returns row and column of a point, inside of the image."""
    x, y = np.clip(np.round(point), 0, size - 1).astype(int)
    return int(y), int(x)


def _shaded(rng: Rng, image: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Darkens the image beside a thing."""
    move = np.array([[1, 0, rng.normal(0, 5)], [0, 1, rng.uniform(-2, 9)]], np.float32)
    shadow = cv2.GaussianBlur(
        cv2.warpAffine(opacity, move, opacity.shape[::-1]), (0, 0), float(rng.uniform(2, 7))
    )
    return (image * (1 - rng.uniform(0.1, 0.5) * shadow[..., None])).astype(np.uint8)


def _smooth_noise(rng: Rng, size: int, cells: int) -> np.ndarray:
    """Draws smooth noise (S, S, 1) float32 of mean 0 and standard deviation of about 1."""
    noise = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC))[..., None]


def _pattern(rng: Rng, plain: np.ndarray) -> np.ndarray:
    """Lays stripes, checks or dots over a surface (S, S, 3) float32."""
    size = plain.shape[0]
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 30)
    along = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
    if rng.random() < 0.5:
        along = along * np.sin(2 * np.pi * (y * np.cos(angle) - x * np.sin(angle)) / period)
    other = rng.uniform(0, 255, 3).astype(np.float32)
    return np.where((along > rng.uniform(-0.3, 0.5))[..., None], other, plain)


def _lit(rng: Rng, surface: np.ndarray) -> np.ndarray:
    """Gives a surface (S, S, 3) float32 folds, light from one side, and noise: RGB uint8."""
    size = surface.shape[0]
    y, x = (np.mgrid[:size, :size].astype(np.float32) / size - 0.5)[..., None]
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 0.7) * (x * np.cos(angle) + y * np.sin(angle))
    light = light + rng.uniform(0, 0.15) * _smooth_noise(rng, size, int(rng.integers(3, 14)))
    noise = np.empty(surface.shape, np.float32)
    cv2.setRNGSeed(int(rng.integers(1 << 31)))
    cv2.randn(noise, 0, float(rng.uniform(0, 8)))
    return np.clip(surface * light + noise, 0, 255).astype(np.uint8)
