"""Runs the page as a Hugging Face Space would: `make space`, which is `python -m benchmarks.space`.

Builds the tree that a Space receives, makes a fresh virtual environment from its requirements.txt,
checks that packages.txt holds the system libraries that OpenCV looks for, starts app.py on port
7860 in a read-only source tree with the variables of a Space, fuses two photos through the API, and
prints what that took.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.processes import memory_mb
from benchmarks.server import HOST, Server, ServerCommand, serving
from facefusion.cli.space import build_tree
from facefusion.machine.cpu import describe_machine


def fingerprint(tree: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file of a tree, by its path."""
    files = (path for path in tree.rglob("*") if path.is_file())
    return {
        path.relative_to(tree).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@contextmanager
def read_only(tree: Path) -> Iterator[None]:
    """Makes a tree read-only for a while. Root may still write: see `fingerprint`."""
    modes = {path: path.stat().st_mode for path in (tree, *tree.rglob("*"))}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def running(
    tree: Path, python: str, home: Path, port: int, **variables: str
) -> AbstractContextManager[Server]:
    """Starts `app.py` of a tree with a Space's variables and no others, and stops it at the end.

    Args:
        tree: the source tree.
        python: the interpreter.
        home: an empty home directory, the only place that a Space may write to.
        port: where it will listen.
        variables: further ones.

    Raises:
        RuntimeError: it ended, or did not answer in time.
    """
    environment = {
        "HOME": str(home), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
        "GRADIO_SERVER_NAME": HOST, "GRADIO_SERVER_PORT": str(port), "TMPDIR": str(home),
        "SYSTEM": "spaces", "SPACE_ID": "someone/facefusion", **variables,
    }  # fmt: skip
    command = ServerCommand(environment, port, [python, "app.py"], tree)
    return serving(home, command)


def fuse(
    url: str, source: Path, target: Path, downloads: Path, tier: str = "best"
) -> tuple[Path, dict[str, object]]:
    """Fuses two photos through the API at `url`, and returns the result's file and the report."""
    from gradio_client import Client, handle_file

    photos = [handle_file(str(path)) for path in (source, target)]
    client = Client(url, verbose=False, download_files=downloads)
    result, _, report = client.predict(*photos, tier, i_have_consent=True, api_name="/fuse")
    return Path(result), report


def missing_libraries(python: str) -> list[str]:
    """Lists shared libraries that the OpenCV of an environment needs and does not find."""
    code = "import importlib.util as u; print(u.find_spec('cv2').submodule_search_locations[0])"
    folder = _output([python, "-c", code]).strip()
    module = next(Path(folder).glob("*.so"))
    lines = _output(["ldd", str(module)]).splitlines()
    return [line.split()[0] for line in lines if "not found" in line]


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def packages(tree: Path) -> dict[str, bool | None]:
    """Returns for each line of packages.txt whether this machine has it, or None if unknown."""
    names = (tree / "packages.txt").read_text().split()
    if shutil.which("dpkg-query") is None:
        return dict.fromkeys(names)
    command = ["dpkg-query", "--show", "--showformat=${db:Status-Status}"]
    installed: dict[str, bool | None] = {}
    for name in names:
        done = subprocess.run([*command, name], capture_output=True, text=True)
        installed[name] = "installed" in done.stdout
    return installed


def install(tree: Path, folder: Path, base_python: str) -> str:
    """Makes a virtual environment in `folder` from the tree's requirements.txt.

    Returns:
        Its interpreter.
    """
    python = str(folder / "bin" / "python")
    subprocess.run([base_python, "-m", "venv", str(folder)], check=True)
    words = "-m pip install --quiet --disable-pip-version-check -r requirements.txt"
    subprocess.run([python, *words.split()], cwd=tree, check=True)
    return python


def try_fusions(tree: Path, server: Server, folder: Path) -> None:
    """Fuses the examples twice through the API, and prints what that took."""
    memory = _megabytes(server)
    print(f"answers on port {server.port} after {server.startup_seconds:.1f} s", memory)
    pair = [tree / "examples" / name for name in ("portrait-1.jpg", "portrait-2.jpg")]
    for turn in ("first", "second"):
        begin = time.perf_counter()
        _, report = fuse(server.url, *pair, folder / turn)
        seconds = time.perf_counter() - begin
        print(
            f"{turn} fusion through the API: {seconds:.2f} s, tier {report['tier']},"
            f" identity similarity {report['identity_similarity']}",
            _megabytes(server),
        )


def main() -> None:
    """Builds, installs, starts, fuses, reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument(
        "--python", default=sys.executable, help="the interpreter to make the environment with"
    )
    options = parser.parse_args()
    here = describe_machine()
    print(f"{here['cpu']}, {here['cores']} cores, load {here['load']}")
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        tree = build_tree(folder / "space")
        sizes = [path.stat().st_size for path in tree.rglob("*") if path.is_file()]
        print(f"tree: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB")

        begin = time.perf_counter()
        python = install(tree, folder / "venv", options.python)
        print(f"environment from requirements.txt: {time.perf_counter() - begin:.0f} s")
        words = {True: "yes", False: "no", None: "unknown"}
        listed = [f"{name} {words[installed]}" for name, installed in packages(tree).items()]
        print("packages.txt:", ", ".join(listed))
        missing = missing_libraries(python)
        print("shared libraries that OpenCV misses:", ", ".join(missing) or "none")

        home = folder / "home"
        home.mkdir()
        before = fingerprint(tree)
        with read_only(tree), running(tree, python, home, options.port) as server:
            try_fusions(tree, server, folder)
        unchanged = fingerprint(tree) == before
        print("source tree unchanged:", unchanged)
        if missing or not unchanged:
            sys.exit(1)


def _megabytes(server: Server) -> str:
    figures = memory_mb(server.process.pid)
    return ", ".join(f"{value:.0f} MB {name}" for name, value in figures.items())


if __name__ == "__main__":
    main()
