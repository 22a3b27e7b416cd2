"""The wheel: what it holds, and a fusion with it where the checkout cannot be imported."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facefusion
from facefusion.machine.measurements import CACHE_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
OFFLINE = ("--no-deps", "--no-index")
MISSING = [name for name in ("pip", "setuptools") if importlib.util.find_spec(name) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"building the wheel needs {' and '.join(MISSING)}"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools leaves `build` and `*.egg-info` beside its input."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("facefusion", "weights"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = (*PIP, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", built, source)
    subprocess.run(command, check=True, timeout=60)
    (path,) = built.glob("*.whl")
    return path


def test_the_wheel_holds_every_file_that_the_code_reads(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "facefusion").rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    }
    weights = {f"facefusion/weights/{path.name}" for path in (ROOT / "weights").iterdir()}
    assert "facefusion/training/schedules.toml" in package and "facefusion/py.typed" in package
    assert "facefusion/weights/manifest.json" in weights
    assert {name for name in held if not name.split("/")[0].endswith(".dist-info")} == (
        package | weights
    )


def test_the_wheel_has_the_version_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    assert f"\nVersion: {facefusion.__version__}\n" in metadata


def test_an_installed_wheel_fuses(wheel: Path, tmp_path: Path) -> None:
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(
        (*PIP, "install", *OFFLINE, "--target", installed, wheel), check=True, timeout=60
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed),
        CACHE_VARIABLE: str(tmp_path / "cache"),
    }
    where = "from facefusion.models.manifest import EMBEDDED_WEIGHTS as weights; print(weights)"
    found = subprocess.run(
        (sys.executable, "-c", where),
        cwd=elsewhere,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert Path(found.stdout.strip()) == (installed / "facefusion" / "weights").resolve()

    source, target = ROOT / "examples" / "portrait-1.jpg", ROOT / "examples" / "portrait-2.jpg"
    command = (
        *(sys.executable, "-m", "facefusion", "fuse", source, target),
        *("--out", "fused.png", "--tier", "fast", "--i-have-consent"),
    )
    subprocess.run(command, cwd=elsewhere, env=environment, check=True, timeout=120)
    fused = np.asarray(Image.open(elsewhere / "fused.png"), np.int16)
    before = np.asarray(Image.open(target), np.int16)
    assert fused.shape == before.shape
    assert np.abs(fused - before).max() > 50
