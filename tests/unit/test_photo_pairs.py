"""What the page says of two photos agrees with what the pipeline does with them."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facefusion import FusionPipeline
from facefusion.decoding.budget import TooManyPixelsError
from facefusion.errors import FusionError
from facefusion.page.messages import doubts_update
from facefusion.page.photo_checks import PhotoChecks
from facefusion.perception.quality import Doubt
from facefusion.words import Language, say


@pytest.fixture
def tell(pipe: FusionPipeline) -> Any:
    """The notice about the photos of the first person and a target."""
    layout: Any = SimpleNamespace(photos=SimpleNamespace(pair="pair"))
    uploads: Any = SimpleNamespace(
        hold=lambda *given: nullcontext(), read=lambda raw, *role: raw["photo"]
    )
    checks = PhotoChecks(pipe, layout, uploads)

    def tell(*sources: Any, target: Any) -> str:
        raws = [None if each is None else {"photo": each} for each in (*sources, None, None)[:3]]
        given: Any = None if target is None else {"photo": target}
        return str(checks.check_pair(*raws, given, SimpleNamespace(headers={}))["pair"]["value"])

    tell.uploads = uploads  # type: ignore[attr-defined]
    return tell


def _photo(side: int) -> np.ndarray:
    return np.full((side, side, 3), 128, np.uint8)


@pytest.mark.parametrize("source_yaw", [-48, -30, 0, 25, 48, 60])
@pytest.mark.parametrize("target_yaw", [-48, -20, 0, 45])
def test_what_is_refused_is_told_before(
    pipe: FusionPipeline, fakes: Any, make_mesh: Any, tell: Any, source_yaw: int, target_yaw: int
) -> None:
    fakes.faces[200, 200] = make_mesh((100.0, 100.0), 120.0, yaw=source_yaw)
    fakes.faces[220, 220] = make_mesh((110.0, 110.0), 120.0, yaw=target_yaw)
    refused = ""
    try:
        pipe(_photo(200), _photo(220), tier="fast")
    except FusionError as error:
        refused = str(error)
    notice = tell(_photo(200), target=_photo(220))
    if abs(source_yaw) > 50:  # told beside the photo already
        assert refused and notice == ""
    else:
        assert (refused in notice) if refused else (notice == "")


def test_the_nearest_of_several_photos_counts(fakes: Any, make_mesh: Any, tell: Any) -> None:
    for side, yaw in ((200, -30), (210, 20), (220, 25)):
        fakes.faces[side, side] = make_mesh((side / 2, side / 2), 120.0, yaw=yaw)
    assert "problem" in tell(_photo(200), target=_photo(220))
    assert tell(_photo(200), _photo(210), target=_photo(220)) == ""


def test_one_photo_twice_and_a_much_smaller_face(fakes: Any, make_mesh: Any, tell: Any) -> None:
    for side, height in ((200, 160.0), (210, 60.0), (620, 500.0)):
        fakes.faces[side, side] = make_mesh((side / 2, side / 2), height)
    assert say("pair.same") in tell(_photo(200), target=_photo(200))
    assert say("pair.small") in tell(_photo(210), target=_photo(620))
    assert tell(_photo(200), target=_photo(620)) == ""
    assert tell(None, target=_photo(620)) == tell(_photo(200), target=None) == ""


def test_photos_too_large_for_each_other(fakes: Any, make_mesh: Any, tell: Any) -> None:
    def hold(*given: Any) -> Any:
        raise TooManyPixelsError

    tell.uploads.hold = hold
    notice = tell(_photo(200), target=_photo(220))
    assert say("error.too_many_pixels") in notice and "problem refused" in notice


@pytest.mark.parametrize("doubt", list(Doubt))
@pytest.mark.parametrize("language", list(Language))
def test_only_what_cannot_be_refused_is_promised(doubt: Doubt, language: Language) -> None:
    """A turned or tilted face may be refused for the other photo's."""
    text = doubts_update([doubt], "ok.source", language)["value"]
    poses = doubt in (Doubt.TURNED, Doubt.TILTED)
    assert (say("doubt.go_on", language) in text) != poses
    assert (say("doubt.same_way", language) in text) == poses
