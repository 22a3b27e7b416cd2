"""The Dockerfile's steps, as far as they go without an engine and without installing anything."""

from __future__ import annotations

from pathlib import Path

from benchmarks.container import ROOT, Container, instructions
from facefusion.machine.telemetry import SWITCHES

#: What would install or needs an engine.
SLOW = ("FROM", "RUN", "USER")


def test_every_step_is_known_and_what_is_copied_is_there(tmp_path: Path) -> None:
    container, names = Container(tmp_path), []
    for name, words in instructions(ROOT / "Dockerfile"):
        names.append(name)
        if name not in SLOW:
            container.step(name, words)
    assert names[0] == "FROM" and names[-1] == "CMD" and "USER" in names
    app = tmp_path / "home" / "user" / "app"
    assert (app / "app.py").is_file() and (app / "weights" / "coarse.onnx").is_file()
    assert (app / "facefusion" / "pipeline" / "pipeline.py").is_file() and not list(
        app.rglob("__pycache__")
    )
    assert container.variables["GRADIO_SERVER_NAME"] == "0.0.0.0"
    switches = {name: value for switch in SWITCHES for name, value in switch.variables.items()}
    assert switches.items() <= container.variables.items()
    assert container.health.startswith("python -c ")
    compile(container.health.partition('"')[2].rstrip('"'), "health", "exec")


def test_the_python_is_the_one_of_spaces() -> None:
    first = next(instructions(ROOT / "Dockerfile"))
    assert first == ("FROM", "python:3.11-slim")


def test_continued_lines_are_one_step(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("# no\nRUN a && \\\n    b\n\nENV X=1\n")
    assert list(instructions(tmp_path / "Dockerfile")) == [("RUN", "a &&      b"), ("ENV", "X=1")]
