"""What is installed: the package's dependencies are those of the requirements; its command is set
up as the module is.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from facefusion import __main__

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


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
