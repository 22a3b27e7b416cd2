"""Noise with a given spectrum, given colours, and a given dependence on brightness, always the
same.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.compose.bands import LUMA, Band
from facefusion.compose.grain import (
    SIDE,
    Brightness,
    decoupled,
    missing_noise,
    tile_of,
    tile_window,
    unit_noise,
)
from facefusion.compose.pyramid import laplacian

COLOURED = np.array([[9, 3, 1], [3, 4, -1], [1, -1, 16]], np.float32)


def _band(energy: float, noise: float, place: float = 1.0) -> Band:
    colour = COLOURED / float(LUMA @ COLOURED @ LUMA)
    return Band(place, energy, energy, energy, energy, colour, noise)


def test_the_tile_is_noise_without_a_seam() -> None:
    tile = unit_noise()[0].astype(float)
    assert tile.shape == (SIDE, SIDE, 3)
    assert np.abs(np.corrcoef(tile.reshape(-1, 3).T) - np.eye(3)).max() < 0.01
    for axis in (0, 1):
        step = np.abs(np.roll(tile, 1, axis) - tile).mean(1 - axis).mean(-1)
        assert step[0] < step.mean() + 4 * step.std()


def test_noise_lies_still_in_the_photo() -> None:
    tile, (top, left) = tile_of([COLOURED], 0), (SIDE - 50, 2 * SIDE - 31)
    assert tile is not None
    whole = tile_window(tile, (200, 700), (top, left))
    assert whole.dtype == np.float32 and whole.shape == (200, 700, 3)
    for rows in (slice(0, 32), slice(32, 64), slice(64, 200)):
        strip = tile_window(tile, (rows.stop - rows.start, 650), (top + rows.start, left + 50))
        np.testing.assert_array_equal(strip, whole[rows, 50:])


def test_noise_has_the_given_colours() -> None:
    tile = tile_of([COLOURED], 0)
    assert tile is not None
    np.testing.assert_allclose(np.cov(tile.reshape(-1, 3).T), COLOURED, atol=0.1)
    assert tile_of([0.0001 * COLOURED], 0) is None and tile_of([COLOURED], 1) is None


@pytest.mark.parametrize("wanted", [(10, 2.4, 1, 0.5), (9, 9, 6, 3), (6, 6, 4, 2)])
def test_levels_come_out_with_the_wanted_deviations(wanted: tuple[float, ...]) -> None:
    put = decoupled([np.eye(3, dtype=np.float32) * deviation**2 for deviation in wanted])
    image = np.zeros((SIDE >> len(wanted),) * 2 + (3,), np.float32)
    for grid in reversed(range(len(wanted))):
        image = cv2.pyrUp(image)
        tile = tile_of(put, grid)
        image = image if tile is None else image + tile
    made = [level.std() for level in laplacian(image, len(wanted))[:-1]]
    assert made == pytest.approx(wanted, rel=0.2)


def test_only_what_lacks_is_added() -> None:
    noisy, clean = _band(10, 8), _band(6, 0)
    added = missing_noise([noisy], [clean], [1.0])[0]
    assert LUMA @ added @ LUMA == pytest.approx(64, rel=0.01)
    np.testing.assert_allclose(np.corrcoef(added), np.corrcoef(added.T))
    assert not missing_noise([noisy], [noisy], [1.0])[0].any()
    assert not missing_noise([clean], [noisy], [1.0])[0].any()
    full = missing_noise([noisy], [_band(9.9, 0)], [1.0])[0]
    assert LUMA @ full @ LUMA == pytest.approx(100 - 9.9**2, rel=0.01)


def test_missing_skin_texture_is_made_up_for_at_fine_places_alone() -> None:
    fine, coarse = (
        missing_noise([_band(10, 0, place)], [_band(4, 0, place)], [1.0])[0] for place in (0.5, 3.0)
    )
    assert 0 < LUMA @ fine @ LUMA < 0.3 * (100 - 16)
    assert not coarse.any()


def test_brightness_is_measured_and_goes_on_beyond_skin(rng: np.random.Generator) -> None:
    shade = rng.uniform(80, 200, 6000)
    luma = rng.standard_normal(6000) * (4 + 8 * (shade - 80) / 120)
    noise = Brightness.measured(_band(float(luma.std()), float(luma.std())), luma, shade)
    assert noise.table[180] / noise.table[100] == pytest.approx(
        (4 + 8 * 100 / 120) / (4 + 8 * 20 / 120), rel=0.15
    )
    assert noise.table[60] < noise.table[90] and noise.table[240] > noise.table[190]
    np.testing.assert_array_equal(noise.over(np.array([[100.2, 180.0]])), noise.table[[[100, 180]]])
    structure = Brightness.measured(_band(float(luma.std()), 0), luma, shade)
    assert (structure.table == 1).all()
