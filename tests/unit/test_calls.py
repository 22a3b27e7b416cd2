"""Calls are made anew from what a listener takes; everything else is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

import app
from benchmarks.visitors import page_form
from facefusion.page.calls import Calls, FetchError, MalformedError, parse
from facefusion.page.uploads import Uploads
from facefusion.pipeline.cache import FeatureCache
from facefusion.words import say


@pytest.fixture(scope="module")
def demo() -> gr.Blocks:
    pipeline: Any = SimpleNamespace(notice=None, cache=FeatureCache())
    return app.build_demo(pipeline)


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    path = tmp_path / "example.jpg"
    path.write_bytes(b"example")
    return path


@pytest.fixture
def uploads(tmp_path: Path, shown: Path) -> Uploads:
    (tmp_path / "uploads").mkdir()
    return Uploads(tmp_path / "uploads", [shown])


@pytest.fixture
def upload(uploads: Uploads) -> str:
    path = uploads.directory / "photo.png"
    path.write_bytes(b"photo")
    return str(path)


@pytest.fixture
def calls(demo: gr.Blocks, uploads: Uploads) -> Calls:
    return Calls(demo, uploads)


def _fuse(source: Any = None, target: Any = None, **changed: Any) -> dict[str, Any]:
    values = {"tier": "best", "faces": [], "likeness": 0.5, "blend": 1, "consent": True}
    return {"data": [source, target, *(values | changed).values()]}


def _data(made: bytes) -> list[Any]:
    return list(json.loads(made)["data"])


def test_an_upload_is_handed_on_with_its_path_alone(calls: Calls, upload: str) -> None:
    photo = {"path": upload, "url": "http://a.example/x.png", "orig_name": "aunt.png", "size": 5}
    index, made, photos = calls.of_program(_fuse(photo, photo), "fuse")
    assert photos == [upload, upload]
    assert _data(made)[:2] == [{"path": upload, "meta": {"_type": "gradio.FileData"}}] * 2
    assert json.loads(made)["fn_index"] == index and b"aunt" not in made and b"http" not in made


def test_the_files_of_examples_may_be_named(calls: Calls, shown: Path) -> None:
    _, made, _ = calls.of_program(_fuse({"path": str(shown)}), "fuse")
    assert _data(made)[0]["path"] == str(shown)


def test_one_answer_for_all_paths_that_are_not_the_visitors(
    calls: Calls, uploads: Uploads, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    link = uploads.directory / "link.jpg"
    link.symlink_to(secret)
    above = f"{uploads.directory}/../secret.jpg"
    paths = [str(secret), str(link), above, str(tmp_path / "none.jpg"), "/etc/passwd", "a", "a\0b"]
    paths += [str(uploads.directory), str(uploads.directory / "none.png"), "x" * 5000, "/dev/stdin"]
    answers = {json.dumps(_data(calls.of_program(_fuse({"path": p}), "fuse")[1])[0]) for p in paths}
    assert len(answers) == 1
    assert not Path(json.loads(answers.pop())["path"]).exists()


@pytest.mark.parametrize(
    "url",
    ["http://a.example/x.png", "HTTPS://a.example", "ftp://a", "file:///etc/passwd", "data:x"],
)
def test_no_url_is_a_photo(calls: Calls, url: str) -> None:
    with pytest.raises(FetchError):
        calls.of_program(_fuse({"path": url}), "fuse")


@pytest.mark.parametrize(
    "value",
    [
        "http://a.example/x.png",
        "data:image/png;base64,iVBORw0KGgo=",
        {"url": "https://a.example/x.png"},
        {"path": None, "url": "http://a.example/x.png"},
        {"path": "", "url": "data:image/png;base64,iVBORw0KGgo="},
    ],
    ids=str,
)
def test_a_url_is_refused_however_it_is_given(calls: Calls, value: Any) -> None:
    with pytest.raises(FetchError):
        calls.of_program(_fuse(value), "fuse")


def test_a_path_may_be_a_plain_text(calls: Calls, upload: str) -> None:
    taken, asked = (calls.of_program(_fuse(each), "fuse")[1] for each in (upload, {"path": upload}))
    assert taken == asked
    missing = _data(calls.of_program(_fuse("photo.jpg"), "fuse")[1])[0]
    assert not Path(missing["path"]).exists()


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (_fuse(7), "api_photo"),
        (_fuse(tier=["best"]), "no_such_tier"),
        (_fuse(likeness="0.5"), "no_such_share"),
        (_fuse(blend="1"), "no_such_share"),
        (_fuse(blend=True), "no_such_share"),
        (_fuse(faces=[{"path": "a"}]), "no_such_face"),
        (_fuse(consent="true"), "api_consent"),
        ({"data": [None] * 8}, "api_values"),
        ({"data": "text"}, "api_values"),
        ({}, "api_values"),
    ],
    ids=str,
)
def test_a_wrong_value_has_its_own_sentence(calls: Calls, body: dict[str, Any], key: str) -> None:
    with pytest.raises(MalformedError) as caught:
        calls.of_program(body, "fuse")
    assert caught.value.key == f"error.{key}" and "Please" in say(caught.value.key)
    with pytest.raises(MalformedError) as caught:
        calls.of_program(body, "fly")
    assert caught.value.key == "error.api_endpoint"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": None},
        {"data": "abc"},
        {"data": []},
        {"data": [None] * 8},
        _fuse(7),
        _fuse({"path": 7}),
        _fuse({"url": 7}),
        _fuse({}),
        _fuse(["a"]),
        _fuse(tier=["best"]),
        _fuse(tier="b" * 500),
        _fuse(likeness="0.5"),
        _fuse(likeness=True),
        _fuse(likeness=1e12),
        _fuse(consent="yes"),
        _fuse(consent=1),
        _fuse(faces={"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}),
        _fuse(faces=[{"path": "http://a.example"}]),
        {**_fuse(), "session_hash": "../a"},
        {**_fuse(), "session_hash": 7},
    ],
    ids=str,
)
def test_what_no_listener_takes(calls: Calls, body: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        calls.of_program(body, "fuse")


@pytest.mark.parametrize("name", ["fuse_on_page", "compare_on_page", "start", "none", ""])
def test_programs_call_public_endpoints_alone(calls: Calls, name: str) -> None:
    with pytest.raises(MalformedError):
        calls.of_program(_fuse(), name)


def test_values_by_their_names(calls: Calls, upload: str) -> None:
    body = {"source": {"path": upload}, "target": None, "i_have_consent": True, "tier": "fast"}
    _, made, _ = calls.of_program(body, "fuse", named=True)
    assert _data(made)[2:] == ["fast", [], 0.5, 1, True] and _data(made)[0]["path"] == upload
    for wrong in ({**body, "more": 1}, {"source": None}, {**body, "tier": 5}):
        with pytest.raises(MalformedError):
            calls.of_program(wrong, "fuse", named=True)


def test_calls_of_the_page(calls: Calls, demo: gr.Blocks, upload: str) -> None:
    check = next(index for index, fn in demo.fns.items() if fn.api_name == "check")
    data = [{"path": upload}, [b"x".decode()], True]
    body = {"fn_index": check, "session_hash": "abc", "data": data}
    index, made, _ = calls.of_page({**body, "event_data": {"a": 1}, "simple_format": True})
    sent = json.loads(made)
    assert index == check and sent["data"] == [
        {"path": upload, "meta": {"_type": "gradio.FileData"}},
        None,  # what a session remembers is not the visitor's to say
        True,  # but what the browser remembers is
    ]
    assert set(sent) == {"data", "fn_index", "session_hash"}
    for wrong in (
        {"fn_index": 999},
        {"fn_index": True},
        {"fn_index": None},
        {"session_hash": None},
    ):
        with pytest.raises(MalformedError):
            calls.of_page({**body, **wrong})


def test_a_listener_without_code_cannot_be_called(calls: Calls, demo: gr.Blocks) -> None:
    in_browser = next(index for index, fn in demo.fns.items() if fn.fn is None)
    with pytest.raises(MalformedError):
        calls.of_page({"fn_index": in_browser, "session_hash": "abc", "data": [None, None]})


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"7", b"{", b"\xff", b'{"data": NaN}', b'{"a": -Infinity}', b"[" * 60_000],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_json_object(body: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(body)


def test_nesting_is_bounded() -> None:
    parse(b'{"a": ' + b"[" * 6 + b"]" * 6 + b"}")
    for deep in (10, 500):
        with pytest.raises(MalformedError):
            parse(b'{"a": ' + b"[" * deep + b"]" * deep + b"}")


def test_a_component_without_a_rule_is_noticed_when_the_page_is_built(uploads: Uploads) -> None:
    with gr.Blocks() as demo:
        video = gr.Video()
        gr.Button().click(lambda value: None, video, None)
    with pytest.raises(TypeError, match="Video"):
        Calls(demo, uploads)


@pytest.mark.parametrize("listener", ["fuse_on_page", "compare_on_page"])
def test_the_form_comes_in_the_order_in_which_others_write_it(
    demo: gr.Blocks, listener: str
) -> None:
    inputs = next(fn.inputs for fn in demo.fns.values() if fn.api_name == listener)
    photos = (f"{name}-photo" for name in ("source", "second", "third", "target", "person-2"))
    written = page_form(*photos, consent="consent")
    for value, name in (
        ("", "assignment"),
        (None, "person-3-photo"),
        (None, "person-4-photo"),
        ("fast", "tier"),
        (0.5, "likeness"),
        (1.0, "blend"),
    ):
        written[written.index(value)] = name
    assert [getattr(each, "elem_id", None) for each in inputs] == written
    assert [type(each) for each in inputs[-2:]] == [gr.State, gr.State]
