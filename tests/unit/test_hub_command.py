"""`facefusion hub`: a repository made, fetched and checked, against the server on the loopback."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from facefusion.cli.main import main
from facefusion.models import hub
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from tests.hub_server import serve_hub
from tests.hub_state import Fault, HubServer

REPO = "someone/faces"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The Hub of this process, with an empty cache and a token."""
    with serve_hub() as server:
        for module in ("hub", "space"):
            monkeypatch.setattr(
                f"facefusion.cli.{module}.Hub", partial(hub.Hub, server.url, tmp_path / "cache")
            )
        monkeypatch.setattr(
            "huggingface_hub.constants.HF_HUB_DISABLE_XET", True
        )  # what it sends is nobody's protocol
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield server


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A copy of the embedded weights."""
    return Path(shutil.copytree(EMBEDDED_WEIGHTS, tmp_path / "weights"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        return (code, *capsys.readouterr())

    return call


def test_what_is_published_can_be_pulled_and_verified(
    server: HubServer, weights: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    manifest = json.loads((weights / "manifest.json").read_text())
    (weights / "coarse.onnx").write_bytes(
        (weights / "coarse.onnx").read_bytes() + b"\x32\x01-"
    )  # with other words in it: another file
    manifest["networks"]["coarse"]["sha256"] = hashlib.sha256(
        (weights / "coarse.onnx").read_bytes()
    ).hexdigest()
    (weights / "manifest.json").write_text(json.dumps(manifest))

    code, out, err = run("hub", "publish", REPO, "--weights", weights)
    assert code == 0, err
    revision = server.newest[REPO]
    assert out.splitlines()[-1] == f"FACEFUSION_HUB_REPO={REPO} FACEFUSION_HUB_REVISION={revision}"
    held = server.repos[REPO][revision]
    assert {
        "README.md",
        "manifest.json",
        "coarse.onnx",
        "LICENSE",
        "safetensors/coarse.safetensors",
    } <= set(held)
    assert "judge.onnx" not in held
    assert held["coarse.onnx"] == (weights / "coarse.onnx").read_bytes()
    assert held["README.md"].startswith(b"---\n") and b"license: apache-2.0" in held["README.md"]
    note = json.loads((weights / hub.PUBLISHED).read_text())
    assert note["repo"] == REPO and note["revision"] == revision

    code, out, err = run("hub", "pull", REPO, "--out", tmp_path / "out")
    assert code == 0, err
    assert out.splitlines()[-1] == f"FACEFUSION_HUB_REPO={REPO} FACEFUSION_HUB_REVISION={revision}"
    assert out.count(": whole") == len(manifest["networks"])
    assert len(server.asked("GET", "/cdn/")) == 1  # the others are embedded
    assert (
        read_manifest(tmp_path / "out")["coarse"].sha256 == manifest["networks"]["coarse"]["sha256"]
    )

    shutil.copy(weights / "coarse.onnx", tmp_path / "whole.onnx")
    assert run("hub", "verify", tmp_path / "out")[0] == 0
    (tmp_path / "out" / "coarse.onnx").write_bytes(b"cut")
    (tmp_path / "out" / "mesh.onnx").unlink()
    code, out, err = run("hub", "verify", tmp_path / "out")
    assert code == 2 and "coarse.onnx: damaged" in out and "mesh.onnx: missing" in out
    assert err == "facefusion: Not whole: coarse.onnx, mesh.onnx.\n"


def test_publishing_again_is_another_commit(
    server: HubServer, weights: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    assert run("hub", "publish", REPO, "--weights", weights)[0] == 0
    first = server.newest[REPO]
    (weights / "MODEL_CARD.md").write_text((weights / "MODEL_CARD.md").read_text() + "\nMore.\n")
    assert run("hub", "publish", REPO, "--weights", weights)[0] == 0
    assert server.newest[REPO] != first and len(server.repos[REPO]) >= 2


def test_damaged_weights_are_not_published(
    server: HubServer, weights: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    (weights / "mesh.onnx").write_bytes(b"cut")
    code, out, err = run("hub", "publish", REPO, "--weights", weights)
    assert (code, out) == (2, "") and "mesh network (mesh.onnx) is damaged" in err
    assert server.requests == []


def test_a_space_is_made(
    server: HubServer, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = run(
        "hub",
        "space",
        "someone/demo",
        "--weights",
        f"{REPO}@{'a' * 40}",
        "--out",
        tmp_path / "tree",
    )
    assert code == 0, err
    held = server.repos["someone/demo"][server.newest["someone/demo"]]
    assert {path.relative_to(tmp_path / "tree").as_posix() for path in (tmp_path / "tree").rglob("*.*")} <= set(held) | {
        "examples", "weights"
    }  # fmt: skip
    assert held["app.py"] == (ROOT / "app.py").read_bytes()
    assert held["README.md"].startswith(b"---\ntitle: FaceFusion\n")
    assert b"preload_from_hub" in held["README.md"] and "space.yml" not in held
    assert server.variables == {"FACEFUSION_HUB_REPO": REPO, "FACEFUSION_HUB_REVISION": "a" * 40}
    assert out.splitlines()[-1].endswith(server.newest["someone/demo"])


def test_a_tree_of_a_space_is_built_without_the_hub(
    server: HubServer, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    assert run("hub", "space", "--out", tmp_path / "tree")[0] == 0
    assert (tmp_path / "tree" / "app.py").is_file() and server.requests == []


REFUSED = {
    "no token": (
        ["publish", REPO],
        Fault(401),
        "someone/faces was not published: the Hub asks for a token in HF_TOKEN",
    ),
    "not allowed": (["publish", REPO], Fault(403), "HF_TOKEN does not allow it (HTTP 403)"),
    "none": (
        ["pull", REPO],
        Fault(404, "repo"),
        "someone/faces could not be fetched: there is no such repository",
    ),
    "late": (["pull", REPO], Fault(429), "too many requests (HTTP 429)"),
    "no name": (["pull", "faces"], Fault(), "faces is neither a directory nor a Hub repository"),
    "no commit": (["pull", f"{REPO}@main"], Fault(), "needs a revision of 40 hex digits"),
    "no space": (["space"], Fault(), "Name a Space, owner/name, or a directory with --out."),
    "not made": (
        ["space", "me/demo"],
        Fault(403),
        "The Space me/demo was not made: HF_TOKEN does not allow it (HTTP 403)",
    ),
    "not cached": (
        ["verify", f"{REPO}@{'0' * 40}"],
        Fault(),
        "The Hub's cache has nothing of someone/faces@0000000",
    ),
    "no directory": (["verify", "nowhere"], Fault(), "manifest in nowhere cannot be read"),
}


@pytest.mark.parametrize(("words", "fault", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_told(
    server: HubServer,
    run: Callable[..., tuple[int, str, str]],
    words: list[str],
    fault: Fault,
    sentence: str,
) -> None:
    server.fault = fault
    code, out, err = run("hub", *words)
    assert code == 2 and (out == "" or "MB" in out)
    assert err.startswith("facefusion: ") and sentence in err and "Traceback" not in err


def test_the_embedded_weights_are_whole(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run("hub", "verify")
    assert code == 0 and out.count(": whole") == len(read_manifest(EMBEDDED_WEIGHTS))
