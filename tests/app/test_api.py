"""The endpoint `/fuse`, called over HTTP as programs call it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio_client
import numpy as np
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from facefusion import FusionPipeline, Tier, words
from facefusion.errors import EmptyPhotoError, NoFaceError, UnreadablePhotoError
from facefusion.pipeline import STAGES
from facefusion.tiers import TIERS


@pytest.fixture
def fuse(client: gradio_client.Client, server: Any) -> Callable[..., Any]:
    def call(source: str | None, target: str | None, tier: str = "best") -> Any:
        files = [handle_file(path) if path else None for path in (source, target)]
        return client.predict(*files, tier, api_name="/fuse")

    return call


@pytest.mark.parametrize("tier", list(TIERS))
def test_fuses_two_photos(
    fuse: Callable[..., Any],
    server: Any,
    pipeline: FusionPipeline,
    guest: np.ndarray,
    astronaut: np.ndarray,
    face_file: str,
    photo_file: str,
    tier: Tier,
) -> None:
    pipeline.cache.clear()  # it is the server's own
    result_path, draft_path, report = fuse(face_file, photo_file, tier.value)
    assert server.watched.calls == [tier.value]

    with Image.open(result_path) as result, Image.open(draft_path) as draft:
        assert (result.format, draft.format) == ("PNG", "PNG")
        assert result.info["Comment"] == draft.info["Comment"] == words.MADE_BY_AI
        image, coarse = np.asarray(result), np.asarray(draft)
    pipeline.cache.clear()
    expected = pipeline(guest, astronaut, tier=tier)
    assert image.shape == coarse.shape == astronaut.shape
    assert np.abs(image.astype(int) - expected.image).max() <= 2
    assert np.abs(coarse.astype(int) - expected.coarse).max() <= 2
    changed = np.abs(image.astype(int) - astronaut).mean(axis=2)
    assert changed[expected.mask > 0.9].mean() > 5
    assert changed[expected.mask == 0].max() == 0
    assert changed[:20].max() == changed[400:].max() == 0

    assert report["identity_similarity"] == pytest.approx(expected.identity_similarity, abs=0.01)
    assert report["likeness"] == words.likeness(expected.identity_similarity)[0]
    assert report["tier"] == tier.value
    assert list(report["seconds"]) == list(expected.timings.stages)
    assert all(seconds > 0 for seconds in report["seconds"].values())


def test_turns_a_photo_upright(
    fuse: Callable[..., Any], save: Callable[..., str], astronaut: np.ndarray, face_file: str
) -> None:
    sideways = np.rot90(astronaut[:400])  # 512 x 400 on the disk, 400 x 512 to be looked at
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = save(np.ascontiguousarray(sideways), exif=exif.tobytes())
    result_path, _, _ = fuse(face_file, turned)
    with Image.open(result_path) as result:
        assert result.size == (512, 400)
        assert result.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("which", ["source", "target"])
@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("landscape_file", NoFaceError),
        ("text_file", UnreadablePhotoError),
        ("cut_file", UnreadablePhotoError),
        (None, EmptyPhotoError),
    ],
)
def test_says_which_photo_cannot_be_used(
    fuse: Callable[..., Any],
    request: pytest.FixtureRequest,
    face_file: str,
    photo_file: str,
    which: Any,
    bad: str | None,
    error: type[NoFaceError],
) -> None:
    path = request.getfixturevalue(bad) if bad else None
    files = (path, photo_file) if which == "source" else (face_file, path)
    with pytest.raises(AppError) as caught:
        fuse(*files)
    assert str(caught.value) == str(error(which))


def test_refuses_an_unknown_tier(fuse: Callable[..., Any], server: Any, face_file: str, photo_file: str) -> None:
    with pytest.raises(AppError) as caught:
        fuse(face_file, photo_file, "<b>perfect</b>")
    assert str(caught.value) == words.NO_SUCH_TIER
    assert server.watched.calls == []


def test_hides_what_it_does_not_understand(
    fuse: Callable[..., Any], server: Any, face_file: str, photo_file: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.watched.failure = ZeroDivisionError("in /secret/place")
    with pytest.raises(AppError) as caught:
        fuse(face_file, photo_file)
    assert str(caught.value) == words.UNEXPECTED
    assert [record.getMessage() for record in caplog.records if record.name == "facefusion.app"] == [
        "No fusion: ZeroDivisionError"
    ]


def test_logs_nothing_of_the_uploads(
    fuse: Callable[..., Any],
    server: Any,
    face_file: str,
    photo_file: str,
    text_file: str,
    cut_file: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    secret = Path(face_file).stem
    caplog.set_level(logging.INFO)
    fuse(face_file, photo_file)
    for bad in (text_file, cut_file, None):
        with pytest.raises(AppError):
            fuse(face_file, bad)
    server.watched.failure = OSError(face_file)
    with pytest.raises(AppError):
        fuse(face_file, photo_file)

    assert any(secret in name for name in server.files())  # the server did know the name
    printed = capfd.readouterr()
    # The client runs in this process too, and logs its own requests.
    logged = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore")))
    assert "No fusion: UnreadablePhotoError" in logged
    for text in (printed.out, printed.err, logged):
        assert secret not in text
        assert "Traceback" not in text


def test_exposes_one_endpoint(client: gradio_client.Client, server: Any) -> None:
    api = client.view_api(return_format="dict", print_info=False)
    assert list(api["named_endpoints"]) == ["/fuse"]
    assert api["unnamed_endpoints"] == {}
    fuse = api["named_endpoints"]["/fuse"]
    assert [parameter["parameter_name"] for parameter in fuse["parameters"]] == ["source", "target", "tier"]
    assert fuse["parameters"][2]["parameter_default"] == "auto"
    assert [output["label"] for output in fuse["returns"]] == [words.RESULT, words.DRAFT, "Report"]
    public = [d["api_name"] for d in server.demo.config["dependencies"] if d["api_visibility"] != "private"]
    assert public == ["fuse"]


def test_every_stage_has_words() -> None:
    assert set(words.STAGES) == set(STAGES)
