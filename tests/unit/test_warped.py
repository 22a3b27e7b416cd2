"""A source carried onto a target's mesh, sampled from its photo wherever it is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facefusion.compose.color import Relight
from facefusion.fusion.sizes import EXPRESSION_SIZE
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    invert,
    mesh_crop_transform,
    rescale_transform,
    transform_points,
)
from facefusion.geometry.frames import Frame
from facefusion.geometry.mirror import mirrored
from facefusion.geometry.sampling import PhotoPart
from facefusion.geometry.warp import MeshWarp
from facefusion.images.inpaint import Patch
from facefusion.pipeline.warped import WarpedFace, WarpedSource, source_flow

SIDE = 128
FRAME = Frame.crop(SIDE)
#: Where a face is in its aligned crop, well inside.
FACE = np.s_[40:95, 45:85]
SAME = Relight(
    np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, 2), np.ones((8, 8, 3), np.float32)
)


def onto(mesh: np.ndarray, triangles: bool = True) -> MeshWarp:
    """Onto this mesh in its own aligned crop."""
    return MeshWarp(
        transform_points(mesh, mesh_crop_transform(mesh, FUSION_FACE_SHARE, SIDE)),
        SIDE,
        triangles=triangles,
    )


def to_crop(mesh: np.ndarray) -> np.ndarray:
    return mesh_crop_transform(mesh, FUSION_FACE_SHARE, EXPRESSION_SIZE)


def warped_face(
    warp: MeshWarp, mesh: np.ndarray, patches: list[Patch], to_crop: Any, *, mirror: bool = False
) -> WarpedFace:
    """The face with this mesh (468, 3) of a photo."""
    flow = source_flow(warp, transform_points(mesh, to_crop), mirror=mirror)
    return WarpedFace.of(flow, patches, to_crop)


def difference(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.abs(found[FACE].astype(int) - expected[FACE].astype(int))


@pytest.fixture
def photo(make_photo: Any) -> np.ndarray:
    return make_photo(300, 320)


@pytest.fixture
def mesh(make_mesh: Any) -> np.ndarray:
    return make_mesh((170, 140), 150, roll=12)


@pytest.mark.parametrize("triangles", [True, False])
def test_a_face_on_its_own_mesh_is_the_aligned_crop(
    photo: np.ndarray, mesh: np.ndarray, triangles: bool
) -> None:
    face = warped_face(onto(mesh, triangles), mesh, [], to_crop(mesh))
    found = face.sampled(PhotoPart(photo, np.eye(2, 3)), FRAME)
    expected = crop_photo(photo, mesh_crop_transform(mesh, FUSION_FACE_SHARE, SIDE), SIDE)
    assert found.shape == (SIDE, SIDE, 3) and found.dtype == np.uint8
    assert (
        difference(found, expected).mean() < 1
        and np.quantile(difference(found, expected), 0.99) <= 3
    )


@pytest.mark.parametrize("triangles", [True, False])
def test_the_mirror_image_is_that_of_the_mirrored_photo(
    make_mesh: Any, photo: np.ndarray, triangles: bool
) -> None:
    mesh, target = make_mesh((150, 140), 150, yaw=25), make_mesh((60, 60), 76, yaw=-10)
    warp = onto(target, triangles)
    face = warped_face(warp, mesh, [], to_crop(mesh), mirror=True)
    assert face.flow[64:190, 84:172].min() > 0  # places in the photo, not in its mirror image
    found = face.sampled(PhotoPart(photo, np.eye(2, 3)), FRAME)
    flipped, mirrored_mesh = np.ascontiguousarray(photo[:, ::-1]), mirrored(mesh, photo.shape[1])
    expected = warped_face(warp, mirrored_mesh, [], to_crop(mirrored_mesh)).sampled(
        PhotoPart(flipped, np.eye(2, 3)), FRAME
    )
    plain = warped_face(warp, mesh, [], to_crop(mesh)).sampled(
        PhotoPart(photo, np.eye(2, 3)), FRAME
    )
    assert difference(found, expected).max() <= 1 < difference(found, plain).mean()


@pytest.mark.parametrize("side", [64, 192, 256])
def test_a_patch_travels_with_the_skin_that_it_covers(make_mesh: Any, side: int) -> None:
    mesh, target = make_mesh((170, 140), 150, roll=12), make_mesh((64, 64), 76)
    skin = np.full((300, 320, 3), 180, np.uint8)
    nose = transform_points(mesh[[4]], to_crop(mesh))[0, :2] * side / EXPRESSION_SIZE
    y, x = np.mgrid[:side, :side]
    opacity = (np.hypot(x - nose[0], y - nose[1]) < side / 20).astype(np.float32)
    patch = Patch(np.full((side, side, 3), 20, np.uint8), opacity)
    face = warped_face(onto(target), mesh, [patch], to_crop(mesh))
    found = face.sampled(PhotoPart(skin, np.eye(2, 3)), FRAME)[..., 0] < 100
    rows, columns = np.nonzero(found)
    expected = transform_points(target[[4]], mesh_crop_transform(target, FUSION_FACE_SHARE, SIDE))[
        0
    ]
    np.testing.assert_allclose([columns.mean(), rows.mean()], expected[:2], atol=1.5)
    assert 0.6 < found.sum() / (np.pi * (SIDE / 20) ** 2) < 1.4


def test_a_window_shows_what_the_crop_does(photo: np.ndarray, mesh: np.ndarray) -> None:
    gains = np.linspace(0.6, 1.2, 64, dtype=np.float32).reshape(8, 8, 1).repeat(3, 2)
    warp, part = onto(mesh), PhotoPart(photo, np.eye(2, 3))
    face = warped_face(warp, mesh, [], to_crop(mesh))
    warped = WarpedSource(face, Relight(SAME.table, gains))
    back = invert(rescale_transform(mesh_crop_transform(mesh, FUSION_FACE_SHARE, SIDE), 1 / SIDE))
    window = warped.sampled(part, Frame(back, 320, 300))
    cropped = crop_photo(window, mesh_crop_transform(mesh, FUSION_FACE_SHARE, SIDE), SIDE)
    crop = warped.sampled(part, FRAME)
    assert window.shape == (300, 320, 3)
    assert (
        difference(cropped, crop).mean() < 1.5 and np.quantile(difference(cropped, crop), 0.98) < 8
    )


def test_the_mirror_image_is_seen_by_its_share(photo: np.ndarray, mesh: np.ndarray) -> None:
    warp, part = onto(mesh), PhotoPart(photo, np.eye(2, 3))
    faces = [warped_face(warp, mesh, [], to_crop(mesh), mirror=mirror) for mirror in (False, True)]
    own, other = (face.sampled(part, FRAME) for face in faces)
    for share, expected in ((0.0, own), (1.0, other), (0.5, (own.astype(float) + other) / 2)):
        shares = np.full((64, 64), share, np.float32)
        found = WarpedSource(faces[0], SAME, (faces[1], SAME), shares).sampled(part, FRAME)
        assert np.abs(found - expected.astype(float)).max() <= 1
    np.testing.assert_array_equal(WarpedSource(faces[0], SAME).sampled(part, FRAME), own)


def test_each_image_has_its_own_correction(photo: np.ndarray, mesh: np.ndarray) -> None:
    warp, part, half = (
        onto(mesh),
        PhotoPart(photo, np.eye(2, 3)),
        np.full((64, 64), 0.5, np.float32),
    )
    face = warped_face(warp, mesh, [], to_crop(mesh))
    dark = Relight(0 * SAME.table, SAME.gains)
    found = WarpedSource(face, SAME, (face, dark), half).sampled(part, FRAME)
    assert difference(found, face.sampled(part, FRAME) / 2).max() <= 1
