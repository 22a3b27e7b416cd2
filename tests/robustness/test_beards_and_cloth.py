"""A beard is one person's as a whole, and a headcloth of the source stays behind.

Beards and cloth are drawn onto the examples.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facefusion import FusionPipeline
from facefusion.geometry.mask import fill_points, grown, outline
from facefusion.geometry.topology import LEFT_BROW, OUTER_LIPS, RIGHT_BROW
from facefusion.images.reading import read_photo
from facefusion.perception.in_front import MOUTH_CORNERS, NOSTRILS
from facefusion.types import Flaw, Kept

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: Colour of a beard in RGB, and the deviation of its strands from it.
HAIR, STRANDS = (45, 35, 30), 0.45
#: Colours of a headcloth's pattern.
CLOTH = ((235, 235, 240), (190, 30, 45))


def photo_of(name: str) -> np.ndarray:
    return read_photo(EXAMPLES / name, "target")


def mesh_of(pipeline: FusionPipeline, photo: np.ndarray) -> np.ndarray:
    return pipeline.find_faces(photo)[0].mesh


def filled(shape: tuple[int, ...], *polygons: tuple[np.ndarray, int]) -> np.ndarray:
    mask = np.zeros(shape[:2], np.uint8)
    for points, value in polygons:
        fill_points(mask, points, value)
    return mask


def bearded(photo: np.ndarray, mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws a full beard.

    Returns:
        The photo with it; (H, W) bool, where it is.
    """
    size, rng = float(np.ptp(mesh[:, 1])), np.random.default_rng(0)
    lips = grown(mesh[list(OUTER_LIPS), :2], 0.1)
    beard = filled(photo.shape, (outline(mesh, 0.06), 255), (lips, 0))
    beard[: round(float(mesh[list(NOSTRILS), 1].mean()))] = 0
    opacity = cv2.GaussianBlur(beard, (0, 0), size / 60)[..., None] / 255
    noise = rng.normal(size=photo.shape[:2])
    strands = cv2.GaussianBlur(noise, (0, 0), sigmaX=size / 300, sigmaY=size / 60)
    colour = np.array(HAIR) * (1 + STRANDS * (strands / strands.std())[..., None])
    mixed = photo * (1 - opacity) + np.clip(colour, 0, 255) * opacity
    return mixed.astype(np.uint8), beard > 0


def jaw(mesh: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool, cheeks and chin below the mouth, inside of the soft edge of a new face."""
    lips = grown(mesh[list(OUTER_LIPS), :2], 0.4)
    mask = filled(shape, (outline(mesh, -0.12), 1), (lips, 0))
    mask[: round(float(mesh[list(MOUTH_CORNERS), 1].mean()))] = 0
    return mask > 0


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(float) - b).mean(2)


@pytest.mark.parametrize("target", ["portrait-2.jpg", "ready/target-4.jpg"])
def test_a_beard_of_the_target_stays_whole(pipeline: FusionPipeline, target: str) -> None:
    plain = photo_of(target)
    photo, beard = bearded(plain, mesh_of(pipeline, plain))
    result = pipeline(photo_of("portrait-3.jpg"), photo, tier="best")
    assert Kept.BEARD in result.kept
    changed = apart(result.image, photo)
    assert changed[beard].mean() < 1 and np.quantile(changed[beard], 0.99) < 20
    assert changed[result.mask > 0.9].mean() > 5  # above it there is another face


@pytest.mark.parametrize("target", ["portrait-2.jpg", "ready/target-4.jpg"])
def test_a_beard_of_the_source_goes_onto_a_smooth_face_as_a_whole(
    pipeline: FusionPipeline, target: str
) -> None:
    plain, photo = photo_of("ready/target-2.jpg"), photo_of(target)
    source, _ = bearded(plain, mesh_of(pipeline, plain))
    result = pipeline(source, photo, tier="best")
    assert Kept.BEARD not in result.kept and Flaw.LIGHT not in result.flaws
    place = jaw(result.target_face.mesh, photo.shape)
    assert np.quantile(result.mask[place], 0.05) > 0.8
    light = result.image[place].mean(1) / photo[place].mean()
    assert light.mean() < 0.5 and np.quantile(light, 0.9) < 0.75  # no patch of skin in it


@pytest.mark.parametrize("source", ["ready/face-2.jpg", "portrait-3.jpg"])
def test_a_headcloth_of_the_source_stays_behind(pipeline: FusionPipeline, source: str) -> None:
    bare, photo = photo_of(source), photo_of("portrait-2.jpg")
    mesh = mesh_of(pipeline, bare)
    face = grown(outline(mesh, -0.1), np.array([-0.12, 0]))
    around = filled(bare.shape, (outline(mesh, 0.75), 255), (face, 0))
    brows = round(float(mesh[list(LEFT_BROW + RIGHT_BROW), 1].min() - 0.03 * np.ptp(mesh[:, 1])))
    around[:brows] = filled(bare.shape, (outline(mesh, 0.75), 255))[:brows]
    spots = np.random.default_rng(0).normal(size=bare.shape[:2])
    pattern = cv2.GaussianBlur(spots, (0, 0), float(np.ptp(mesh[:, 1])) / 60)[..., None] > 0
    opacity = cv2.GaussianBlur(around, (0, 0), 1.5)[..., None] / 255
    cloth = np.where(pattern, *(np.array(colour) for colour in CLOTH))
    worn = (bare * (1 - opacity) + cloth * opacity).astype(np.uint8)

    def redness(image: np.ndarray) -> np.ndarray:
        return image[..., 0].astype(float) - image[..., 1]

    found = pipeline(worn, photo, tier="best")
    new = found.mask > 0.05
    redder = redness(found.image)[new] - redness(photo)[new]
    assert np.quantile(redder, 0.98) < 45  # the cloth: 160
    forehead = new.copy()
    forehead[round(float(mesh_of(pipeline, photo)[list(LEFT_BROW), 1].min())) :] = False
    lighter = found.image[forehead].mean(1) - photo[forehead].mean(1)
    assert np.quantile(lighter, 0.99) < 40
