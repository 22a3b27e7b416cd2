"""A new face belongs to its photo: its colours, its light, its grain and sharpness, and the hair in
front of it.

Each step is also switched off, to see that it is what makes the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facefusion import FusionPipeline, FusionResult
from facefusion.evaluation.degradations import add_noise, blur, skin_energies
from facefusion.evaluation.realism import energies, skin
from facefusion.geometry.topology import LEFT_BROW, OVAL, RIGHT_BROW
from facefusion.pipeline.steps import Steps

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Fuse = Callable[..., FusionResult]
GREY = np.linspace(0, 1, 256)
#: RGB in [0, 1] by grey level: the curves of monochrome photos.
CURVES = {
    "grey": np.stack([GREY, GREY, GREY], 1),
    "sepia": np.clip(np.stack([1.07 * GREY, 0.86 * GREY, 0.62 * GREY], 1), 0, 1),
    "duotone": np.stack([0.1 + 0.85 * GREY**0.8, 0.05 + 0.8 * GREY**1.2, 0.35 + 0.45 * GREY], 1),
}
#: Standard deviations in pixels whose differences are the two octaves that are compared.
OCTAVES = (0.0, 1.0, 2.0)
#: Colour and opacity of drawn strands.
STRAND, OPACITY = (45, 32, 26), 0.75


def portrait(number: int) -> np.ndarray:
    """(768, 768, 3) RGB uint8, a face of about 340 px with a bare forehead."""
    return np.asarray(Image.open(EXAMPLES / f"portrait-{number}.jpg").convert("RGB"))


@pytest.fixture
def fuse(pipeline: FusionPipeline) -> Fuse:
    """Fuses a source and a target with some steps switched off."""

    def fuse(source: np.ndarray, target: np.ndarray, *off: str) -> FusionResult:
        return pipeline.with_steps(Steps().without(*off))(source, target, tier="best")

    return fuse


def test_a_grey_photo_gets_a_grey_face(fuse: Fuse) -> None:
    target = cv2.cvtColor(cv2.cvtColor(portrait(4), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    result = fuse(portrait(3), target)
    for image in (result.image, result.coarse):
        assert np.ptp(image, axis=2).max() <= 1
    coloured = fuse(portrait(3), target, "monochrome")
    for image in (coloured.image, coloured.coarse):
        assert np.ptp(image, axis=2).max() > 20


@pytest.mark.parametrize("curve", ["sepia", "duotone"])
@pytest.mark.parametrize(("source", "target"), [(3, 4), (4, 1)])
def test_a_toned_photo_gets_a_face_on_its_curve(
    fuse: Fuse, curve: str, source: int, target: int
) -> None:
    table = np.rint(255 * CURVES[curve]).astype(np.uint8)
    toned = table[cv2.cvtColor(portrait(target), cv2.COLOR_RGB2GRAY)]

    def off_curve(result: FusionResult, image: np.ndarray) -> float:
        """Mean distance of the new face's colours from the nearest of the curve, in levels."""
        colours = image[result.mask > 0.5][::7].astype(int)
        return float(np.abs(colours[:, None] - table[None].astype(int)).max(2).min(1).mean())

    result, free = fuse(portrait(source), toned), fuse(portrait(source), toned, "monochrome")
    for with_step, without in (
        (off_curve(result, result.image), off_curve(free, free.image)),
        (off_curve(result, result.coarse), off_curve(free, free.coarse)),
    ):
        assert with_step < 1.5 and without > 3


def at_night(number: int) -> np.ndarray:
    """A portrait at a sixth of its light, with noise."""
    photo = portrait(number)
    noise = np.random.default_rng(0).normal(0, 3, photo.shape)
    return np.clip(photo / 6 + noise + 0.5, 0, 255).astype(np.uint8)


def measured_skin(result: FusionResult) -> np.ndarray:
    """(H, W) bool, skin of the target's face that was replaced."""
    return skin(result.target_face.mesh, result.mask.shape) * result.mask > 0.9


@pytest.mark.parametrize(("source", "target"), [(3, 4), (4, 1), (2, 3)])
def test_a_photo_at_night_keeps_its_light(fuse: Fuse, source: int, target: int) -> None:
    night = at_night(target)
    result = fuse(portrait(source), night)
    place = measured_skin(result)
    own, new = night[place].mean(0), result.image[place].mean(0)
    assert new.mean() == pytest.approx(own.mean(), rel=0.15)
    for one, other in ((0, 1), (1, 2), (0, 2)):  # differences of channels: chroma
        assert new[one] - new[other] == pytest.approx(own[one] - own[other], abs=3)
    reds = [float(np.quantile(image[..., 0][place], 0.99)) for image in (night, result.image)]
    assert reds[1] < 1.5 * reds[0]


def test_a_dark_face_would_be_too_bright_without_its_exposure(fuse: Fuse) -> None:
    night = at_night(4)
    result, plain = fuse(portrait(3), night), fuse(portrait(3), night, "exposure")
    place = measured_skin(result)
    brighter, without = (
        float(each.image[place].mean() / night[place].mean()) - 1 for each in (result, plain)
    )
    assert abs(brighter) < 0.1 and without > 0.15
    reds = [float(np.quantile(each.image[..., 0][place], 0.99)) for each in (result, plain)]
    assert reds[0] < reds[1]


@pytest.mark.parametrize(("source", "target"), [(3, 4), (1, 3)])
def test_noise_and_blur_are_the_photos_own(fuse: Fuse, source: int, target: int) -> None:
    def ratios(photo: np.ndarray, *off: str) -> np.ndarray:
        """Energies of the new face's skin below 1 px and from 1 to 2 px, over those of the target's
        own.
        """
        result = fuse(portrait(source), photo, *off)
        return skin_energies(photo, result.image, result.mask, result.target_face.mesh).ratios[-2:]

    grainy, soft = add_noise(portrait(target), 3, 25), blur(portrait(target), 3)
    for photo in (grainy, soft):
        found = ratios(photo)
        assert found.min() > 0.7 and found.max() < 1.3
    assert ratios(grainy, "grain").max() < 0.6
    assert ratios(soft, "sharpness").min() > 1.6


def strands(photo: np.ndarray, mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws four bent strands from above the forehead down to the brows.

    Returns:
        (H, W, 3) RGB uint8 with them; (H, W) bool, where they are.
    """
    height, (x, top) = float(np.ptp(mesh[:, 1])), mesh[10, :2]
    along = np.linspace(0, 1, 30)
    y = (1 - along) * (top - 0.18 * height) + along * (_brows(mesh) - 0.02 * height)
    drawn = np.zeros(photo.shape[:2], np.uint8)
    for across in (-0.2, -0.07, 0.07, 0.2):
        bent = x + height * (across + 0.05 * np.sin(3 * along + 20 * across))
        line = np.rint(8 * np.stack([bent, y], 1)).astype(np.int32)
        cv2.polylines(drawn, [line], False, 255, round(0.015 * height), cv2.LINE_AA, 3)
    share = OPACITY * drawn[..., None] / 255
    return (photo * (1 - share) + np.array(STRAND) * share + 0.5).astype(np.uint8), drawn > 64


def _brows(mesh: np.ndarray) -> float:
    return float(mesh[list(LEFT_BROW + RIGHT_BROW), 1].min())


def forehead(mesh: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool, between the mesh's upper edge and the brows."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(mesh[list(OVAL), :2]).astype(np.int32)], 1)
    mask[int(_brows(mesh) - 0.02 * np.ptp(mesh[:, 1])) :] = 0
    return mask > 0


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(float) - b).mean(2)


@pytest.mark.parametrize(("source", "target"), [(3, 4), (4, 1), (4, 3)])
def test_strands_of_the_source_stay_behind(
    pipeline: FusionPipeline, fuse: Fuse, source: int, target: int
) -> None:
    bare, photo = portrait(source), portrait(target)
    mesh = pipeline.find_faces(bare)[0].mesh
    hung, drawn = strands(bare, mesh)
    contrast = apart(hung, bare)[drawn & forehead(mesh, bare.shape)].mean()
    assert contrast > 50

    def carried(*off: str) -> np.ndarray:
        """(N,) levels by which the strands show: where the photo's own forehead stays they do not."""
        without, with_them = fuse(bare, photo, *off), fuse(hung, photo, *off)
        place = forehead(without.target_face.mesh, photo.shape) & (without.mask > 0.5)
        change = apart(with_them.image, without.image), apart(with_them.image, photo)
        return np.minimum(*change)[place]

    found, left = carried(), carried("hairline")
    assert found.mean() < 0.1 * contrast and np.quantile(found, 0.99) < 0.4 * contrast
    assert np.quantile(left, 0.99) > 0.5 * contrast


@pytest.mark.parametrize(("source", "target"), [(3, 4), (4, 1), (4, 3)])
def test_strands_of_the_target_stay_in_front(
    pipeline: FusionPipeline, fuse: Fuse, source: int, target: int
) -> None:
    photo = portrait(target)
    mesh = pipeline.find_faces(photo)[0].mesh
    hung, drawn = strands(photo, mesh)
    plain, found, gone = (
        fuse(portrait(source), photo), fuse(portrait(source), hung), fuse(portrait(source), hung, "strands")
    )  # fmt: skip
    seen = (plain.mask > 0.5) & (found.mask > 0.5)
    there = drawn & forehead(mesh, photo.shape) & seen

    def darker(with_them: np.ndarray, without: np.ndarray) -> float:
        """Share of the light that the strands take."""
        return 1 - float(with_them[there].mean() / without[there].mean())

    own = darker(hung, photo)
    assert own > 0.4 and darker(found.image, plain.image) == pytest.approx(own, rel=0.15)
    assert darker(gone.image, plain.image) < 0.4 * own
    beside = seen & (cv2.dilate(drawn.astype(np.uint8), np.ones((25, 25))) == 0)
    assert apart(found.image, plain.image)[beside].mean() < 5
    bare_skin = (skin(mesh, photo.shape) * beside).astype(np.float32)
    ratios = energies(found.image, bare_skin, OCTAVES) / energies(plain.image, bare_skin, OCTAVES)
    assert ratios.min() > 0.7 and ratios.max() < 1.3  # strands are no texture of the skin
