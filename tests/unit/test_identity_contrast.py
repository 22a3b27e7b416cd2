"""Beyond a likeness of 0.5 the coarse network is told an identity further away from the target's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facefusion import FusionPipeline
from facefusion.auto.chooser import TierChooser
from facefusion.pipeline.networks import Networks
from facefusion.types import Swap

SOURCE, TARGET = np.array([1, 0], np.float32), np.array([0.6, 0.8], np.float32)


@pytest.mark.parametrize("likeness", [0.0, 0.25, 0.5])
def test_it_is_the_source_s_own_up_to_the_default(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray, likeness: float
) -> None:
    fakes.answers = {source.shape[:2]: SOURCE, target.shape[:2]: TARGET}
    pipe(source, target, likeness=likeness)
    np.testing.assert_array_equal(fakes.told, SOURCE)


def test_more_likeness_moves_it_further_away(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    fakes.answers = {source.shape[:2]: SOURCE, target.shape[:2]: TARGET}
    alike = [float(SOURCE @ TARGET)]
    for likeness in (0.6, 0.8, 1.0):
        pipe(source, target, likeness=likeness)
        assert np.linalg.norm(fakes.told) == pytest.approx(1) and fakes.told @ SOURCE > 0.9
        alike.append(float(fakes.told @ TARGET))
    assert alike == sorted(alike, reverse=True) and alike[-1] < alike[0] - 0.15


def test_two_photos_of_one_person_leave_it_alone(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    fakes.answers = {
        source.shape[:2]: SOURCE,
        target.shape[:2]: np.array([0.995, np.sqrt(1 - 0.995**2)], np.float32),
    }
    pipe(source, target, likeness=1.0)
    assert fakes.told @ SOURCE > 0.9999


def test_each_face_of_a_photo_has_its_own(
    fakes,
    networks: Networks,
    chooser: TierChooser,
    make_mesh,
    source: np.ndarray,
    target: np.ndarray,
) -> None:
    def identity(photo: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        on_the_left = photo.shape == target.shape and mesh[:, 0].mean() < 250
        return TARGET if on_the_left else SOURCE

    told = []

    def coarse(*inputs: Any) -> Any:
        told.append(inputs[-1])
        return fakes.coarse(*inputs)

    parts: dict[str, Any] = {"identity": identity, "coarse": coarse}
    pipe = FusionPipeline(replace(networks, **parts), chooser=chooser)
    faces = []
    for mesh in (make_mesh((150, 200), 130), make_mesh((350, 200), 120)):
        fakes.faces[target.shape[:2]] = mesh
        faces.append(fakes(target, fakes.glance(target)[0]))
    list(pipe.stream([Swap(source, face) for face in faces], target, tier="best", likeness=1.0))
    left, right = told
    assert left @ TARGET < SOURCE @ TARGET - 0.15
    np.testing.assert_allclose(right, SOURCE, atol=1e-6)
