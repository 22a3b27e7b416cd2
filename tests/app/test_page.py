"""The page: what is served, and to whom it talks."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio_client
import pytest

import app
from facefusion import FusionPipeline, Tier, TierChoice, TierReason, looks, words
from facefusion.choice import TierChooser
from facefusion.speed import Speed
from facefusion.types import Timings

QUICK = Speed(0.1, {Tier.FAST: 0.05, Tier.BALANCED: 0.1, Tier.BEST: 0.2})


def _get(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status, answer.read().decode()


def test_is_healthy_and_keeps_nothing(server: Any) -> None:
    status, body = _get(server.url + "config")
    config = json.loads(body)
    assert status == 200
    assert config["title"] == words.TITLE
    assert config["run_history"] is False
    assert config["analytics_enabled"] is False
    assert server.demo.delete_cache == (60, 600)
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
    assert {fn.api_name for fn in fusions} == {"fuse", "fuse_on_page"}
    assert {fn.concurrency_limit for fn in fusions} == {app.FUSIONS_AT_ONCE}


def test_every_component_has_a_stable_id(server: Any) -> None:
    shown = [c for c in server.demo.config["components"] if c["type"] not in ("form", "dataset")]
    assert len(shown) > 15
    assert [c["type"] for c in shown if not c["props"].get("elem_id")] == []


def test_examples_are_the_pairs_whose_files_exist(tmp_path: Path) -> None:
    assert app._example_pairs(tmp_path) == []
    for name in ("a.jpg", "b.png"):
        (tmp_path / name).touch()
    (tmp_path / "pairs.csv").write_text("source,target\na.jpg,b.png\na.jpg,gone.jpg\n", encoding="utf-8")
    assert app._example_pairs(tmp_path) == [[str(tmp_path / "a.jpg"), str(tmp_path / "b.png")]]


@pytest.mark.parametrize(
    ("similarity", "word"),
    [(0.9, "Excellent"), (0.7, "Excellent"), (0.6, "Good"), (0.5, "Fair"), (0.3, "Weak"), (-1.0, "Weak")],
)
def test_likeness_in_words(similarity: float, word: str) -> None:
    assert words.likeness(similarity)[0] == word
    html = looks.report(similarity, Timings({"detect": 0.5, "coarse": 1.0}))
    assert f"Likeness: {word}" in html
    assert f"<strong>{similarity:.2f}</strong>" in html
    assert "Done in 1.5 seconds" in html
    assert html.count("<tr>") == 2


def test_the_report_says_what_was_chosen_and_why() -> None:
    for tier, reason, expected in (
        (Tier.BALANCED, TierReason.BUSY, "Quality: Balanced, because others are waiting too."),
        (Tier.FAST, TierReason.SMALL_FACE, "Quality: Fast, because the face in the photo is small"),
    ):
        assert expected in looks.report(0.6, Timings(), TierChoice(tier, reason, {}, 90.0))
    assert "Quality" not in looks.report(0.6, Timings())
    assert set(words.REASONS) == set(TierReason) and set(words.TIER_NAMES) == set(Tier)


def test_a_notice_is_text_not_html() -> None:
    assert "<script>" not in looks.notice("<script>alert(1)</script>")
    assert looks.notice("") == ""


def test_port_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    paper = SimpleNamespace(chooser=TierChooser(lambda: QUICK), expected_seconds=dict)
    monkeypatch.setattr(app.FusionPipeline, "from_pretrained", classmethod(lambda cls: paper))
    monkeypatch.setattr(app, "build_demo", lambda pipeline: "demo")
    monkeypatch.setattr(app, "launch", lambda demo, **options: seen.update(options))
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
            app.main()
        assert (seen["host"], seen["port"]) == expected


def test_those_that_wait_are_counted(
    pipeline: FusionPipeline, serve_page: Any, tmp_path: Path, face_file: str, photo_file: str
) -> None:
    released = threading.Event()
    with serve_page(pipeline, tmp_path) as server:
        server.watched.pipeline = lambda *photos, **options: (released.wait(60), pipeline(*photos, **options))[1]
        client = gradio_client.Client(server.url, verbose=False, download_files=tmp_path)
        assert app.waiting(server.demo) == 0
        visits = app.FUSIONS_AT_ONCE + 2
        files = [gradio_client.handle_file(path) for path in (face_file, photo_file)]
        jobs = [client.submit(*files, "fast", api_name="/fuse") for _ in range(visits)]
        deadline = time.monotonic() + 30
        while app.waiting(server.demo) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert app.waiting(server.demo) == 2
        released.set()
        assert [job.result(timeout=60)[2]["tier"] for job in jobs] == ["fast"] * visits
        assert app.waiting(server.demo) == 0
