"""Weights from the Hub, against a server on the loopback: from where they come, and what is said
when they cannot.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from facefusion import FusionPipeline
from facefusion.errors import WeightsError
from facefusion.models import hub
from facefusion.models.hub import Found, Hub, resolve
from facefusion.models.hub_name import HubName
from facefusion.models.networks import NETWORKS
from tests.hub_server import serve_hub
from tests.hub_state import Fault, HubServer

ROOT = Path(__file__).resolve().parents[2]
REPO = "someone/faces"


def _weights(taste: str) -> dict[str, bytes]:
    """The files of a repository whose networks are none; large enough to be cut in the middle of
    several chunks.
    """
    rng = np.random.default_rng(len(taste))
    files = {f"{name}.onnx": f"{taste} {name}".encode() + rng.bytes(700_000) for name in NETWORKS}
    entries = {
        name: {
            "file": f"{name}.onnx", "sha256": hashlib.sha256(files[f"{name}.onnx"]).hexdigest(),
            "licence": "Apache-2.0", "contract": {"input": name},
        }
        for name in NETWORKS
    }  # fmt: skip
    return {**files, "manifest.json": json.dumps({"networks": entries}).encode()}


def _write(files: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def server() -> Iterator[HubServer]:
    with serve_hub() as server:
        yield server


@pytest.fixture
def revision(server: HubServer) -> str:
    return server.add(REPO, _weights("new"))


@pytest.fixture
def way(server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """To the server, with a cache of its own, no patience, and embedded weights that are others
    than the repository's.
    """
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.setattr(
        "huggingface_hub.file_download.time", SimpleNamespace(sleep=lambda seconds: None)
    )
    own = _write(_weights("embedded"), tmp_path / "weights")
    return Hub(server.url, tmp_path / "cache", answer=10, total=30, embedded=own)


def _is_from_hub(found: Found, revision: str) -> None:
    assert found.notice is None
    assert found.name == HubName(REPO, revision)
    wanted = _weights("new")
    assert {name: file.path.read_bytes() for name, file in found.files.items()} == {
        name: wanted[f"{name}.onnx"] for name in NETWORKS
    }


def _is_embedded(found: Found, way: Hub, why: str) -> None:
    assert {file.path.parent for file in found.files.values()} == {way.embedded}
    assert found.notice is not None and why in found.notice and REPO in found.notice
    assert found.notice.endswith("The built-in ones serve instead.") and "\n" not in found.notice


def test_the_first_time_everything_is_fetched(server: HubServer, way: Hub, revision: str) -> None:
    _is_from_hub(resolve(REPO, revision, way), revision)
    assert len(server.asked("GET", "/cdn/")) == len(NETWORKS)


def test_then_the_cache_serves_without_a_network(
    server: HubServer, way: Hub, revision: str
) -> None:
    resolve(REPO, revision, way)
    server.requests.clear()
    _is_from_hub(resolve(f"{REPO}@{revision}", hub=way), revision)
    assert server.requests == []


def test_what_the_embedded_weights_have_is_not_fetched(server: HubServer, way: Hub) -> None:
    own, new = _weights("embedded"), _weights("new")
    manifest = json.loads(own["manifest.json"])
    manifest["networks"]["coarse"] = json.loads(new["manifest.json"])["networks"]["coarse"]
    mixed = {
        **own,
        "coarse.onnx": new["coarse.onnx"],
        "manifest.json": json.dumps(manifest).encode(),
    }
    found = resolve(REPO, server.add(REPO, mixed), way)
    assert found.notice is None
    assert len(server.asked("GET", "/cdn/")) == 1
    assert found.files["coarse"].path.read_bytes() == new["coarse.onnx"]
    assert found.files["mesh"].path == way.embedded / "mesh.onnx"


def test_the_commit_that_the_embedded_weights_were_published_as_needs_no_hub(
    server: HubServer, way: Hub, revision: str
) -> None:
    manifest = way.embedded / "manifest.json"
    note = hub.published_note(
        HubName(REPO, revision), hashlib.sha256(manifest.read_bytes()).hexdigest()
    )
    (way.embedded / hub.PUBLISHED).write_text(json.dumps(note))
    found = resolve(REPO, revision, way)
    assert server.requests == [] and found.notice is None
    assert found.files["mesh"].path == way.embedded / "mesh.onnx"
    manifest.write_text(
        manifest.read_text() + "\n"
    )  # trained again since: no longer what was published
    _is_from_hub(resolve(REPO, revision, way), revision)


def test_a_broken_connection_is_taken_up_where_it_broke(
    server: HubServer, way: Hub, revision: str
) -> None:
    server.fault = Fault(cut=300_000)
    _is_from_hub(resolve(REPO, revision, way), revision)
    again = [begin for _, _, begin in server.asked("GET", "/cdn/") if begin]
    assert again == [f"bytes={hub.CHUNK}-"] * len(NETWORKS)


def test_files_that_arrive_damaged_are_deleted_and_named(
    server: HubServer, way: Hub, revision: str
) -> None:
    server.fault = Fault(spoil=True)
    _is_embedded(resolve(REPO, revision, way), way, "refine.onnx arrived damaged and were deleted")
    assert way.cache is not None
    assert not list(way.cache.rglob("*.onnx"))
    assert [path for path in way.cache.rglob("blobs/*") if path.stat().st_size > 100_000] == []
    server.fault = Fault()
    _is_from_hub(resolve(REPO, revision, way), revision)


@pytest.mark.parametrize("name", ["mesh.onnx", "manifest.json"])
def test_a_cached_file_that_went_bad_is_fetched_again(
    server: HubServer, way: Hub, revision: str, name: str
) -> None:
    resolve(REPO, revision, way)
    path = way.cached(HubName(REPO, revision), name)
    assert path is not None
    path.resolve().write_bytes(path.read_bytes()[:-9])
    server.requests.clear()
    _is_from_hub(resolve(REPO, revision, way), revision)
    assert len(server.asked("GET", "/cdn/" if name == "mesh.onnx" else name)) == 1


def test_a_bad_cache_without_a_network(server: HubServer, way: Hub, revision: str) -> None:
    resolve(REPO, revision, way)
    path = way.cached(HubName(REPO, revision), "mesh.onnx")
    assert path is not None
    path.resolve().write_bytes(b"")
    server.fault = Fault(status=403)
    _is_embedded(resolve(REPO, revision, way), way, "HTTP 403")
    assert not path.exists()


FAULTS = {
    "401": (Fault(401), "asks for a token in HF_TOKEN, or does not accept it (HTTP 401)"),
    "401 private": (Fault(401, "repo"), "there is no such repository, or it is private"),
    "403": (Fault(403), "HF_TOKEN does not allow it (HTTP 403)"),
    "gated": (Fault(403, "gated"), "lets in only those who ask"),
    "404": (Fault(404, "repo"), "there is no such repository"),
    "404 revision": (Fault(404, "revision"), "no such revision"),
    "404 file": (Fault(404, "file"), "lacks a file"),
    "429": (Fault(429), "too many requests (HTTP 429)"),
    "500": (Fault(500), "the Hub has a fault (HTTP 500)"),
    "hang": (Fault(hang=True), "did not answer"),
}


@pytest.mark.parametrize(("fault", "why"), FAULTS.values(), ids=FAULTS)
def test_the_embedded_weights_serve_when_the_hub_does_not(
    server: HubServer, way: Hub, revision: str, fault: Fault, why: str
) -> None:
    server.fault = fault
    begin = time.perf_counter()
    _is_embedded(resolve(REPO, revision, replace(way, answer=0.5) if fault.hang else way), way, why)
    assert time.perf_counter() - begin < 10  # no retries: the library's own would take 23 s


def test_a_download_that_stands_still_is_given_up(
    server: HubServer, way: Hub, revision: str
) -> None:
    server.fault = Fault(stall=True)
    assert way.download(HubName(REPO, revision), "manifest.json").is_file()
    begin = time.perf_counter()
    _is_embedded(
        resolve(REPO, revision, replace(way, total=0.5)), way, "did not answer within 0.5 seconds"
    )
    assert time.perf_counter() - begin < 10
    server.fault = Fault()
    server.released.set()
    for thread in threading.enumerate():  # what was given up goes on, and fills the cache
        if thread.name == "facefusion-hub":
            thread.join(10)
    server.requests.clear()
    _is_from_hub(resolve(REPO, revision, way), revision)
    assert server.requests == []


def test_without_a_network(way: Hub, revision: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = Hub(
            f"http://127.0.0.1:{closed.getsockname()[1]}", way.cache, embedded=way.embedded
        )
        begin = time.perf_counter()
        _is_embedded(resolve(REPO, revision, nobody), way, "there is no connection to the Hub")
    assert time.perf_counter() - begin < 10


def test_a_cache_that_cannot_be_written(
    server: HubServer, way: Hub, revision: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no directory")
    full = replace(way, cache=tmp_path / "file" / "cache")
    _is_embedded(resolve(REPO, revision, full), way, "cannot be kept on this disk")


MANIFESTS = {
    "no manifest": ({"README.md": b"hello"}, "lacks a file"),
    "no JSON": ({"manifest.json": b"{"}, "cannot be read"),
    "no networks": ({"manifest.json": b'{"networks": {}}'}, "lack: detector"),
    "another version": (
        {"manifest.json": b'{"interface": 99,' + _weights("new")["manifest.json"][1:]},
        "another version",
    ),
    "elsewhere": (
        {
            "manifest.json": _weights("new")["manifest.json"].replace(
                b'"mesh.onnx"', b'"../mesh.onnx"'
            )
        },
        "outside",
    ),
    "no weights": ({"manifest.json": _weights("new")["manifest.json"]}, "lacks a file"),
}


@pytest.mark.parametrize(("files", "why"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_repository_that_is_none_of_ours(
    server: HubServer, way: Hub, files: dict[str, bytes], why: str
) -> None:
    _is_embedded(resolve(REPO, server.add(REPO, files), way), way, why)


@pytest.mark.parametrize("revision", ["main", "", "abc", "0" * 39, "G" * 40])
def test_a_revision_is_a_commit(way: Hub, revision: str) -> None:
    with pytest.raises(WeightsError, match="needs a revision of 40 hex digits"):
        resolve(REPO, revision, way)


def test_a_directory_is_a_directory(
    way: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(way.embedded, tmp_path / "some" / "where")
    assert resolve("some/where", hub=way).files["mesh"].path == Path("some/where/mesh.onnx")
    with pytest.raises(WeightsError, match="manifest"):
        resolve(Path("no/where"), hub=way)


def test_the_environment_names_weights(
    way: Hub,
    server: HubServer,
    revision: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(hub.REPO_VARIABLE, REPO)
    monkeypatch.setenv(hub.REVISION_VARIABLE, revision)
    _is_from_hub(resolve(None, hub=way), revision)
    assert (
        resolve(way.embedded, hub=way).files["mesh"].path.parent == way.embedded
    )  # what is said goes first
    monkeypatch.setenv(hub.SECONDS_VARIABLE, "soon")
    with caplog.at_level(logging.WARNING, "facefusion"):
        assert Hub().total == hub.TOTAL_SECONDS
    assert "FACEFUSION_HUB_SECONDS must be a number" in caplog.text
    monkeypatch.setenv(hub.SECONDS_VARIABLE, "7.5")
    assert Hub().total == 7.5


@pytest.mark.parametrize(
    ("repo", "revision", "why"),
    [
        ("faces", "a" * 40, "called owner/repo"),
        (REPO, "main", "40 hex digits"),
        (REPO, None, "40 hex digits"),
    ],
)
def test_what_the_environment_misspells_does_not_stop_a_start(
    way: Hub,
    server: HubServer,
    monkeypatch: pytest.MonkeyPatch,
    repo: str,
    revision: str | None,
    why: str,
) -> None:
    monkeypatch.setenv(hub.REPO_VARIABLE, repo)
    if revision:
        monkeypatch.setenv(hub.REVISION_VARIABLE, revision)
    found = resolve(None, hub=way)
    assert server.requests == [] and found.files["mesh"].path.parent == way.embedded
    assert found.notice is not None and why in found.notice and repo in found.notice


def test_networks_that_cannot_be_opened(
    way: Hub, server: HubServer, revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole files that are no networks: the pipeline runs on the embedded ones, and says so."""
    found = resolve(REPO, revision, way)
    monkeypatch.setattr("facefusion.pipeline.loading.resolve", lambda weights, revision: found)
    pipe = FusionPipeline.from_pretrained(REPO, revision=revision)
    assert pipe.notice is not None and "cannot be opened" in pipe.notice


def test_a_process_with_the_librarys_own_variables(
    server: HubServer, tmp_path: Path, astronaut: np.ndarray, guest: np.ndarray
) -> None:
    """The real networks, from the loopback, through HF_ENDPOINT and HF_HOME, in a process that
    never saw them.
    """
    files = {
        path.name: path.read_bytes()
        for path in (ROOT / "weights").glob("*.*")
        if path.suffix in (".onnx", ".json")
    }
    manifest = json.loads(files["manifest.json"])
    # The same network with other words in it: another file, so that it has to be fetched.
    import onnx

    model = onnx.load_from_string(files["coarse.onnx"])
    model.doc_string = "another"
    files["coarse.onnx"] = model.SerializeToString()
    manifest["networks"]["coarse"]["sha256"] = hashlib.sha256(files["coarse.onnx"]).hexdigest()
    files["manifest.json"] = json.dumps(manifest).encode()
    revision = server.add(REPO, files)
    np.savez(tmp_path / "photos.npz", source=guest, target=astronaut)
    code = (
        "import sys, numpy as np; from facefusion import FusionPipeline; p = np.load(sys.argv[1]); "
        "pipe = FusionPipeline.from_pretrained(); r = pipe(p['source'], p['target'], tier='fast'); "
        "print(pipe.notice, (r.image != p['target']).any(), 'torch' in sys.modules)"
    )
    environment = {
        **os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home"),
        hub.REPO_VARIABLE: REPO, hub.REVISION_VARIABLE: revision,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "photos.npz")],
        env=environment, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == ["None True False"], done.stderr
    assert len(server.asked("GET", "/cdn/")) == 1
    assert list((tmp_path / "home").rglob("coarse.onnx"))
