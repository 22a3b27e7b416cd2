"""Skin in the place of what should not be there: patches, and how their colour is made."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.geometry.frames import Frame
from facefusion.images.inpaint import Patch, covered_with_skin, inpainted

SKIN, HAIR = (200, 150, 130), (40, 30, 20)


def test_a_patch_lies_over_its_place_at_any_size_and_in_any_frame() -> None:
    patch = Patch(np.full((64, 64, 3), HAIR, np.uint8), np.zeros((64, 64), np.float32))
    patch.opacity[16:32, 32:48] = 1
    for side in (64, 256):
        image = np.full((side, side, 3), SKIN, np.uint8)
        made = patch.onto(image)
        box = np.s_[side // 4 + 3 : side // 2 - 3, side // 2 + 3 : side * 3 // 4 - 3]
        assert made.dtype == np.uint8 and (made[box] == HAIR).all() and (image == SKIN).all()
        np.testing.assert_array_equal(made[: side // 4 - 3], image[: side // 4 - 3])
        np.testing.assert_array_equal(made[:, : side // 2 - 3], image[:, : side // 2 - 3])
    part = Frame(np.array([[256.0, 0, 127.5 - 100], [0, 256, 127.5 - 40]]), 120, 110)
    whole = patch.onto(np.full((256, 256, 3), SKIN, np.uint8))
    seen = patch.onto(np.full((110, 120, 3), SKIN, np.uint8), part)
    assert np.abs(seen.astype(int) - whole[40:150, 100:220]).mean() < 1.5


def test_a_patch_is_carried_by_a_flow_and_ends_with_its_crop() -> None:
    patch = Patch(np.zeros((64, 64, 3), np.uint8), np.ones((64, 64), np.float32))
    patch.filled[20, 30], patch.opacity[20, 30] = SKIN, 0.25
    x, y = np.meshgrid(np.arange(50, dtype=np.float32) - 20, np.arange(40, dtype=np.float32) + 10)
    moved = patch.moved(x, y)
    assert moved.filled.shape == (40, 50, 3) and moved.opacity.shape == (40, 50)
    assert moved.filled[10, 49].tolist() == [0, 0, 0] and moved.opacity[:, :20].max() == 0
    assert moved.opacity[:, 20:].min() == 1
    moved = patch.moved(x + 15, y)
    assert tuple(moved.filled[10, 35]) == SKIN and moved.opacity[10, 35] == 0.25


@pytest.mark.parametrize("size", [64, 200])
def test_a_hole_is_filled_from_around_it(size: int) -> None:
    image, hole = np.full((size, size, 3), SKIN, np.uint8), np.zeros((64, 64), np.uint8)
    hole[20:26, 10:50] = 1
    image[20 * size // 64 : 26 * size // 64, 10 * size // 64 : 50 * size // 64] = HAIR
    patch = inpainted(image, hole, 3, 0.7)
    assert (
        patch.filled.shape == (64, 64, 3)
        and np.abs(patch.filled[21:25, 12:48].astype(int) - SKIN).max() < 25
    )
    assert patch.opacity[22, 30] > 0.95 and patch.opacity[30:].max() == 0


def test_a_hole_takes_the_mean_colour_of_skin_and_of_nothing_else() -> None:
    image, hole = np.full((96, 96, 3), SKIN, np.uint8), np.zeros((96, 96), np.uint8)
    skin = np.ones((96, 96), np.float32)
    image[:40], skin[:40] = (0, 0, 255), 0  # no skin
    hole[40:46, 20:30], image[40:46, 20:30] = 1, HAIR
    hole[5:9, 60:70] = 1  # no skin near
    patch = covered_with_skin(image, hole, skin, 6.0, 1.0)
    assert (patch.filled[41:45, 21:29] == SKIN).all() and patch.opacity[43, 25] > 0.9
    assert patch.opacity[:12].max() == 0 and patch.opacity[60:].max() == 0
