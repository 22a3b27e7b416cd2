"""What is imported when: a server that never trains does not pay for torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_serving_imports_no_torch() -> None:
    modules = _modules_after("import facefusion, app")
    assert {"facefusion.pipeline.pipeline", "onnxruntime", "gradio"} <= modules
    assert not [
        name for name in modules if name.split(".")[0] in ("torch", "onnxscript", "safetensors")
    ]
    assert not [
        name
        for name in modules
        if name.startswith(("facefusion.nets", "facefusion.training", "facefusion.export"))
    ]


def test_the_command_line_imports_no_page() -> None:
    modules = _modules_after("import facefusion.cli.main")
    assert "facefusion.pipeline.pipeline" in modules
    assert not {"torch", "gradio", "app"} & modules


@pytest.mark.parametrize("room", ["perception", "geometry", "fusion", "compose", "cli"])
def test_no_room_of_serving_names_a_room_of_training(room: str) -> None:
    files = list((ROOT / "facefusion" / room).glob("*.py"))
    assert len(files) > 1
    for file in files:
        text = file.read_text(encoding="utf-8")
        for other in (
            "torch",
            "facefusion.nets",
            "facefusion.training",
            "facefusion.export",
            "app",
        ):
            assert f"import {other}" not in text and f"from {other}" not in text, file
