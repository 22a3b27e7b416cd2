"""What packages would report is switched off, before any of them is imported, whatever the
environment says.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from facefusion.machine.telemetry import SWITCHES

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = {name: value for switch in SWITCHES for name, value in switch.variables.items()}
#: Notes, of each package of the table, whether everything was switched off when its import began.
WATCHED = """
import importlib, os, sys
packages, variables, hidden = {packages!r}, {variables!r}, {hidden!r}
seen = {{}}
def note(event, arguments):
    name = arguments[0].partition(".")[0] if event == "import" else ""
    if name in packages and name not in seen:
        off = all(os.environ.get(each) == value for each, value in variables.items())
        seen[name] = off and all(sys.modules.get(each, "") is None for each in hidden)
sys.addaudithook(note)
importlib.import_module({module!r})
print(*(f"{{name}}={{off}}" for name, off in sorted(seen.items())))
"""


def _seen(module: str) -> dict[str, str]:
    """By package that importing a module imports, "True" where all was switched off by then."""
    code = WATCHED.format(
        packages={switch.package for switch in SWITCHES},
        variables=VARIABLES,
        hidden=[switch.hidden for switch in SWITCHES if switch.hidden],
        module=module,
    )
    # Somebody's own settings would switch everything on.
    on = dict.fromkeys(VARIABLES, "") | {
        "ORT_DISABLE_TELEMETRY": "0",
        "GRADIO_ANALYTICS_ENABLED": "True",
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **on}, capture_output=True, text=True, check=True
    )
    return dict(word.split("=") for word in done.stdout.split())


@pytest.mark.parametrize(
    ("module", "packages"),
    [
        ("facefusion.pipeline.pipeline", {"onnxruntime"}),
        ("facefusion.cli.main", {"onnxruntime"}),
        ("facefusion.engines.trial", {"onnxruntime"}),
        ("facefusion.engines.openvino", {"openvino"}),
        ("app", {"onnxruntime", "gradio", "huggingface_hub"}),
        ("tests.conftest", {"onnxruntime"}),
        ("benchmarks.complexity", {"onnxruntime"}),
    ],
)
def test_all_is_switched_off_before_the_first_import(module: str, packages: set[str]) -> None:
    if "openvino" in packages and find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    seen = _seen(module)
    assert packages <= set(seen) and set(seen.values()) == {"True"}, seen


def test_openvino_takes_its_own_stand_in_for_what_reports() -> None:
    pytest.importorskip("openvino")
    code = "import facefusion, sys, openvino.tools.ovc.telemetry_utils as u; print(u.tm.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "openvino.tools.ovc.telemetry_stub\n"


def test_the_hubs_library_and_gradio_say_that_they_are_off() -> None:
    code = (
        "import facefusion; from gradio.analytics import analytics_enabled; from huggingface_hub import constants; "
        "print(analytics_enabled(), constants.HF_HUB_DISABLE_TELEMETRY)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False True\n"


def test_the_table_says_of_every_package_what_it_does_and_how_that_is_stopped() -> None:
    assert len({switch.package for switch in SWITCHES}) == len(SWITCHES)
    for switch in SWITCHES:
        assert switch.behaviour.endswith(".") and (switch.variables or switch.hidden)
    # Here too, through tests/conftest.py; Gradio writes "True" for the Hub's.
    here = {name: os.environ[name].replace("True", "1") for name in VARIABLES}
    assert here == VARIABLES
