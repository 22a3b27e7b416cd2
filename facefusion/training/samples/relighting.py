"""Simulates light on faces from the mesh's normals: side lamps, hard shadow edges, gloss.

Source and target are usually lit differently. The same portrait under two lamps gives training
pairs with a known truth. Lambert's law for diffuse light, Blinn-Phong (SIGGRAPH 1977) for gloss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from scipy.spatial import Delaunay

from facefusion.training.samples.data import AlignedFaces

Rng = np.random.Generator

#: Side in pixels at which light is computed, then enlarged to the crop's.
LIGHT_SIZE: Final = 96
#: Least factor of light, in the deepest shade.
DARKEST: Final = 0.08


def mesh_normals(meshes: np.ndarray) -> np.ndarray:
    """Computes the normals at the mesh points, towards the viewer.

    Args:
        meshes: (N, 468, 3) in pixels, x right, y down, z away from the viewer.

    Returns:
        (N, 468, 2) float32, the x and y of unit vectors.
    """
    triangles = Delaunay(meshes.mean(0)[:, :2]).simplices
    corners = meshes[:, triangles]  # (N, T, 3, 3)
    faces = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    faces *= -np.sign(faces[..., 2:].mean(0, keepdims=True))  # z is negative towards the viewer
    normals = np.zeros_like(meshes, dtype=np.float64)
    for corner in range(3):
        for axis in range(3):
            np.add.at(normals[..., axis].T, triangles[:, corner], faces[..., axis].T)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    return normals[..., :2].astype(np.float32)


@dataclass(frozen=True)
class Lamp:
    """Light to apply to any image of one view.

    Attributes:
        gain: (s, s, 3) float32 factors.
        shine: (s, s, 3) float32 gloss in levels, to be added.
    """

    gain: np.ndarray
    shine: np.ndarray

    @classmethod
    def draw(cls, rng: Rng, normals: np.ndarray) -> Self:
        """Draws a random lamp.

        Args:
            rng: source of randomness.
            normals: (s, s, 2) float32, x and y of the surface's normals.
        """
        angle, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.95)
        sideways = np.sqrt(1 - height**2)
        light = np.array([sideways * np.cos(angle), 0.7 * sideways * np.sin(angle), height])
        light /= np.linalg.norm(light)
        length = np.linalg.norm(normals, axis=-1)
        unit_xy = normals / np.maximum(length, 1.0)[..., None]
        unit_z = np.sqrt(np.maximum(1 - (unit_xy**2).sum(-1), 0))
        cosine = unit_xy @ light[:2] + unit_z * light[2]
        if rng.random() < 0.5:  # a hard edge, as of a cast shadow
            diffuse = 1 / (1 + np.exp(-(cosine - rng.uniform(0.1, 0.7)) / rng.uniform(0.02, 0.2)))
        else:
            diffuse = np.clip(cosine, 0, 1)
        depth = rng.uniform(0.3, 1 - DARKEST)
        colour = np.clip(1 + rng.uniform(0, 0.35) * rng.normal(0, 0.5, 3), 0.5, 1.5)
        gain = 1 - depth + depth * diffuse[..., None] * colour
        inside = length < 0.95
        gain /= max(float(gain[inside].mean() if inside.any() else gain.mean()), 0.1)
        halfway = light + [0, 0, 1]
        halfway /= np.linalg.norm(halfway)
        gloss = np.clip(unit_xy @ halfway[:2] + unit_z * halfway[2], 0, 1) ** rng.uniform(8, 60)
        strength = rng.uniform(0, 120) if rng.random() < 0.5 else 0.0
        shine = strength * gloss[..., None] * colour
        return cls(gain.astype(np.float32), shine.astype(np.float32))

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Lights `image` (S, S, 3) RGB uint8 with this lamp."""
        size = image.shape[1::-1]
        gain, shine = (
            cv2.resize(layer, size, interpolation=cv2.INTER_LINEAR)
            for layer in (self.gain, self.shine)
        )
        # Light scales intensities; a photo's levels are about their square root.
        return np.clip(image * np.sqrt(gain) + shine, 0, 255).astype(np.uint8)


class Lamps:
    """Draws lamps for the faces of a set."""

    def __init__(self, faces: AlignedFaces) -> None:
        self.faces, self.normals = faces, mesh_normals(faces.meshes)

    def __call__(self, rng: Rng, face: int) -> Lamp:
        """Draws a lamp for images on the mesh of `face`."""
        return Lamp.draw(rng, self.faces.warps[face].spread(self.normals[face], LIGHT_SIZE))
