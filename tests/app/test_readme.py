"""Runs the examples of README.md and docs/hosting.md as they stand there, the latter against a
server.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facefusion import FusionResult
from facefusion.images.saving import SOURCE_TYPE

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "http://127.0.0.1:7860"


def _example(page: str, language: str, needle: str) -> str:
    """Returns the one block of code of a page that contains `needle`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    found = [block for block in blocks if needle in block]
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def desk(tmp_path: Path, face_file: str, photo_file: str) -> Path:
    for name, path in (("face.jpg", face_file), ("photo.jpg", photo_file)):
        with Image.open(path) as image:
            image.save(tmp_path / name)
    return tmp_path


def test_the_python_client(server: Any, desk: Path) -> None:
    example = _example("docs/hosting.md", "python", "gradio_client").replace(ADDRESS, server.url)
    code = example + "\nprint(image, report['tier'], len(found['faces']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=desk, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    image, tier, faces = done.stdout.split()[-3:]
    with Image.open(image) as made:
        assert made.format == "PNG" and SOURCE_TYPE.encode() in made.info["xmp"]
    assert tier in ("fast", "balanced", "best") and faces == "1"


def test_the_library(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    names: dict[str, Any] = {}
    exec(_example("README.md", "python", "FusionPipeline"), names)
    result, target = names["result"], np.asarray(Image.open("photo.jpg").convert("RGB"))
    assert isinstance(result, FusionResult) and result.image.shape == target.shape
    assert (result.image != target).any()


def test_curl(server: Any, desk: Path) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("curl or bash is not on this machine")
    script = _example("docs/hosting.md", "bash", "curl").replace(ADDRESS, server.url.rstrip("/"))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=desk, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with Image.open(desk / "result.png") as made:
        assert made.format == "PNG" and SOURCE_TYPE.encode() in made.info["xmp"]
