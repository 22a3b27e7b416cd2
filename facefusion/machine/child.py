"""Runs a module in a child process, which keeps its crashes, memory and libraries apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

#: Seconds between two checks of a child whether its parent still runs.
WATCH_SECONDS: Final = 0.2
_PACKAGE_PARENT: Final = str(Path(__file__).resolve().parents[2])
#: Creation flags of the child: without them Windows would open a console.
_NO_WINDOW: Final = int(getattr(subprocess, "CREATE_NO_WINDOW", 0))


class ChildError(RuntimeError):
    """A child process that could not be started, failed, or took too long."""


def end_with_parent() -> None:
    """Ends this process soon after its parent has ended.

    For a child of `ask`, which passes the parent's id in the command. On Windows, where a child
    cannot see its parent's end, it does nothing.
    """
    if sys.platform == "win32":
        return
    parent = int(sys.argv[1])

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="facefusion-parent", daemon=True).start()


def ask(module: str, request: Any, seconds: float) -> Any:
    """Runs a module that reads JSON from standard input and answers in JSON.

    The answer is the last line of its standard output. The child has the environment of this
    process and finds the same packages.

    Args:
        module: module to run as `__main__`.
        request: JSON value for its standard input.
        seconds: time limit after which it is killed.

    Raises:
        ChildError: there is no answer.
    """
    # A frozen program embeds Python: its executable is the program itself.
    if not sys.executable or getattr(sys, "frozen", False):
        raise ChildError("there is no Python to start")
    paths = [_PACKAGE_PARENT, *filter(None, sys.path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    try:
        completed = subprocess.run(
            # -P: nothing is imported from the current directory.
            [sys.executable, "-P", "-m", module, str(os.getpid())],
            input=json.dumps(request),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env=environment,
            timeout=seconds,
            check=True,
            creationflags=_NO_WINDOW,
        )
        return json.loads(completed.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired as error:
        raise ChildError(f"it took longer than {seconds:g} seconds") from error
    except subprocess.CalledProcessError as error:
        raise ChildError(f"it ended with code {error.returncode}") from error
    except (OSError, ValueError, IndexError) as error:
        raise ChildError(type(error).__name__) from error
