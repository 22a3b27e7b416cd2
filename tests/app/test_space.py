"""The tree that a Space receives serves the page: read-only, with a Space's variables, at another
address.

The environment is the one of the tests; `make space` does the same in a fresh one.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import metadata_load
from PIL import Image

from benchmarks.processes import memory_mb
from benchmarks.server import Server, free_port
from benchmarks.space import (
    build_tree,
    fingerprint,
    fuse,
    missing_libraries,
    packages,
    read_only,
    running,
)
from facefusion.cli.files import CommandError
from facefusion.cli.space import THUMBNAIL
from facefusion.models.hub_name import HubName
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tree(tmp_path_factory.mktemp("space") / "tree")


@pytest.fixture(scope="module")
def space(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    with read_only(tree), running(tree, sys.executable, home, free_port()) as server:
        yield server


def test_a_space_fuses(tree: Path, space: Server, tmp_path: Path) -> None:
    before = fingerprint(tree)
    source, target = (tree / "examples" / name for name in ("portrait-1.jpg", "portrait-2.jpg"))
    result, report = fuse(space.url, source, target, tmp_path)
    with Image.open(result) as made, Image.open(target) as photo:
        assert made.size == photo.size
        changed = np.abs(np.asarray(made, int) - np.asarray(photo.convert("RGB"), int)).mean(axis=2)
    assert 0.02 < (changed > 3).mean() < 0.6
    assert report["tier"] == "best" and float(str(report["identity_similarity"])) > 0.3
    assert fingerprint(tree) == before
    assert all(value > 50 for value in memory_mb(space.process.pid).values())


def test_the_tree_is_whole_and_no_more(tree: Path) -> None:
    held = set(fingerprint(tree))
    assert {
        "examples/ready/results/target-1.jpg",
        "README.md",
        "LICENSE",
        "app.py",
        "requirements.txt",
        "packages.txt",
        "weights/coarse.onnx",
    } <= held
    assert {"examples/pairs.csv", "examples/ready/index.csv", THUMBNAIL} <= held
    places = {part for place in held for part in Path(place).parts}
    assert (
        not {
            "nets",
            "checkpoints",
            "docs",
            "use_onnx.py",
            "training",
            "evaluation",
            "export",
            "tests",
            "benchmarks",
            "__pycache__",
            "judge.safetensors",
        }
        & places
    )
    assert sum((tree / place).stat().st_size for place in held) < 40e6
    with pytest.raises(CommandError, match="exists already"):
        build_tree(tree)


def test_the_front_matter_is_what_the_builder_of_spaces_reads(tree: Path) -> None:
    card = metadata_load(tree / "README.md")
    assert card is not None
    requirements = (ROOT / "requirements.txt").read_text().split()
    assert card["sdk"] == "gradio" and f"gradio=={card['sdk_version']}" in requirements
    assert (
        card["python_version"] == "3.11"
        and card["app_file"] == "app.py"
        and card["license"] == "apache-2.0"
    )
    assert (
        card["suggested_hardware"] == "cpu-basic"
        and len(card["short_description"]) <= 60
        and card["tags"]
    )
    assert {card["colorFrom"], card["colorTo"]} <= {
        "red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray",
    }  # fmt: skip
    assert "thumbnail" not in card and "models" not in card


def test_weights_of_the_hub_are_fetched_while_a_space_is_built(tmp_path: Path) -> None:
    tree = build_tree(tmp_path / "tree", "me/demo", HubName("me/faces", "a" * 40))
    card = metadata_load(tree / "README.md")
    assert card is not None
    assert card["models"] == ["me/faces"]
    files = {
        "manifest.json",
        *(file.path.name for file in read_manifest(EMBEDDED_WEIGHTS).values()),
    }
    repo, names, revision = card["preload_from_hub"][0].split(" ")
    assert (repo, set(names.split(",")), revision) == ("me/faces", files, "a" * 40)
    address = "https://huggingface.co/spaces/me/demo/resolve/main/"
    assert card["thumbnail"].startswith(address)
    assert (tree / card["thumbnail"].removeprefix(address)).is_file()


def test_the_readme_leads_only_to_what_the_space_has(tree: Path) -> None:
    text = (tree / "README.md").read_text(encoding="utf-8").partition("\n---\n")[2]
    assert text.startswith("\n# ")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(links) >= 3 and [link for link in links if not (tree / link).is_file()] == []
    paths = re.findall(r"`([\w.-]+/[\w./-]+)`", text)
    assert [path for path in paths if not (tree / path).exists()] == []
    assert "python -m" not in text and "make " not in text  # nothing there to run but the page
    told = set(re.findall(r"`(FACEFUSION_\w+)`", text))
    assert told <= set(re.findall(r"`(FACEFUSION_\w+)`", (ROOT / "docs/hosting.md").read_text()))


def test_torch_is_there_only_for_zero_gpu(tree: Path, tmp_path: Path) -> None:
    other = build_tree(tmp_path / "zero", zero_gpu=True)
    plain, zero = (
        [line for line in (each / "requirements.txt").read_text().split("\n") if "==" in line]
        for each in (tree, other)
    )
    (torch,) = set(zero) - set(plain)
    assert torch.startswith("torch==") and set(plain) < set(zero)
    assert "torch" not in (tree / "requirements.txt").read_text()
    extra = set(fingerprint(other)) - set(fingerprint(tree))
    assert "checkpoints/refine.safetensors" in extra and "facefusion/nets/refine.py" in extra
    assert all(name.startswith(("checkpoints/", "facefusion/nets/")) for name in extra)
    card = metadata_load(other / "README.md")
    assert card is not None and card["suggested_hardware"].startswith("zero")


def test_the_system_libraries_are_listed(tree: Path) -> None:
    assert packages(tree).keys() == {"libgl1", "libglib2.0-0"}
    if shutil.which("ldd"):
        assert missing_libraries(sys.executable) == []
