"""What is said beside a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefusion.decoding.budget import PixelBudget
from facefusion.decoding.pool import DecoderPool
from facefusion.page.messages import doubts_update
from facefusion.page.photos import Photos
from facefusion.page.uploads import Uploads
from facefusion.words import Language, say


@pytest.mark.parametrize("language", Language)
def test_what_is_special_in_a_file_comes_before_the_face(language: Language) -> None:
    told = doubts_update([], "ok.target", language, notes=["first_frame"])["value"]
    special, fine = say("note.first_frame", language), say("ok.target", language)
    assert told.index(special) < told.index(fine) and "doubt" in told
    plain = doubts_update([], "ok.target", language)["value"]
    assert special not in plain and "doubt" not in plain


def test_an_upload_comes_with_what_belongs_to_it(tmp_path: Path, make_photo: Any) -> None:
    rgba = np.dstack([make_photo(60, 90), np.full((60, 90), 128, np.uint8)])
    folder = tmp_path / "visitor" / "photo"
    folder.mkdir(parents=True)
    Image.fromarray(rgba).save(folder / "photo.png", dpi=(300, 300))
    with DecoderPool(workers=1) as pool:
        photos = Photos(Uploads(tmp_path), pool, PixelBudget())
        photo, original = photos.open({"path": str(folder / "photo.png")}, "target")
        assert original.notes_for("target", "") == ["transparent"]
        assert [round(value) for value in original.belongings.dpi or ()] == [300, 300]
        finished = original.finish(photo.copy(), photo)
        assert finished.image.shape == (60, 90, 4)
        np.testing.assert_array_equal(finished.image[:30, :40], rgba[:30, :40])
