"""Runs the steps of the Dockerfile without a container engine: `python -m benchmarks.container`.

A directory stands in for the image. COPY copies; RUN of pip installs into a fresh virtual
environment; RUN of apt is simulated if apt is installed; RUN of useradd is not run. At the end the
CMD runs with the variables of ENV alone until the HEALTHCHECK's command succeeds. The output names
the steps that were not run.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.server import HOST, STARTUP_SECONDS, ServerCommand, start_server

ROOT = Path(__file__).resolve().parent.parent


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Yields each instruction and its words; joins continued lines, and leaves comments out."""
    text = "\n".join(
        line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")
    )
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, words = line.strip().partition(" ")
            yield name.upper(), words.strip()


@dataclass
class Container:
    """Directory that stands in for an image, and the state after the instructions so far.

    Attributes:
        folder: the directory.
        workdir: the image's working directory.
        variables: of ENV.
        health: command of HEALTHCHECK.
    """

    folder: Path
    workdir: Path = Path("/")
    variables: dict[str, str] = field(default_factory=dict)
    health: str = ""

    def inside(self, path: str) -> Path:
        """Returns the path on this machine of a path in the image."""
        return self.folder / str(self.workdir / path).lstrip("/")

    def local(self, command: str) -> str:
        """Replaces the image's /tmp and home in a command by those of the directory."""
        return command.replace("/tmp/", f"{self.folder}/tmp/").replace(
            "/home/", f"{self.folder}/home/"
        )

    @property
    def environment(self) -> dict[str, str]:
        """Variables of ENV, with the virtual environment first on the path."""
        path = os.pathsep.join([str(self.folder / "venv" / "bin"), os.environ["PATH"]])
        variables = {
            name: value.replace("/tmp", f"{self.folder}/tmp")
            for name, value in self.variables.items()
        }
        return {"HOME": str(self.folder / "tmp"), **variables, "PATH": path}

    def step(self, name: str, words: str) -> str:
        """Carries out one instruction, and describes what was done.

        Raises:
            subprocess.CalledProcessError, OSError: the step fails.
            ValueError: the instruction is unknown to this script.
        """
        match name:
            case "FROM":
                return self._from(words)
            case "WORKDIR":
                self.workdir = Path(words)
                self.inside(".").mkdir(parents=True, exist_ok=True)
                return "done"
            case "COPY":
                *sources, target = words.split()
                return self._copy(sources, target)
            case "ENV":
                self.variables |= dict(word.split("=", 1) for word in shlex.split(words))
                return "done"
            case "RUN":
                return self._run(words)
            case "HEALTHCHECK":
                self.health = words.partition("CMD ")[2]
                return "kept for the end"
            case "USER" | "EXPOSE" | "CMD":
                return "NOT RUN: needs an engine" if name == "USER" else "kept for the end"
        raise ValueError(f"{name} is not known here")

    def _from(self, words: str) -> str:
        wanted = words.partition(":")[2].partition("-")[0]
        own = f"{sys.version_info[0]}.{sys.version_info[1]}"
        subprocess.run([sys.executable, "-m", "venv", str(self.folder / "venv")], check=True)
        return f"stands in: this Python {own}" + ("" if own == wanted else f", not {wanted}")

    def _copy(self, sources: list[str], target: str) -> str:
        count = 0
        for source in sources:
            copy = self.inside(target) / source if target.endswith("/") else self.inside(target)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(
                    ROOT / source, copy, ignore=shutil.ignore_patterns("__pycache__", ".*")
                )
                count += sum(path.is_file() for path in copy.rglob("*"))
            else:
                shutil.copyfile(ROOT / source, copy)
                count += 1
        return f"{count} files"

    def _run(self, words: str) -> str:
        if "apt-get" in words:
            if shutil.which("apt-get") is None:
                return "NOT RUN: no apt here"
            names = (ROOT / "packages.txt").read_text().split()
            command = ["apt-get", "install", "--simulate", "--no-install-recommends", *names]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == 0:
                return "simulated"
            return f"NOT SIMULATED: {done.stderr.strip().splitlines()[-1]}"
        if words.startswith("useradd"):
            return "NOT RUN: needs an engine"
        self.inside(".").mkdir(parents=True, exist_ok=True)
        quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
        passed = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("PIP_", "SSL_", "HTTP"))
        }
        subprocess.run(
            self.local(words),
            shell=True,
            check=True,
            cwd=self.inside("."),
            env={**passed, **self.environment, **quiet},
        )
        return "done"

    def start(self, command: list[str], port: int) -> str:
        """Runs the CMD until the HEALTHCHECK's command succeeds.

        Raises:
            RuntimeError: the command ended, or the check did not succeed in time.
        """
        own = {"GRADIO_SERVER_NAME": HOST, "GRADIO_SERVER_PORT": str(port)}
        environment = {**self.environment, **own}
        check = self.health.replace("7860", str(port))
        begin = time.perf_counter()
        started = ServerCommand(environment, port, command, self.inside("."))
        server = start_server(self.folder / "tmp", started)
        try:
            while not _succeeds(check, environment):
                if not server.alive or time.perf_counter() - begin > STARTUP_SECONDS:
                    raise RuntimeError(f"The health check did not succeed:\n{server.log[-3000:]}")
                time.sleep(0.2)
            return f"healthy after {time.perf_counter() - begin:.1f} s"
        finally:
            server.end()


def _succeeds(command: str, environment: Mapping[str, str]) -> bool:
    done = subprocess.run(command, shell=True, env=environment, stderr=subprocess.DEVNULL)
    return done.returncode == 0


def main() -> None:
    """Prints each step and what was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7860)
    port = parser.parse_args().port
    with tempfile.TemporaryDirectory() as directory:
        container = Container(Path(directory))
        command: list[str] = []
        for name, words in instructions(ROOT / "Dockerfile"):
            if name == "CMD":
                command = [word.strip(' "') for word in words.strip("[]").split(",")]
            print(f"{name} {words[:90]}: {container.step(name, words)}", flush=True)
        command[0] = str(container.folder / "venv" / "bin" / command[0])
        print(f"{' '.join(command[1:])}: {container.start(command, port)}")
        size = sum(
            p.stat().st_size
            for p in container.folder.rglob("*")
            if p.is_file() and not p.is_symlink()
        )
        print(f"environment and tree: {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
