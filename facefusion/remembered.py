"""What was measured of a machine, kept in the user's cache directory: seconds and names, nothing of
a photo.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from facefusion.runtime import cpu_name

#: Directory of what is remembered, instead of the user's own cache directory.
CACHE_VARIABLE: Final = "FACEFUSION_CACHE"
#: Changes when what is measured changes.
FORMAT: Final = 1


def machine_key(*details: str) -> str:
    """Names what a measurement depends on: processor, cores, versions, and further `details`."""
    from facefusion import __version__

    return " | ".join(
        [
            str(FORMAT),
            cpu_name(),
            str(os.cpu_count()),
            __version__,
            version("onnxruntime"),
            *details,
        ]
    )


def cache_directory() -> Path:
    """The user's cache directory for this project. It need not exist."""
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


def recall(name: str, key: str) -> Any:
    """What is kept in the file `name` under `key`, or None."""
    return _read(cache_directory() / f"{name}.json").get(key)


def remember(name: str, key: str, value: Any) -> None:
    """Keeps `value` in the file `name` under `key`; where nothing can be written, nothing is kept."""
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
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
