"""Every environment variable that the code reads is in the table of docs/hosting.md."""

from __future__ import annotations

import re
from pathlib import Path

from facefusion.machine.telemetry import SWITCHES

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_has_every_variable_that_the_code_reads() -> None:
    page = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
    table = page.partition("## Environment variables")[2].partition("\n## ")[0]
    told = set(re.findall(r"`([A-Z][A-Z_]+)`", table))
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in [ROOT / "app.py", *(ROOT / "facefusion").rglob("*.py")]
    )
    named = set(re.findall(r"\"(FACEFUSION_[A-Z_]+|GRADIO_[A-Z_]+|SPACES_[A-Z_]+|PORT)\"", code))
    named -= {
        name for switch in SWITCHES for name in switch.variables
    }  # set, whatever they are, and not read
    assert len(named) >= 8 and named <= told, named - told
    ours = {name for name in told if name.startswith("FACEFUSION_")}
    assert ours <= named, ours - named
