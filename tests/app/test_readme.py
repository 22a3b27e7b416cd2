"""The examples of the README are true: they are run as they stand there, against a server of our own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from facefusion.provenance import SOURCE_TYPE

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "http://127.0.0.1:7860"


def _example(language: str, needle: str) -> str:
    """The block of code of the README that holds `needle`."""
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
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
    example = _example("python", "gradio_client").replace(ADDRESS, server.url)
    code = example + "\nprint(image, report['tier'], len(found['faces']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=desk, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    image, tier, faces = done.stdout.split()[-3:]
    with Image.open(image) as made:
        assert made.format == "PNG" and SOURCE_TYPE.encode() in made.info["xmp"]
    assert tier in ("fast", "balanced", "best") and faces == "1"


def test_curl(server: Any, desk: Path) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("curl or bash is not on this machine")
    script = _example("bash", "curl").replace(ADDRESS, server.url.rstrip("/"))
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=desk, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Image.open(desk / "result.png") as made:
        assert made.format == "PNG" and SOURCE_TYPE.encode() in made.info["xmp"]
