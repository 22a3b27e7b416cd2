"""The page: what is served, and to whom it talks."""

from __future__ import annotations

import json
import re
import shutil
import threading
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import gradio_client
import numpy as np
import pytest

import app
from facefusion import FusionPipeline, FusionResult, Tier, TierChoice, TierReason, words
from facefusion.auto.chooser import TierChooser
from facefusion.auto.speed import Speed
from facefusion.page import examples, files, group, html, layout
from facefusion.page.actions import Actions
from facefusion.page.form import components
from facefusion.page.fusing import Fusing
from facefusion.page.host import Host
from facefusion.page.layout import CONSENTS
from facefusion.page.stops import Stops
from facefusion.page.waits import ASSUMED, Waits
from facefusion.pipeline.cache import FeatureCache
from facefusion.tiers import TIERS
from facefusion.types import Flaw, Kept, Timings
from facefusion.words import Language, say
from tests.waiting import becomes_true

QUICK = Speed(0.1, {tier: 0.05 * 2**i for i, tier in enumerate(TIERS)})


def _get(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status, answer.read().decode()


def test_is_healthy_and_keeps_nothing(server: Any) -> None:
    status, body = _get(server.url + "config")
    config = json.loads(body)
    assert status == 200
    assert config["title"] == "FaceFusion"
    assert config["run_history"] is False
    assert config["analytics_enabled"] is False
    assert server.demo.max_file_size == 30 * 1024 * 1024
    assert server.demo.show_error is False


def test_uses_no_font_of_another_host(server: Any) -> None:
    config = json.loads(_get(server.url + "config")[1])
    assert config["stylesheets"] == []
    theme = _get(server.url + "theme.css")[1]
    assert "system-ui" in theme
    for text in (theme, config["css"], config["head"]):
        assert not re.findall(r"@import|@font-face|//fonts\.|https:|url\((?!\s*[\"']?data:)", text)


def test_fusions_share_one_pool(server: Any) -> None:
    fusions = [fn for fn in server.demo.fns.values() if fn.concurrency_id == "fusion"]
    assert {fn.api_name for fn in fusions} == {"fuse", "fuse_on_page", "compare_on_page"}
    assert {fn.concurrency_limit for fn in fusions} == {app.FUSIONS_AT_ONCE}


def test_every_component_has_a_stable_id(server: Any) -> None:
    shown = [c for c in server.demo.config["components"] if c["type"] not in ("form", "state")]
    assert len(shown) > 15
    assert [c["type"] for c in shown if not c["props"].get("elem_id")] == []


def test_examples_are_those_whose_files_exist(tmp_path: Path) -> None:
    assert examples.read(tmp_path) == []
    for name in ("a.jpg", "b.png"):
        (tmp_path / name).touch()
    (tmp_path / "pairs.csv").write_text(
        "source,target\na.jpg,b.png\na.jpg,gone.jpg\n", encoding="utf-8"
    )
    (pair,) = examples.read(tmp_path)
    assert (pair.face, pair.target, pair.result) == (tmp_path / "a.jpg", tmp_path / "b.png", None)
    assert examples.hero([pair]) is None
    ready = tmp_path / "ready"
    ready.mkdir()
    for name in ("f.jpg", "t.jpg", "r.jpg"):
        (ready / name).touch()
    (ready / "index.csv").write_text(
        "file,kind,english,chinese,target,face\nt.jpg,target,A tree,一棵树,,\n"
        "r.jpg,result,x,y,t.jpg,f.jpg\ngone.jpg,result,x,y,t.jpg,f.jpg\n",
        encoding="utf-8",
    )
    (made,) = examples.read(tmp_path)
    assert (made.face, made.target, made.result) == (
        ready / "f.jpg",
        ready / "t.jpg",
        ready / "r.jpg",
    )
    assert made.names[Language.CHINESE] == "一棵树"
    assert ready / "r.jpg" not in examples.files([made])  # it has no mark


def _result(
    similarities: list[float],
    choice: TierChoice | None = None,
    flaws: tuple[Flaw, ...] = (),
    kept: tuple[Kept, ...] = (),
) -> FusionResult:
    faces: Any = tuple(
        SimpleNamespace(identity_similarity=value, flaws=flaws, kept=kept) for value in similarities
    )
    empty = np.zeros((1, 1, 3), np.uint8)
    return FusionResult(
        empty,
        empty,
        np.zeros((1, 1), np.float32),
        Timings({"detect": 0.5, "coarse": 1.0}),
        Tier.BEST,
        faces,
        choice,
    )


@pytest.mark.parametrize(
    ("similarity", "word"),
    [
        (0.9, "strong"),
        (0.7, "strong"),
        (0.6, "clear"),
        (0.5, "some"),
        (0.3, "little"),
        (-1.0, "little"),
    ],
)
@pytest.mark.parametrize("language", list(Language))
def test_the_report_says_how_alike_it_is(similarity: float, word: str, language: Language) -> None:
    assert words.grade(similarity) == word
    report = html.report(_result([similarity]), language)
    match = f"{say('match', language)} {say(f'match.{word}', language)}"
    assert words.punctuated(match, language) in report
    colon = {Language.ENGLISH: ":</strong> ", Language.CHINESE: "\uff1a</strong>"}[language]
    assert f"<strong>{say('picture', language)}{colon}{say('flaw.none', language)}" in report
    assert f"<strong>{similarity:.2f}</strong>" in report and 'role="status"' in report
    assert f"{say('done', language)} 1.5 {say('seconds', language)}" in report
    assert report.count("<tr>") == 2 and "i18n" not in report


@pytest.mark.parametrize("language", list(Language))
def test_the_report_says_what_stays_of_the_photo(language: Language) -> None:
    kept = (Kept.BEARD, Kept.GLASSES)
    names = words.listed(["stays.beard", "stays.glasses"], language)
    assert f"{say('stays', language)}</strong> {names}<" in html.report(
        _result([0.9], kept=kept), language
    )
    assert say("stays", language) not in html.report(_result([0.9]), language)
    table = group.done(_result([0.9, 0.8], kept=kept), [1, 2], [1, 1], left=False)
    assert table.count('data-say="stays.beard"') == table.count('data-say="stays"') == 2


def test_several_faces_are_one_table_and_their_sentences_are_said_once() -> None:
    result = _result([0.9, 0.3, 0.35])
    table = group.done(result, [2, 5, 6], [1, 3, 1], left=True)
    rows = [
        f'<th scope="row"><span data-say="face"></span> {number}</th><td data-say="who.{person}">'
        f'</td><td><span data-say="match.{grade}"></span> {similarity}</td>'
        '<td><span data-say="flaw.none.name"></span></td>'
        for number, person, grade, similarity in (
            (2, 1, "strong", "0.90"),
            (5, 3, "little", "0.30"),
            (6, 1, "little", "0.35"),
        )
    ]
    assert table.index(rows[0]) < table.index(rows[1]) < table.index(rows[2])
    for key in ("done.left", "done.scale", "done.hint"):
        assert table.count(f'data-say="{key}"') == 1
    assert "match" not in html.report(result, Language.ENGLISH)
    good = group.done(_result([0.9, 0.8]), [1, 2], [1, 2], left=False)
    assert "done.left" not in good and "done.hint" not in good
    soft = group.done(_result([0.9, 0.8], None, tuple(Flaw)), [1, 2], [1, 2], left=False)
    assert soft.count('data-say="flaw.soft.name"') == 2 and "flaw.none" not in soft
    keys = set(re.findall(r'data-say="([^"]+)"', table + good + soft))
    assert keys <= set(words.TEXTS[Language.ENGLISH])


@pytest.mark.parametrize("language", list(Language))
def test_the_report_says_what_can_be_seen_and_what_to_try(language: Language) -> None:
    report = html.report(_result([0.9]), language)
    assert say("flaw.none", language) in report
    report = html.report(_result([0.9], None, (Flaw.LIGHT, Flaw.SOFT)), language)
    assert all(say(f"flaw.{flaw}", language) in report for flaw in (Flaw.LIGHT, Flaw.SOFT))
    assert not any(say(f"flaw.{flaw}", language) in report for flaw in ("none", Flaw.MOUTH))


@pytest.mark.parametrize("flaw", list(Flaw))
def test_every_flaw_has_its_sentence(flaw: Flaw) -> None:
    assert all(say(f"flaw.{flaw}", language) for language in Language)


def test_the_report_says_what_was_chosen_and_why() -> None:
    for tier, reason, expected in (
        (
            Tier.BALANCED,
            TierReason.BUSY,
            "<strong>Balanced</strong>, chosen because others are waiting too.",
        ),
        (
            Tier.FAST,
            TierReason.SMALL_FACE,
            "<strong>Fast</strong>, chosen because the face in the photo is small",
        ),
    ):
        assert expected in html.report(
            _result([0.6], TierChoice(tier, reason, {}, 90.0)), Language.ENGLISH
        )
    assert "Quality" not in html.report(_result([0.6]), Language.ENGLISH)


def test_a_notice_is_text_not_html() -> None:
    assert "<script>" not in html.notice("<script>alert(1)</script>")
    assert html.notice("") == ""
    assert 'role="alert"' in html.notice("a") and 'role="status"' in html.notice("a", "doubt")


def test_the_page_says_when_other_networks_run_than_were_asked_for() -> None:
    fake: Any = SimpleNamespace(
        notice="The networks <b>a/b</b> could not be used.", cache=FeatureCache()
    )
    config = app.build_demo(fake).get_config_file()
    shown = [
        each["props"]["value"]
        for each in config["components"]
        if each["props"].get("elem_id") == "weights-notice"
    ]
    assert len(shown) == 1 and "could not be used" in shown[0] and "<b>" not in shown[0]
    silent: Any = SimpleNamespace(notice=None, cache=FeatureCache())
    assert "weights-notice" not in str(app.build_demo(silent).get_config_file())


def test_port_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    fake = SimpleNamespace(chooser=TierChooser(lambda: QUICK), expected_seconds=dict)
    monkeypatch.setattr(app.FusionPipeline, "from_pretrained", classmethod(lambda cls, **_: fake))

    class Stopped(Exception):
        """Instead of serving."""

    def launch(demo: Any, photos: Any, **options: Any) -> Any:
        seen.update(options)
        raise Stopped

    monkeypatch.setattr(app, "build_demo", lambda *_: "demo")
    monkeypatch.setattr(app, "launch", launch)
    for name in ("GRADIO_SERVER_PORT", "GRADIO_SERVER_NAME", "PORT"):
        monkeypatch.delenv(name, raising=False)
    for environment, arguments, expected in (
        ({}, [], ("127.0.0.1", 7860)),
        ({"PORT": "8001"}, [], ("127.0.0.1", 8001)),
        ({"PORT": "8001", "GRADIO_SERVER_PORT": "8002"}, ["--host", "0.0.0.0"], ("0.0.0.0", 8002)),
        ({"PORT": "8001"}, ["--port", "8003"], ("127.0.0.1", 8003)),
    ):
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr("sys.argv", ["app.py", *arguments])
            patch.setenv(
                "GRADIO_TEMP_DIR", ""
            )  # `main` sets it for the rest of its process; here it is put back
            patch.setattr(app.signal, "signal", lambda *_: None)
            patch.setattr(app.os, "umask", lambda _: None)
            with pytest.raises(Stopped):
                app.main()
        assert (seen["host"], seen["port"]) == expected


def test_those_that_wait_are_counted(
    pipeline: FusionPipeline, serve_page: Any, tmp_path: Path, face_file: str, photo_file: str
) -> None:
    released = threading.Event()
    with serve_page(pipeline, tmp_path) as server:
        server.watched.hold = released
        client = gradio_client.Client(server.url, verbose=False, download_files=tmp_path)
        assert server.jobs.waiting() == 0
        visits = app.FUSIONS_AT_ONCE + 2
        files = [gradio_client.handle_file(path) for path in (face_file, photo_file)]
        jobs = [
            client.submit(*files, "fast", i_have_consent=True, api_name="/fuse")
            for _ in range(visits)
        ]
        assert becomes_true(lambda: server.jobs.waiting() == 2)
        released.set()
        assert [job.result(timeout=60)[2]["tier"] for job in jobs] == ["fast"] * visits
        assert server.jobs.waiting() == 0


@pytest.mark.parametrize("studio", [False, True])
def test_studio_is_offered_only_with_its_models(studio: bool) -> None:
    tiers = [Tier.AUTO, *TIERS, *([Tier.STUDIO] if studio else [])]
    pipeline: Any = SimpleNamespace(tiers=tiers, expected_seconds=lambda: {Tier.FAST: 0.2})
    layout: Any = SimpleNamespace(settings=SimpleNamespace(tier="tier"))
    request: Any = SimpleNamespace(headers={})
    jobs: Any = None
    choices = Actions(pipeline, layout, jobs, Stops(), Waits()).show_tiers(request)["tier"][
        "choices"
    ]
    assert [value for _, value in choices] == [tier.value for tier in tiers]
    shown = [name.rpartition(" · ")[2] for name, _ in choices if " · " in name]
    assert shown == [f"{0.2 + ASSUMED:.1f} s"]


def _shown(data: str) -> tuple[str, ...]:
    """Kind, picture and PNG in what the view reads."""
    values = dict(re.findall(r'data-(\w+)="([^"]*)"', data))
    assert values["before"].endswith("photo.jpg") and float(values["ratio"]) == 1
    return tuple(values[name].rpartition("=")[2] for name in ("kind", "after", "png"))


def test_the_result_is_shown_before_its_large_files_are_written(
    pipeline: FusionPipeline,
    tmp_path: Path,
    face_file: str,
    photo_file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with gr.Blocks():
        page = layout.build(None, [], Host.read())
    written: list[str] = []

    def write(image: Any, directory: Any, extension: str, name: str = "") -> str:
        written.append(extension)
        return f"{len(written)}{extension}"

    monkeypatch.setattr(files, "write", write)
    request: Any = SimpleNamespace(headers={}, session_hash="a")
    paths = [
        str(shutil.copy(path, tmp_path / name))
        for name, path in (("a", face_file), ("b", photo_file))
    ]
    form = dict.fromkeys(components(page)) | {
        "source": {"path": paths[0]},
        "target": {"path": paths[1]},
        "assignment": "",
        "tier": "best",
        "likeness": 0.5,
        "blend": 1.0,
        "consent": list(CONSENTS),
        "consented": frozenset(),
    }
    values = {component: form[name] for name, component in components(page).items()}
    photos = app.open_photos(tmp_path)
    steps = Fusing(pipeline, page, photos, Stops(), Waits()).fuse(
        values, request, lambda *_, **__: None
    )
    shown = [(_shown(changes[page.outcome.made]), list(written)) for changes in steps]
    photos.close()
    assert shown == [
        (("draft", "1.jpg", ""), [".jpg"]),
        (("result", "2.jpg", ""), [".jpg", ".jpg"]),
        (("result", "2.jpg", "3.png"), [".jpg", ".jpg", ".png"]),
    ]
