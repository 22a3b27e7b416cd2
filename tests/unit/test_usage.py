"""What counts as work for a visitor beside the time of running calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facefusion.decoding.budget import PixelBudget
from facefusion.errors import FaceTurnedError, UnreadablePhotoError
from facefusion.page.jobs import TooSlowError
from facefusion.page.photos import Photos, RefusedError
from facefusion.page.stops import StoppedError
from facefusion.page.uploads import Uploads


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (UnreadablePhotoError("source"), True),
        (RefusedError("target", FaceTurnedError("target")), True),
        (StoppedError(), False),
        (TooSlowError(), False),
        (RuntimeError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_refused_photos_count_as_more_work(
    tmp_path: Path, error: Exception, counts: bool
) -> None:
    """Who moves a slider while a fusion runs stops it, and keeps their turn."""
    decoder: Any = None
    photos = Photos(Uploads(tmp_path), decoder, PixelBudget())
    with pytest.raises(type(error)), photos.hold(None, None):
        raise error
    assert (photos.usage.of("") > 0) == counts
