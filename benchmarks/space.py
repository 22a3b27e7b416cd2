"""Runs the page as a Hugging Face Space would: `make space`, which is `python -m benchmarks.space`.

Builds the tree that a Space receives, makes a fresh virtual environment from its requirements.txt,
checks that packages.txt holds the system libraries that OpenCV looks for, starts app.py on port
7860 in a read-only source tree with the variables of a Space, fuses two photos through the API, and
prints what that took.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import memory_mb
from facefusion.cli.space import build_tree
from facefusion.machine.cpu import describe_machine

#: Seconds that a start may take.
PATIENCE = 120


@dataclass(frozen=True)
class Space:
    """A running Space: its address, the seconds until it answered, and its process's id."""

    url: str
    seconds: float
    pid: int

    def memory_mb(self) -> dict[str, float]:
        """Resident memory now and at its peak, in megabytes of 10^6 bytes; empty where there is no
        /proc.
        """
        return memory_mb(self.pid)


def fingerprint(tree: Path) -> dict[str, str]:
    """The SHA-256 of every file of a tree, by its place."""
    files = (path for path in tree.rglob("*") if path.is_file())
    return {
        path.relative_to(tree).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@contextmanager
def read_only(tree: Path) -> Iterator[None]:
    """Takes the right to write from a tree. Root may write all the same: see `fingerprint`."""
    places = [tree, *tree.rglob("*")]
    modes = [path.stat().st_mode for path in places]
    for path, mode in zip(places, modes, strict=True):
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in zip(places, modes, strict=True):
            path.chmod(mode)


@contextmanager
def running(tree: Path, python: str, home: Path, port: int, **variables: str) -> Iterator[Space]:
    """Starts `app.py` of a tree with a Space's variables and no others, and stops it at the end.

    Args:
        tree: the source tree.
        python: the interpreter.
        home: an empty home directory: all that a Space may write to.
        port: where it shall listen.
        variables: further ones.

    Raises:
        RuntimeError: it ended, or did not answer in time.
    """
    environment = {
        "HOME": str(home), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
        "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "TMPDIR": str(home),
        "SYSTEM": "spaces", "SPACE_ID": "someone/facefusion", **variables,
    }  # fmt: skip
    log = home / "log"
    begin = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [python, "app.py"], cwd=tree, env=environment, stdout=out, stderr=out
        )
    try:
        url = f"http://127.0.0.1:{port}/"
        while True:
            try:
                with urllib.request.urlopen(url + "config", timeout=5) as answer:
                    json.load(answer)
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if process.poll() is not None or time.perf_counter() - begin > PATIENCE:
                    raise RuntimeError(
                        f"The page did not start:\n{log.read_text(errors='replace')[-3000:]}"
                    ) from None
                time.sleep(0.05)
        yield Space(url, time.perf_counter() - begin, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def fuse(
    space: Space, source: Path, target: Path, downloads: Path, tier: str = "best"
) -> tuple[Path, dict[str, object]]:
    """Fuses two photos through the Space's API: the result's file and the report."""
    from gradio_client import Client, handle_file

    photos = [handle_file(str(path)) for path in (source, target)]
    client = Client(space.url, verbose=False, download_files=downloads)
    result, _, report = client.predict(*photos, tier, i_have_consent=True, api_name="/fuse")
    return Path(result), report


def missing_libraries(python: str) -> list[str]:
    """Shared libraries that OpenCV of that environment looks for in vain."""
    code = "import importlib.util as u; print(u.find_spec('cv2').submodule_search_locations[0])"
    place = Path(
        subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    module = next(place.glob("*.so"))
    lines = subprocess.run(
        ["ldd", str(module)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [line.split()[0] for line in lines if "not found" in line]


def packages(tree: Path) -> dict[str, bool | None]:
    """Each line of packages.txt, and whether this machine has it; None where nobody knows."""
    names = (tree / "packages.txt").read_text().split()
    if shutil.which("dpkg-query") is None:
        return dict.fromkeys(names)
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status}"]
    return {
        n: "installed" in subprocess.run([*command, n], capture_output=True, text=True).stdout
        for n in names
    }


def main() -> None:
    """Builds, installs, starts, fuses, reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument(
        "--python", default=sys.executable, help="the interpreter to make the environment with"
    )
    options = parser.parse_args()
    named = describe_machine()
    print(f"{named['cpu']}, {named['cores']} cores, load {named['load']}")
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        tree = build_tree(folder / "space")
        files = [path for path in tree.rglob("*") if path.is_file()]
        print(
            f"tree: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB"
        )

        begin = time.perf_counter()
        python = str(folder / "venv" / "bin" / "python")
        subprocess.run([options.python, "-m", "venv", str(folder / "venv")], check=True)
        install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            "requirements.txt",
        ]
        subprocess.run([python, *install], cwd=tree, check=True)
        print(f"environment from requirements.txt: {time.perf_counter() - begin:.0f} s")
        print(
            "packages.txt:",
            ", ".join(f"{name} {'yes' if has else has}" for name, has in packages(tree).items()),
        )
        missing = missing_libraries(python)
        print("shared libraries that OpenCV misses:", ", ".join(missing) or "none")

        home = folder / "home"
        home.mkdir()
        before = fingerprint(tree)
        pair = [tree / "examples" / name for name in ("portrait-1.jpg", "portrait-2.jpg")]
        with read_only(tree), running(tree, python, home, options.port) as space:
            print(f"answers on port {options.port} after {space.seconds:.1f} s", _megabytes(space))
            for turn in ("first", "second"):
                begin = time.perf_counter()
                _, report = fuse(space, *pair, folder / turn)
                print(f"{turn} fusion through the API: {time.perf_counter() - begin:.2f} s, tier {report['tier']},"
                      f" identity match {report['identity_similarity']}", _megabytes(space))  # fmt: skip
        print("source tree unchanged:", fingerprint(tree) == before)
        if missing or fingerprint(tree) != before:
            sys.exit(1)


def _megabytes(space: Space) -> str:
    return ", ".join(f"{value:.0f} MB {name}" for name, value in space.memory_mb().items())


if __name__ == "__main__":
    main()
