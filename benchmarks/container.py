"""Runs the steps of the Dockerfile without a Docker engine, as far as they go: `python -m
benchmarks.container`.

A directory stands in for the image. COPY copies; RUN of pip installs into a fresh virtual
environment; RUN of apt is simulated where apt is at hand; RUN of useradd is not run. At the end the
CMD runs with the ENV and nothing else until the HEALTHCHECK's own command says that it is well.
What was not run is said.
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Seconds until the health check must succeed.
PATIENCE = 120


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Each instruction and its words; lines that are continued are joined, comments left out."""
    text = "\n".join(
        line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")
    )
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, words = line.strip().partition(" ")
            yield name.upper(), words.strip()


@dataclass
class Container:
    """The directory that stands in for an image, and what the instructions made of it so far."""

    folder: Path
    place: Path = Path("/")
    variables: dict[str, str] = field(default_factory=dict)
    health: str = ""

    def inside(self, path: str) -> Path:
        """A path of the image as one of this machine."""
        return self.folder / str(self.place / path).lstrip("/")

    def local(self, command: str) -> str:
        """A command with the image's /tmp and home replaced by those of the directory."""
        return command.replace("/tmp/", f"{self.folder}/tmp/").replace(
            "/home/", f"{self.folder}/home/"
        )

    @property
    def environment(self) -> dict[str, str]:
        """The virtual environment's programs first, and the variables of ENV."""
        path = os.pathsep.join([str(self.folder / "venv" / "bin"), os.environ["PATH"]])
        here = {
            name: value.replace("/tmp", f"{self.folder}/tmp")
            for name, value in self.variables.items()
        }
        return {"HOME": str(self.folder / "tmp"), **here, "PATH": path}

    def step(self, name: str, words: str) -> str:
        """Does one instruction; says what was done.

        Raises:
            subprocess.CalledProcessError, OSError: the step fails.
            ValueError: an instruction that this script does not know.
        """
        match name:
            case "FROM":
                wanted = words.partition(":")[2].partition("-")[0]
                here = f"{sys.version_info[0]}.{sys.version_info[1]}"
                subprocess.run(
                    [sys.executable, "-m", "venv", str(self.folder / "venv")], check=True
                )
                return f"stands in: this Python {here}" + (
                    "" if here == wanted else f", not {wanted}"
                )
            case "WORKDIR":
                self.place = Path(words)
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

    def _copy(self, sources: list[str], target: str) -> str:
        count = 0
        for source in sources:
            place = self.inside(target) / source if target.endswith("/") else self.inside(target)
            place.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(
                    ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__", ".*")
                )
                count += sum(path.is_file() for path in place.rglob("*"))
            else:
                shutil.copyfile(ROOT / source, place)
                count += 1
        return f"{count} files"

    def _run(self, words: str) -> str:
        if "apt-get" in words:
            if shutil.which("apt-get") is None:
                return "NOT RUN: no apt here"
            names = (ROOT / "packages.txt").read_text().split()
            command = ["apt-get", "install", "--simulate", "--no-install-recommends", *names]
            done = subprocess.run(command, capture_output=True, text=True)
            return (
                "simulated"
                if done.returncode == 0
                else f"NOT SIMULATED: {done.stderr.strip().splitlines()[-1]}"
            )
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
        """Runs the CMD until the HEALTHCHECK's command succeeds."""
        environment = {
            **self.environment,
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_SERVER_PORT": str(port),
        }
        check, begin = self.health.replace("7860", str(port)), time.perf_counter()
        log = self.folder / "tmp" / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=self.inside("."), env=environment, stdout=out, stderr=out
            )
        try:
            quiet = {"shell": True, "env": environment, "stderr": subprocess.DEVNULL}
            while subprocess.run(check, **quiet).returncode != 0:  # type: ignore[call-overload]
                if process.poll() is not None or time.perf_counter() - begin > PATIENCE:
                    raise RuntimeError(
                        f"The container did not become well:\n{log.read_text(errors='replace')[-3000:]}"
                    )
                time.sleep(0.2)
            return f"well after {time.perf_counter() - begin:.1f} s"
        finally:
            process.terminate()
            process.wait(20)


def main() -> None:
    """Prints each step and what became of it."""
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
