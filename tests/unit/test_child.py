"""Functions in a process of their own: every way in which it can fail is one error, and none of it
is this process's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from facefusion.machine.child import ChildError, ask
from tests.waiting import becomes_true

ROOT = Path(__file__).resolve().parents[2]
PRELUDE = "import json, os, sys, time\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module `asked`, which children find as this process does."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "asked.py"


def test_the_answer_is_the_last_line_whatever_a_package_prints(module: Path) -> None:
    module.write_text(
        PRELUDE
        + "print('a banner')\nprint(json.dumps([json.load(sys.stdin), os.environ['GIVEN']]))"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIVEN", "environment")
        assert ask("asked", {"side": 128, "name": "é"}, 60) == [
            {"side": 128, "name": "é"},
            "environment",
        ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("sys.exit(3)", "ended with code 3"),
        ("raise RuntimeError", "ended with code 1"),
        ("os.abort()", "ended with code"),
        ("pass", "IndexError"),
        ("print('no JSON')", "JSONDecodeError"),
        ("import no_such_module", "ended with code 1"),
    ],
)
def test_a_child_that_fails_is_told(module: Path, body: str, told: str) -> None:
    module.write_text(PRELUDE + body)
    with pytest.raises(ChildError, match=told):
        ask("asked", None, 60)


def test_a_child_that_hangs_is_killed(module: Path) -> None:
    module.write_text(PRELUDE + "time.sleep(60)")
    with pytest.raises(ChildError, match="longer than"):
        ask("asked", None, 0.5)


@pytest.mark.skipif(sys.platform == "win32", reason="a child is told nothing of its parent's end")
def test_a_child_ends_with_its_parent(module: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    module.write_text(
        PRELUDE + "from facefusion.machine.child import end_with_parent; end_with_parent()\n"
        f"open({str(started)!r}, 'w').write(str(os.getpid()) + '.'); time.sleep(60)"
    )
    code = (
        f"import sys; sys.path.append({str(tmp_path)!r})\n"
        "from facefusion.machine.child import ask; ask('asked', None, 60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)

    assert becomes_true(lambda: started.is_file() and started.read_text().endswith("."))
    child = int(started.read_text().rstrip("."))
    parent.kill()
    parent.wait()
    assert becomes_true(lambda: not _runs(child))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")  # nobody may be there to ask for an orphan's exit code
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("name", "value"), [("executable", ""), ("executable", "/no/such/python"), ("frozen", True)]
)
def test_a_program_that_embeds_python_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(sys, name, value, raising=False)
    with pytest.raises(ChildError):
        ask("facefusion.engines.trial", {}, 60)
