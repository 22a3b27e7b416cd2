"""What a press of an example costs, and where its result lies."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefusion.images.lettering import CHINESE, ENGLISH
from facefusion.images.marking import mark_box, marked
from facefusion.images.saving import SOURCE_TYPE
from facefusion.page import showing
from facefusion.page.examples import Example
from facefusion.page.showing import Showing


def test_each_result_is_read_once_for_every_language(
    tmp_path: Path, make_photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And every visitor gets a file of their own."""
    result = tmp_path / "result.png"
    Image.fromarray(make_photo(300, 400)).save(result)
    read: list[Path] = []
    reader = showing.read_photo
    monkeypatch.setattr(
        showing, "read_photo", lambda path, role: (read.append(path), reader(path, role))[1]
    )
    target: Any = SimpleNamespace(field=SimpleNamespace(photo="target"))
    outcome: Any = SimpleNamespace(made="made", done="done", details="details")
    layout: Any = SimpleNamespace(photos=SimpleNamespace(target=target), outcome=outcome)
    photos: Any = SimpleNamespace(results=lambda request: tmp_path / request.visitor)
    example = Example(tmp_path / "face.jpg", tmp_path / "photo.jpg", result, {})
    show = Showing(layout, photos).shower(example)
    made: dict[str, list[Path]] = {}
    for visitor in ("a", "b"):
        (tmp_path / visitor).mkdir()
        for language in ("en", "zh"):
            request: Any = SimpleNamespace(headers={"accept-language": language}, visitor=visitor)
            shown = str(show(None, request)["made"])
            (path,) = (tmp_path / visitor).rglob("*.jpg")
            assert path.parent.name in shown
            made.setdefault(language, []).append(
                path.rename(tmp_path / f"{visitor}-{language}.jpg")
            )
    assert read == [result, result]
    for language, text in (("en", ENGLISH), ("zh", CHINESE)):
        one, other = made[language]
        assert one.read_bytes() == other.read_bytes() and SOURCE_TYPE.encode() in one.read_bytes()
        expected = marked(make_photo(300, 400), text)
        left, top, right, bottom = mark_box((300, 400), text)
        difference = np.abs(np.asarray(Image.open(one)).astype(int) - expected)
        assert difference[top:bottom, left:right].mean() < 4 and difference.mean() < 4
