"""Ramps between 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest

from facefusion.geometry.ramps import ramp, smoothstep


@pytest.mark.parametrize("curve", [ramp, smoothstep])
def test_ramps_rise_from_0_to_1_and_stay_there(curve: object) -> None:
    values = np.linspace(-1, 5, 61)
    found = curve(values, 1.0, 3.0)  # type: ignore[operator]
    assert (found[values <= 1] == 0).all() and (found[values >= 3] == 1).all()
    assert (np.diff(found) >= 0).all() and found[30] == pytest.approx(0.5)


@pytest.mark.parametrize("curve", [ramp, smoothstep])
def test_ramps_fall_where_the_start_is_above_the_end(curve: object) -> None:
    values = np.linspace(0, 4, 9)
    falling, rising = curve(values, 3.0, 1.0), curve(values, 1.0, 3.0)  # type: ignore[operator]
    np.testing.assert_allclose(falling, 1 - rising, atol=1e-12)


def test_smoothstep_is_flat_at_both_ends() -> None:
    ends = smoothstep(np.array([1e-3, 1 - 1e-3]), 0.0, 1.0)
    np.testing.assert_allclose(ends, [0, 1], atol=4e-6)
