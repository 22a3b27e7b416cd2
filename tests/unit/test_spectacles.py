"""Glasses: the target's stay, the source's stay behind, and what dark glass hides is left to the
target.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from facefusion import FusionPipeline
from facefusion.perception.spectacles import COLUMNS, CROP_SIZE, ROWS, Spectacles, as_spectacles

HIGH, WIDE = ROWS.stop - ROWS.start, COLUMNS.stop - COLUMNS.start


def opacity(*, frame: float = 0, glass: float = 0) -> np.ndarray:
    """Two bars and the glass between them."""
    found = np.zeros((2, HIGH, WIDE), np.float32)
    found[0, 30:34, 20:120] = found[0, 54:58, 20:120] = frame
    found[1, 34:54, 20:120] = glass
    return found


def worn(**answer: float) -> Spectacles:
    found = as_spectacles(opacity(**answer))
    assert found is not None
    return found


def test_few_doubtful_pixels_are_no_glasses() -> None:
    assert as_spectacles(opacity()) is None and as_spectacles(opacity(frame=0.4)) is None
    few = opacity()
    few[0, 30:32, 20:60] = 1
    assert as_spectacles(few) is None


def test_clear_glass_covers_with_its_frame_and_dark_glass_as_a_whole() -> None:
    clear, tinted, dark = (worn(frame=1, glass=glass) for glass in (0.1, 0.34, 0.95))
    middle, rim = (ROWS.start + 44, COLUMNS.start + 70), (ROWS.start + 32, COLUMNS.start + 70)
    for glasses in (clear, tinted):
        assert glasses.covered[rim] == 1 and glasses.covered[middle] < 0.01
        assert not glasses.hides_eyes and glasses.hidden is None
    assert dark.hides_eyes and dark.covered[middle] == dark.covered[rim] == 1
    hidden = dark.hidden
    assert hidden is not None and hidden[middle] > 0.99 and hidden[rim[0] - 4, rim[1]] > 0.5
    assert (hidden > 0.01).mean() < 2 * (dark.covered > 0.01).mean()
    assert dark.nbytes == 2 * 4 * CROP_SIZE**2


EYES = np.array([[66, 92], [126, 92]], np.float32)


def glasses_at_eyes(glass: float) -> tuple[np.ndarray, np.ndarray]:
    """Opacities of two round rims around `EYES`, and of the glass inside of them."""
    y, x = np.mgrid[:CROP_SIZE, :CROP_SIZE]
    distance = np.minimum(*(np.hypot(x - across, y - down) for across, down in EYES))
    rim = (distance > 18) & (distance < 22)
    return rim.astype(np.float32), np.where(distance <= 18, np.float32(glass), np.float32(0))


def test_tinted_glass_hides_the_eyes_of_a_source_alone() -> None:
    clear, tinted = (Spectacles.found(*glasses_at_eyes(glass), EYES) for glass in (0.02, 0.2))
    assert clear is not None and tinted is not None
    assert clear.lenses is None and clear.hidden is None
    hidden = tinted.hidden
    assert hidden is not None and not tinted.hides_eyes
    for across, down in EYES.astype(int):
        assert hidden[down - 21 : down + 21, across].min() > 0.99  # the whole lens and its rim
        assert tinted.covered[down, across] == 0
    assert hidden[92, 96] < 0.5 and hidden[92 + 45].max() < 0.01  # neither the nose nor the cheeks
    assert tinted.nbytes == clear.nbytes + 4 * CROP_SIZE**2


def test_thin_rims_around_tinted_glass_are_found_as_well() -> None:
    rims, glass = glasses_at_eyes(0.3)
    thin = Spectacles.found(0.4 * rims, glass, EYES)
    assert thin is not None and thin.thin and thin.lenses is not None
    assert Spectacles.found(0.4 * rims, glass) is None


def test_a_frame_is_taken_off_at_any_size_and_dark_glass_is_not(make_photo: Any) -> None:
    for size in (128, CROP_SIZE, 512):
        plain = np.full((size, size, 3), (190, 150, 130), np.uint8)
        plain[: size // 4] = make_photo(size, size)[: size // 4]
        glasses = worn(frame=1, glass=0.05)
        rows = np.linspace(0, CROP_SIZE, size, endpoint=False).astype(int)
        face = plain.copy()
        face[glasses.frame[np.ix_(rows, rows)] > 0.5] = 10
        without = glasses.without_frame(face)
        assert (
            np.abs(without.astype(int) - plain).max() < 40
            and np.abs(face.astype(int) - plain).max() > 100
        )
        np.testing.assert_array_equal(without[: size // 4], plain[: size // 4])
        np.testing.assert_array_equal(worn(frame=1, glass=0.9).without_frame(face), face)


def test_the_targets_glasses_are_left_alone(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    without = pipe(source, target)
    assert fakes.coarse_inputs is not None and fakes.refine_inputs is not None
    open_mask, open_refined = fakes.coarse_inputs[2], fakes.refine_inputs[2]
    fakes.glasses[target.shape[:2]] = glasses = worn(frame=1)
    pipe.cache.clear()
    result = pipe(source, target)
    assert (
        fakes.coarse_inputs[2].sum() < open_mask.sum()
        and fakes.refine_inputs[2].sum() < open_refined.sum()
    )
    rim = ((ROWS.start + 32) * 128 // CROP_SIZE, 64)
    assert glasses.frame[ROWS.start + 32, 96] == 1
    assert fakes.coarse_inputs[2][rim] < 0.05 and open_mask[rim] > 0.95
    kept = (without.mask > 0.9) & (result.mask == 0)
    assert kept.sum() > 100
    np.testing.assert_array_equal(result.image[kept], target[kept])


def test_the_sources_frame_stays_behind(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    pipe(source, target)
    plain, open_mask = fakes.coarse_inputs[0], fakes.coarse_inputs[2]
    fakes.glasses[source.shape[:2]] = worn(frame=1)
    pipe.cache.clear()
    pipe(source, target)
    np.testing.assert_array_equal(fakes.coarse_inputs[2], open_mask)  # skin takes the frame's place
    assert (np.abs(fakes.coarse_inputs[0].astype(int) - plain) > 3).any()
    fakes.glasses[source.shape[:2]] = worn(frame=1, glass=1)
    pipe.cache.clear()
    pipe(source, target)
    eyes = (66, 64)  # nobody knows the eyes behind sunglasses: the target's stay
    assert fakes.coarse_inputs[2][eyes] < 0.05 and open_mask[eyes] > 0.95


def test_glasses_are_looked_for_once(
    fakes, pipe: FusionPipeline, source: np.ndarray, target: np.ndarray
) -> None:
    first, second = pipe(source, target), pipe(source, target)
    assert "coverings" in first.timings.stages and "coverings" not in second.timings.stages
    np.testing.assert_array_equal(first.image, second.image)
