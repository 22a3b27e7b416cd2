"""A pair through the tensor sampler's scene gives the networks what serving gives them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from facefusion import FusionPipeline
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    rescale_transform,
    transform_points,
)
from facefusion.geometry.slits import SLITS, slit_window
from facefusion.perception.coverings import Coverings
from facefusion.pipeline.alignment import AlignedPair
from facefusion.tiers import Tier
from facefusion.training.samples.data import FaceImage
from facefusion.training.tensors import pack
from facefusion.training.tensors.draws import Draws
from facefusion.training.tensors.faces import PackedFaces
from facefusion.training.tensors.scenes import Scenes
from facefusion.training.tensors.views import Views
from tests.unit.conftest import EXAMPLES, bare_face

CPU = torch.device("cpu")
#: Side of the coarse network's input in pixels.
SIDE = 128
#: Standard deviation in pixels of the Gaussian before differences of warped faces: packed crops are
#: resampled once more than photos, which alone changes fine texture by up to 1.4 levels.
TEXTURE = 1.0
#: Places in `faces`: at dusk, in grey, drawn, either half in deep shadow, a thing over a cheek,
#: background past a cheek.
DUSK, GREY, DRAWN, LEFT_SHADED, RIGHT_SHADED, HIDDEN, PAST = 4, 5, 6, 7, 8, 9, 10
#: Those of which serving shows a mirror image.
MIRRORED = (LEFT_SHADED, RIGHT_SHADED, HIDDEN)
#: Source and target: expressions both ways, unusual light on either side, an open mouth.
PAIRS = [
    (0, 1),
    (1, 0),
    (2, 3),
    (3, 2),
    (DRAWN, 0),
    (0, DRAWN),
    (1, DUSK),
    (0, GREY),
    (DUSK, 2),
    (GREY, 3),
    (LEFT_SHADED, 1),
    (RIGHT_SHADED, 1),
    (HIDDEN, 0),
    (PAST, 2),
]
#: The thing over the cheek of HIDDEN, in the 192 px crop.
THING = np.s_[90:125, 50:85]
#: The background past the cheek of PAST, in the 192 px crop.
BACKGROUND = np.s_[95:125, 40:60]


@pytest.fixture(scope="module")
def faces(pipeline: FusionPipeline, make_mesh: Any, make_photo: Any) -> list[FaceImage]:
    """Portraits of the packed size; the drawn face's mouth is open."""
    photos, meshes = [], []
    for path in sorted(EXAMPLES.glob("portrait-*.jpg")):
        photo = np.asarray(Image.open(path).convert("RGB"))
        mesh = pipeline.networks.mesh(photo, pipeline.networks.detector(photo)[0]).mesh
        matrix = mesh_crop_transform(mesh, FUSION_FACE_SHARE, SIDE)
        matrix = rescale_transform(matrix, pack.CROP / SIDE)
        photos.append(crop_photo(photo, matrix, pack.CROP))
        meshes.append(transform_points(mesh, matrix))
    dusk = np.rint(photos[0] * (0.3, 0.25, 0.25)).astype(np.uint8)
    grey = np.repeat(photos[1].mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
    left, right = (photos[0].copy() for _ in range(2))
    nose = round(float(meshes[0][4, 0]))
    for half in (left[:, :nose], right[:, nose:]):
        half[:] = np.rint(0.15 * half)
    behind, past = photos[2].copy(), photos[3].copy()
    for photo, place in ((behind, THING), (past, BACKGROUND)):
        rows, columns = (
            slice(*(round(pack.CROP / 192 * end) for end in (a.start, a.stop))) for a in place
        )
        photo[rows, columns] = (40, 160, 60)
    photos += [dusk, grey, make_photo(400, 400), left, right, behind, past]
    meshes += [meshes[0], meshes[1], make_mesh((200, 205), 240, mouth_open=True)]
    meshes += [meshes[0], meshes[0], meshes[2], meshes[3]]
    return [
        FaceImage(photo, mesh, 0.0, f"{i}.png", 1)
        for i, (photo, mesh) in enumerate(zip(photos, meshes, strict=True))
    ]


def _coverings(number: int) -> Coverings:
    """Returns what lies over a face of `faces`."""
    things, background = (np.zeros((192, 192), np.float32) for _ in range(2))
    things[THING] = number == HIDDEN
    background[BACKGROUND] = 1
    return replace(bare_face(), things=things, background=background if number == PAST else None)


@pytest.fixture(scope="module")
def packed(faces: list[FaceImage], tmp_path_factory: pytest.TempPathFactory) -> PackedFaces:
    """The faces, packed without loss."""
    out: Path = tmp_path_factory.mktemp("pack") / "pack.npz"
    found = [_coverings(number) for number in range(len(faces))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack, "networks", lambda folder: (lambda x: torch.ones(len(x), 128), None))
        patch.setattr(pack, "find_coverings", lambda net, aligned: found)
        patch.setattr(pack, "load_faces", lambda root, split: faces)
        patch.setattr(pack, "QUALITY", 101)
        pack.pack(out, out, out)
    return PackedFaces.load(out, "train", CPU, (256,), threads=1)


def _difference(found: torch.Tensor, expected: np.ndarray, sigma: float = 0.0) -> np.ndarray:
    """Returns the absolute difference of images in levels, (S, S)."""
    signed = np.asarray(255 * found.permute(1, 2, 0).numpy() - expected, np.float32)
    if sigma:
        signed = cv2.GaussianBlur(signed, (0, 0), sigma)
    return np.asarray(np.abs(signed).mean(2))


def _slits(mesh: np.ndarray, side: int) -> list[np.ndarray]:
    """Returns the surroundings of mouth and eyes of a mesh in the 128 px crop, (side, side) each."""
    areas = []
    for slit in SLITS:
        area = np.zeros((side, side), np.float32)
        window, weight, _ = slit_window(mesh * (side / SIDE), slit, side)
        area[window] = weight
        areas.append(area)
    return areas


@pytest.mark.parametrize("view", [128, 256])
def test_pairs_are_those_of_the_pipeline(
    packed: PackedFaces, faces: list[FaceImage], make_pair: Any, view: int
) -> None:
    sources, targets = (torch.tensor(each) for each in zip(*PAIRS, strict=True))
    batch = Scenes(packed, view, Draws(CPU)).pairs(targets, sources)
    for row, numbers in enumerate(PAIRS):
        source, target = ((faces[i].image, faces[i].mesh) for i in numbers)
        pair: AlignedPair = make_pair(
            source, target, tier=Tier.BALANCED, source_coverings=_coverings(numbers[0])
        )
        mirrors = pair.warped_source.mirror is not None
        assert mirrors == (numbers[0] in MIRRORED)
        warped, crop, face = pair.network_inputs(view)
        assert _difference(batch["target"][row], crop).mean() < 1
        assert 255 * np.abs(batch["face"][row, 0].numpy() - face).mean() < 2
        error = _difference(batch["warped"][row], warped, TEXTURE)
        assert np.average(error, weights=face) < 1
        for slit in _slits(pair.target.mesh, view):
            assert np.average(error, weights=slit) < 1.8


def test_what_is_not_detected_is_not_mirrored(packed: PackedFaces) -> None:
    scenes = Scenes(packed, SIDE, Draws(CPU))
    sources, index = torch.tensor([HIDDEN, RIGHT_SHADED]), torch.tensor([0, 1])
    targets = scenes.targets(index, Views.plain(2, CPU), 0)
    found = scenes.warped(targets, sources, noise=0)
    missed = scenes.warped(targets, sources, noise=0, detected=torch.zeros(2, 1, 1, 1))
    assert found.replaced[0].max() > 0.9 and missed.replaced.max() == 0
    assert missed.opacity[0].max() == 0
    torch.testing.assert_close(missed.opacity[1], found.opacity[1])  # shadow needs no detection
