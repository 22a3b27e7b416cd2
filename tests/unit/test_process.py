"""The weights' manifest: everything that can be wrong with it is a WeightsError that says what."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from facefusion import FusionPipeline
from facefusion.engines.sessions import session_options
from facefusion.errors import WeightsError
from facefusion.machine.process import release_memory
from facefusion.models.manifest import read_manifest
from facefusion.models.networks import NETWORKS


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A directory whose files are no networks, but the ones of its manifest."""
    entries = {}
    for name in NETWORKS:
        content = f"the {name} network".encode()
        (tmp_path / f"{name}.onnx").write_bytes(content)
        entries[name] = {
            "file": f"{name}.onnx",
            "sha256": hashlib.sha256(content).hexdigest(),
            "licence": "Apache-2.0",
            "contract": {"input": name},
        }
    (tmp_path / "manifest.json").write_text(json.dumps({"networks": entries}))
    return tmp_path


def test_a_whole_manifest_is_read(weights: Path) -> None:
    files = read_manifest(weights)
    assert set(files) == set(NETWORKS)
    assert files["mesh"].path == weights / "mesh.onnx"
    assert files["mesh"].licence == "Apache-2.0" and files["mesh"].contract == {"input": "mesh"}


def _edit(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(weights: Path) -> None:
        manifest = json.loads((weights / "manifest.json").read_text())
        change(manifest)
        (weights / "manifest.json").write_text(json.dumps(manifest))

    return damage


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda weights: (weights / "manifest.json").unlink(), "manifest"),
        (lambda weights: (weights / "manifest.json").write_text("{"), "manifest"),
        (lambda weights: (weights / "manifest.json").write_bytes(b"\xff\xfe\x00"), "manifest"),
        (lambda weights: (weights / "manifest.json").write_text("[]"), "manifest"),
        (_edit(lambda manifest: manifest.pop("networks")), "manifest"),
        (_edit(lambda manifest: manifest["networks"]["mesh"].pop("sha256")), "sha256"),
        (_edit(lambda manifest: manifest["networks"].update(mesh=None)), "manifest"),
        (_edit(lambda manifest: manifest["networks"].pop("mesh")), "lack: mesh"),
        (lambda weights: (weights / "mesh.onnx").unlink(), "mesh network cannot be read"),
        (lambda weights: (weights / "mesh.onnx").write_bytes(b""), r"mesh network .*damaged"),
        (lambda weights: (weights / "mesh.onnx").write_bytes(b"The mesh network"), r"mesh network .*damaged"),
        (_edit(lambda manifest: manifest["networks"]["mesh"].update(sha256="0" * 64)), r"mesh network .*damaged"),
    ],
    ids=[
        "no-manifest", "cut-manifest", "binary-manifest", "list-manifest", "no-networks", "no-hash", "no-entry",
        "lacks-one", "no-file", "empty-file", "changed-file", "other-hash",
    ],
)  # fmt: skip
def test_damage_is_told(weights: Path, damage: Callable[[Path], object], told: str) -> None:
    damage(weights)
    with pytest.raises(WeightsError, match=told):
        read_manifest(weights)
    with pytest.raises(WeightsError, match=told):
        FusionPipeline.from_pretrained(weights)


def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        FusionPipeline.from_pretrained(str(tmp_path / "none"))


def test_threads_are_as_asked_and_do_not_spin() -> None:
    assert session_options(3).intra_op_num_threads == 3
    assert session_options().intra_op_num_threads >= 1
    assert session_options().get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_threads_share_one_heap_where_the_c_library_has_several() -> None:
    code = "from facefusion.machine.process import share_heap; print(share_heap())"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert told.split() == [str(platform.libc_ver()[0] == "glibc")]


def test_linear_algebra_has_one_thread_in_a_process_of_our_own() -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
from threadpoolctl import threadpool_info
from facefusion import FusionPipeline
from facefusion.machine.process import own_process
count = lambda: {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}
before = count()
own_process()
with ThreadPoolExecutor(1) as visitor:
    print(before, count(), visitor.submit(count).result())
"""
    several = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=several
    ).stdout
    assert told == "{2} {1} {1}\n"


def test_memory_is_given_back() -> None:
    class Cycle:
        """Object in a reference cycle."""

    cycle = Cycle()
    cycle.itself = cycle  # type: ignore[attr-defined]
    gone = weakref.ref(cycle)
    del cycle
    release_memory()
    assert gone() is None
