"""Keeps measurements of the machine in the user's cache directory, and no data of photos."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from facefusion.machine.cpu import cpu_name
from facefusion.machine.limits import session_threads
from facefusion.version import __version__

#: Environment variable with a directory that replaces the user's cache directory.
CACHE_VARIABLE: Final = "FACEFUSION_CACHE"
#: Version of the measurements: a new one invalidates all older files.
FORMAT: Final = 1


def machine_key(*details: str) -> str:
    """Makes the key of a measurement: processor, cores, versions and further `details`."""
    return " | ".join(
        [
            str(FORMAT),
            cpu_name(),
            str(session_threads()),
            __version__,
            version("onnxruntime"),
            *details,
        ]
    )


def cache_directory() -> Path:
    """Returns the user's cache directory for this project, which need not exist."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    home = Path(os.path.expanduser("~"))  # unlike Path.home(), no error for a user without one
    if sys.platform == "win32":
        parent = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        parent = home / "Library" / "Caches"
    else:
        parent = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return parent / "facefusion"


def load_measurement(name: str, key: str) -> Any:
    """Returns the value in the file `name` under `key`, or None."""
    return _read(cache_directory() / f"{name}.json").get(key)


def save_measurement(name: str, key: str, value: Any) -> None:
    """Keeps `value` in the file `name` under `key`, unless the directory is not writable."""
    path = cache_directory() / f"{name}.json"
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(
            json.dumps({**_read(path), key: value}, indent=2) + "\n", encoding="utf-8"
        )
        os.replace(unfinished, path)
    except OSError:  # a read-only home: the next start measures again
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
