"""The package's metadata: dependencies, command, version and the folder of the weights."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import facefusion
from facefusion import __main__
from facefusion.models.manifest import EMBEDDED_WEIGHTS

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = CONFIGURATION["project"]


def test_the_package_wants_what_the_requirements_install() -> None:
    lines = [
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    installed = {re.split(r"[=<>;]", line)[0] for line in lines}
    wanted = {re.split(r"[=<>;]", line)[0] for line in PROJECT["dependencies"]}
    assert installed - wanted == {"gradio", "torch"}  # the page, and the GPU
    assert wanted <= installed


def test_the_command_owns_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(__main__, "own_process", lambda: done.append("own"))
    monkeypatch.setattr(__main__, "main", lambda: done.append("main") or 3)
    assert PROJECT["scripts"] == {"facefusion": "facefusion.__main__:run"}
    assert __main__.run() == 3 and done == ["own", "main"]


def test_the_version_is_written_once() -> None:
    dynamic = CONFIGURATION["tool"]["setuptools"]["dynamic"]
    assert "version" not in PROJECT and PROJECT["dynamic"] == ["version"]
    assert dynamic == {"version": {"attr": "facefusion.version.__version__"}}
    tree = ast.parse((ROOT / "facefusion" / "version.py").read_text())
    # setuptools reads a literal without importing the package, whose dependencies are not installed
    # when the wheel is built.
    (literal,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    )
    assert literal == facefusion.__version__


def test_a_checkout_uses_the_weights_at_its_top_level() -> None:
    assert EMBEDDED_WEIGHTS == ROOT / "weights"
    assert not (ROOT / "facefusion" / "weights").exists()
