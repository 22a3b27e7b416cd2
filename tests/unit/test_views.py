"""Targets are prepared once; and settling: what the mesh sees on the warped face is brought to what it saw on the target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facefusion import FusionPipeline, views
from facefusion.geometry.align import invert, rescale_transform, transform_points
from facefusion.tiers import TIERS, Tier
from facefusion.types import Photo


class ShiftedEye:
    """A mesh network that sees the warped face `shift` pixels away from where it should be."""

    def __init__(self, shift: tuple[float, float]) -> None:
        self.shift = np.array([*shift, 0], np.float32)

    def measure(self, photo: np.ndarray, near: np.ndarray) -> np.ndarray:
        return near + self.shift


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, -2.0)])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_settle_takes_back_a_share_of_what_is_seen(
    make_mesh: Any, make_photo: Any, shift: tuple[float, float], share: float
) -> None:
    size = views.SETTLE_SIZE
    eye: Any = ShiftedEye(shift)
    target = views.TargetView.of(make_photo(300, 300), make_mesh((150.0, 140.0), 200), TIERS[Tier.FAST])
    mesh = transform_points(target.mesh, rescale_transform(np.eye(2, 3), size / 128))
    settled = views.settle(target, target.crops[size], mesh, eye, share, np.zeros((1, 1), np.float32))
    expected = mesh + share * np.array([*shift, 0])
    # Source and target are one photo here: what is seen shifted comes from as far away in the source.
    np.testing.assert_allclose(settled[:, :2], expected[:, :2], atol=0.15)
    np.testing.assert_array_equal(settled[:, 2], mesh[:, 2])


@pytest.mark.parametrize(
    ("side", "tier", "size", "refined"),
    [(60, Tier.BEST, 128, 0), (400, Tier.FAST, 256, 0), (400, Tier.BALANCED, 512, 256), (200, Tier.BEST, 384, 384)],
)
def test_a_target_is_seen_at_the_sides_that_its_tier_needs(
    make_mesh: Any, make_photo: Any, side: int, tier: Tier, size: int, refined: int
) -> None:
    photo, mesh = make_photo(500, 600), make_mesh((310.0, 240.0), side)
    target = views.TargetView.of(photo, mesh, TIERS[tier])
    assert (target.size, target.refined) == (size, refined)
    assert set(target.crops) == set(target.face) == {128, 256, refined} - {0} and set(target.skin) == {128, 256}
    for at, crop in target.crops.items():
        assert crop.shape == (at, at, 3) and target.face[at].shape == (at, at) and 0.2 < target.face[at].mean() < 0.4
    np.testing.assert_allclose(transform_points(mesh, invert(target.to_photo)), target.mesh * size / 128, atol=size / 128)
    assert target.nbytes > sum(crop.nbytes for crop in target.crops.values())


def test_a_target_that_was_seen_is_not_prepared_again(
    pipeline: FusionPipeline, guest: Photo, astronaut: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Any, ...]] = []
    prepare = views.TargetView.of
    monkeypatch.setattr(views.TargetView, "of", lambda *given: (made.append(given), prepare(*given))[1])
    pipeline.cache.clear()
    first = pipeline(guest, astronaut, tier="best")
    pipeline(astronaut, astronaut, tier="best")
    again = pipeline(guest, astronaut, tier="best")
    assert len(made) == 1 and (again.image == first.image).all()
    pipeline(guest, astronaut, tier="fast")
    pipeline(guest, np.ascontiguousarray(astronaut[:-1]), tier="fast")
    assert len(made) == 3
    for count in (4, 5):  # the photo is bent: nothing to remember
        pipeline(guest, astronaut, tier="fast", likeness=1.0)
        assert len(made) == count
