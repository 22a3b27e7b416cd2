"""The colour curve of monochrome photos."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facefusion.compose.monochrome import ColourCurve

SEPIA = np.array([0.75, 0.95, 1.3])


def _luma(photo: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)


def _grey(photo: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(_luma(photo), cv2.COLOR_GRAY2RGB)


def _sepia(photo: np.ndarray) -> np.ndarray:
    return np.rint(255 * (_luma(photo)[..., None] / 255.0) ** SEPIA).astype(np.uint8)


def _duotone(photo: np.ndarray) -> np.ndarray:
    level = _luma(photo)[..., None] / 255.0
    shadows, lights = np.array([40, 20, 90]), np.array([255, 220, 130])
    return np.rint(shadows * (1 - level) + lights * level).astype(np.uint8)


def _jpeg(photo: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]


@pytest.fixture
def photo(make_photo) -> np.ndarray:
    """A smooth picture with many colours and all luminances."""
    picture = make_photo(256, 256)
    return cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("quality", [0, 75])
def test_grey_photos_give_equal_channels(photo, quality) -> None:
    target = _grey(photo)
    target = _jpeg(target, quality) if quality else target
    curve = ColourCurve.of(target)
    assert curve is not None
    result = curve(photo)
    assert np.ptp(result.astype(int), axis=2).max() == 0
    np.testing.assert_array_equal(curve(target), target)
    np.testing.assert_allclose(result[..., 0], _luma(photo), atol=1)


@pytest.mark.parametrize("toning", [_sepia, _duotone])
@pytest.mark.parametrize("quality", [0, 75])
def test_toned_photos_give_their_colours(photo, toning, quality) -> None:
    target = cv2.GaussianBlur(toning(photo), (0, 0), 2)
    curve = ColourCurve.of(_jpeg(target, quality) if quality else target)
    assert curve is not None
    given = curve(target).astype(int) - target
    assert np.quantile(np.abs(given), 0.95) <= 6
    # The colours of a photo in colour become colours of the toned one.
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    known = toning(ramp)[0].astype(int)
    made = curve(photo)[::8, ::8].reshape(-1, 1, 3).astype(int)
    nearest = np.linalg.norm(made - known, axis=2).min(1)
    assert np.quantile(nearest, 0.9) <= 8


def test_a_lamp_of_one_colour_is_a_curve(photo) -> None:
    target = np.rint(photo * np.array([0.95, 0.03, 0.02])).astype(np.uint8)
    curve = ColourCurve.of(target)
    assert curve is not None
    assert curve.weights[0] > 0.8
    result = curve(photo).astype(int)
    assert result[..., 0].max() > 200 and result[..., 1:].max() < 45


def test_photos_in_colour_have_no_curve(photo) -> None:
    assert ColourCurve.of(photo) is None
    assert ColourCurve.of(photo // 6) is None


def test_a_grey_photo_with_something_in_colour_has_no_curve(photo) -> None:
    target = _grey(photo)
    target[80:200, 60:200] = (150, 90, 80)
    assert ColourCurve.of(target) is None


def test_what_is_all_but_black_has_no_curve() -> None:
    assert ColourCurve.of(np.full((128, 128, 3), 3, np.uint8)) is None


def test_luminances_that_the_photo_lacks_keep_the_nearest_chroma(photo) -> None:
    target = _sepia(photo // 2 + 60)
    curve = ColourCurve.of(target)
    assert curve is not None
    table = curve.table[0].astype(int)
    assert (table[250] >= table[150]).all() and (table[0] <= table[90]).all()
    assert (np.diff(curve.table[0].astype(int), axis=0) >= 0).mean() > 0.95
