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

from benchmarks.profiles import DISPLAY_P3, rgb_profile
from facefusion import FusionPipeline, Tier, words
from facefusion.errors import EmptyPhotoError, NoFaceError, UnreadablePhotoError
from facefusion.images.marking import marked
from facefusion.images.saving import COMMENT, SOURCE_TYPE
from facefusion.perception.reading_order import in_reading_order
from facefusion.pipeline.pipeline import STAGES
from facefusion.tiers import TIERS
from facefusion.words import say


@pytest.fixture
def fuse(client: gradio_client.Client, server: Any) -> Callable[..., Any]:
    def call(source: str | None, target: str | None, tier: str = "best", **options: Any) -> Any:
        files = [handle_file(path) if path else None for path in (source, target)]
        return client.predict(*files, tier, **{"i_have_consent": True, **options}, api_name="/fuse")

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
        for picture in (result, draft):
            assert (
                picture.info["Comment"] == COMMENT and SOURCE_TYPE.encode() in picture.info["xmp"]
            )
        image, coarse = np.asarray(result), np.asarray(draft)
    pipeline.cache.clear()
    expected = pipeline(guest, astronaut, tier=tier)
    assert image.shape == coarse.shape == astronaut.shape
    for made, wanted in ((image, expected.image), (coarse, expected.coarse)):
        assert np.abs(made.astype(int) - marked(wanted, faces=expected.boxes)).max() <= 2
    changed = np.abs(image.astype(int) - astronaut).mean(axis=2)
    assert changed[expected.mask > 0.9].mean() > 5
    assert (
        changed[:20].max() == changed[200:400].max() == 0
    )  # above the face, and between it and the mark

    assert report["identity_similarity"] == pytest.approx(expected.identity_similarity, abs=0.01)
    assert report["resemblance"] == words.grade(expected.identity_similarity)
    assert report["reason"] is None and len(report["faces"]) == 1
    assert report["tier"] == tier.value
    assert list(report["seconds"]) == list(expected.timings.stages)
    seconds = report["seconds"].values()  # 0 where a network had answered before it was asked for
    assert min(seconds) >= 0 and max(seconds) > 0


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


def test_a_result_keeps_its_targets_colours(
    fuse: Callable[..., Any], save: Callable[..., str], astronaut: np.ndarray, face_file: str
) -> None:
    profile, exif = rgb_profile(*DISPLAY_P3), Image.Exif()
    exif[0x8298] = "(c) Jane Doe"
    alpha = np.full(astronaut.shape[:2], 255, np.uint8)
    alpha[:20] = 0
    target = save(np.dstack([astronaut, alpha]), icc_profile=profile, exif=exif, dpi=(300, 300))
    result_path, draft_path, report = fuse(face_file, target, "fast")
    for path in (result_path, draft_path):
        with Image.open(path) as image:
            assert image.info["icc_profile"] == profile and round(image.info["dpi"][0]) == 300
            assert image.getexif()[0x8298] == "(c) Jane Doe"
            made = np.asarray(image)
        assert made.shape == (*astronaut.shape[:2], 4)
        np.testing.assert_array_equal(made[:20], np.dstack([astronaut, alpha])[:20])
        np.testing.assert_array_equal(made[200:400, :, :3], astronaut[200:400])
    assert report["notes"] == []


def test_what_is_special_in_a_file_is_said(
    fuse: Callable[..., Any], save: Callable[..., str], astronaut: np.ndarray, face_file: str
) -> None:
    target = save(astronaut, ".jpg", icc_profile=b"no profile", quality=95)
    _, _, report = fuse(face_file, target, "fast")
    assert report["notes"] == [f"{say('photo.target')}: {say('note.unknown_profile')}"]


def test_takes_heic(
    fuse: Callable[..., Any], client: gradio_client.Client, heic_file: str, face_file: str
) -> None:
    result_path, _, _ = fuse(face_file, heic_file)
    with Image.open(result_path) as result:
        assert result.size == (512, 400)
    assert fuse(heic_file, face_file)
    found = client.predict(gradio_client.handle_file(heic_file), api_name="/detect")
    assert len(found["faces"]) == 1


@pytest.mark.parametrize("which", ["source", "target"])
@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ("landscape_file", NoFaceError),
        ("text_file", UnreadablePhotoError),
        ("cut_file", UnreadablePhotoError),
        ("cut_heic_file", UnreadablePhotoError),
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


def test_refuses_an_unknown_tier(
    fuse: Callable[..., Any], server: Any, face_file: str, photo_file: str
) -> None:
    with pytest.raises(AppError) as caught:
        fuse(face_file, photo_file, "<b>perfect</b>")
    assert str(caught.value) == say("error.no_such_tier")
    assert server.watched.calls == []


def test_hides_what_it_does_not_understand(
    fuse: Callable[..., Any],
    server: Any,
    face_file: str,
    photo_file: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.watched.failure = ZeroDivisionError("in /secret/place")
    with pytest.raises(AppError) as caught:
        fuse(face_file, photo_file)
    assert str(caught.value) == say("error.unexpected")
    assert [
        record.getMessage() for record in caplog.records if record.name == "facefusion.app"
    ] == ["No fusion: ZeroDivisionError"]


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

    assert server.files() and not any(secret in name for name in server.files())
    printed = capfd.readouterr()
    # The client runs in this process too, and logs its own requests.
    logged = "\n".join(
        record.getMessage()
        for record in caplog.records
        if not record.name.startswith(("httpx", "httpcore"))
    )
    assert "No fusion: UnreadablePhotoError" in logged
    for text in (printed.out, printed.err, logged):
        assert secret not in text
        assert "Traceback" not in text


def test_exposes_two_endpoints(client: gradio_client.Client, server: Any) -> None:
    api = client.view_api(return_format="dict", print_info=False)
    assert sorted(api["named_endpoints"]) == ["/detect", "/fuse"]
    assert api["unnamed_endpoints"] == {}
    fuse, detect = api["named_endpoints"]["/fuse"], api["named_endpoints"]["/detect"]
    defaults = {each["parameter_name"]: each["parameter_default"] for each in fuse["parameters"]}
    assert list(defaults) == [
        "source",
        "target",
        "tier",
        "faces",
        "likeness",
        "blend",
        "i_have_consent",
    ]
    assert (defaults["tier"], defaults["faces"], defaults["i_have_consent"]) == ("auto", [], False)
    assert [output["label"] for output in fuse["returns"]] == ["Result", "First draft", "Report"]
    assert [each["parameter_name"] for each in detect["parameters"]] == ["photo"]
    public = [
        d["api_name"]
        for d in server.demo.config["dependencies"]
        if d["api_visibility"] != "private"
    ]
    assert sorted(public) == ["detect", "fuse"]


def test_nothing_is_made_without_consent(
    fuse: Callable[..., Any], server: Any, face_file: str, photo_file: str
) -> None:
    with pytest.raises(AppError) as caught:
        fuse(face_file, photo_file, i_have_consent=False)
    assert str(caught.value) == say("error.api_consent")
    assert server.watched.calls == []


def test_detect(
    client: gradio_client.Client, server: Any, save: Callable[..., str], group: np.ndarray
) -> None:
    found = client.predict(handle_file(save(group)), api_name="/detect")
    assert (found["width"], found["height"]) == (1280, 886)
    assert [face["number"] for face in found["faces"]] == [1, 2, 3, 4, 5, 6]
    lefts = [face["box"][0] for face in found["faces"]]
    assert lefts[:2] == sorted(lefts[:2]) and lefts[2:] == sorted(lefts[2:])  # two rows
    tops = [face["box"][1] for face in found["faces"]]
    assert max(tops[:2]) < min(tops[2:])
    for face in found["faces"]:
        left, top, right, bottom = face["box"]
        assert all(left < x < right and top < y < bottom for x, y in face["points"])
        assert face["usable"] == (face["problem"] is None)


def test_detect_says_why_not(
    client: gradio_client.Client, server: Any, landscape_file: str, text_file: str
) -> None:
    for path, error in ((landscape_file, NoFaceError), (text_file, UnreadablePhotoError)):
        with pytest.raises(AppError) as caught:
            client.predict(handle_file(path), api_name="/detect")
        assert str(caught.value) == str(error("target"))


def test_the_chosen_faces_are_replaced(
    fuse: Callable[..., Any],
    save: Callable[..., str],
    photo_file: str,
    group: np.ndarray,
    pipeline: FusionPipeline,
) -> None:
    path, _, report = fuse(photo_file, save(group), "fast", faces=[2, 6])
    assert len(report["faces"]) == 2
    image = np.asarray(Image.open(path)).astype(int)
    for number, face in enumerate(in_reading_order(pipeline.find_faces(group)), 1):
        x, y = np.round(face.mesh[:, :2].mean(0)).astype(int)
        changed = np.abs(image - group)[y - 15 : y + 15, x - 15 : x + 15].mean()
        assert (changed > 3) == (number in (2, 6))
    for wrong in ([0], [7], ["2"], [1.5], {"1": 1}):
        with pytest.raises(AppError) as caught:
            fuse(photo_file, save(group), "fast", faces=wrong)
        assert str(caught.value) == say("error.no_such_face")


@pytest.mark.parametrize("options", [{"likeness": -0.5}, {"blend": 2}])
def test_shares_are_between_0_and_1(
    fuse: Callable[..., Any], face_file: str, photo_file: str, options: dict[str, float]
) -> None:
    with pytest.raises(AppError) as caught:
        fuse(face_file, photo_file, "fast", **options)
    assert str(caught.value) == say("error.no_such_share")


def test_every_stage_has_words() -> None:
    for language in words.Language:
        assert all(say(f"stage.{stage}", language) for stage in STAGES)
