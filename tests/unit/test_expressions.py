"""Faces drawn for the mesh network, and the teacher that labels them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facefusion.geometry.topology import INNER_LIPS, LEFT_EYE, eye_distance
from facefusion.training.samples import expressions
from facefusion.training.samples.data import FaceImage, align_faces
from facefusion.training.samples.expressions import (
    LIDS,
    DrawnFace,
    DrawnFaces,
    MeshTeacher,
    close_eyes,
    drop_jaw,
)


def _opening(mesh: np.ndarray) -> float:
    return float(mesh[14, 1] - mesh[13, 1]) / eye_distance(mesh)


def test_a_dropped_jaw_opens_the_mouth_and_leaves_the_eyes(make_mesh: Any) -> None:
    mesh = make_mesh((96, 96), 115)
    moved = drop_jaw(mesh, 0.5)
    assert _opening(moved) - _opening(mesh) == pytest.approx(0.5, abs=0.06)
    for untouched in (13, 61, 291, *LEFT_EYE):  # the upper lip, the corners of the mouth, an eye
        np.testing.assert_allclose(moved[untouched], mesh[untouched], atol=1e-3)
    assert moved[152, 1] > mesh[152, 1] + 0.2 * eye_distance(mesh)


def test_closed_eyes_are_closed(make_mesh: Any) -> None:
    mesh = make_mesh((96, 96), 115)
    moved = close_eyes(mesh, 1.0)
    for eye in LIDS:
        for upper, lower in eye:
            before, after = (np.hypot(*(m[upper, :2] - m[lower, :2])) for m in (mesh, moved))
            assert after <= 0.11 * before + 1e-6
    np.testing.assert_array_equal(moved[list(INNER_LIPS)], mesh[list(INNER_LIPS)])


def test_drawn_faces_are_images_with_a_mesh_inside_and_depend_on_the_seed_alone(
    make_mesh: Any, make_photo: Any
) -> None:
    photos = [np.roll(make_photo(400, 400), 37 * i, axis=1) for i in range(3)]
    faces = align_faces(
        [
            FaceImage(p, make_mesh((200, 200), 220, yaw=6.0 * i), 6.0 * i, f"{i}.jpg", 1)
            for i, p in enumerate(photos)
        ]
    )
    draw, openings, has_exact = DrawnFaces(faces), [], []
    for seed in range(30):
        face, again = (draw(np.random.default_rng(seed)) for _ in range(2))
        image, mesh = face.image, face.mesh
        np.testing.assert_array_equal(image, again.image)
        np.testing.assert_array_equal(mesh, again.mesh)
        twice = face.mirrored().mirrored()
        np.testing.assert_array_equal(twice.image, image)
        np.testing.assert_allclose(twice.mesh, mesh, atol=1e-3)
        np.testing.assert_array_equal(twice.exact, face.exact)
        for part in (LEFT_EYE, INNER_LIPS):
            assert face.exact[list(part)].all() == face.exact[list(part)].any()
        has_exact.append(bool(face.exact.any()))
        assert image.shape == (192, 192, 3) and image.dtype == np.uint8 and mesh.shape == (468, 3)
        assert mesh[:, :2].min() > -20 and mesh[:, :2].max() < 240
        openings.append(_opening(mesh))
    assert max(openings) > min(openings) + 0.2 and 0 < sum(has_exact) < 20


def test_without_its_packages_the_teacher_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expressions, "missing_packages", lambda: ["ai-edge-litert"])
    with pytest.raises(SystemExit, match="pip install --no-deps ai-edge-litert"):
        MeshTeacher()


def test_a_label_far_from_the_warped_mesh_is_discarded(
    make_mesh: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Net:
        answer = np.zeros((468, 3), np.float32)

        def points(self, crop: np.ndarray) -> np.ndarray:
            assert crop.shape == (192, 192, 3)
            return self.answer

    monkeypatch.setattr(expressions, "missing_packages", list)
    teacher, image, near = (
        MeshTeacher(),
        np.zeros((192, 192, 3), np.uint8),
        make_mesh((96, 96), 128),
    )
    net = Net()
    teacher._net = net  # type: ignore[assignment]
    exact = np.zeros(468, bool)
    exact[list(INNER_LIPS)] = True
    face = DrawnFace(image, near, exact)
    np.testing.assert_array_equal(teacher(face), near)
    net.answer = near + 2
    # The face fills two thirds of the teacher's view; it is moved by about two pixels of that view,
    # twice.
    moved = np.abs(teacher(face) - near)[:, :2].max(1)
    assert 0.5 < moved[~exact].mean() < 12 and moved[exact].max() == 0
