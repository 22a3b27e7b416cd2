"""Starts `app.py` in a process of its own, and ends it.

By default the server is isolated: a home, temporary files and a cache of its own, and a limit of
its address space.
"""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import memory_mb, running_processes

HOST: Final = "127.0.0.1"
#: Checkout whose `app.py` is started; the variable names another one, to compare.
ROOT: Final = Path(os.environ.get("FACEFUSION_ATTACKED") or Path(__file__).resolve().parent.parent)
#: Bytes of an isolated server's address space: 1.8 GB, which a usual visit and its threads map, and
#: 1.5 GB more.
ADDRESS_SPACE: Final = 3_300_000_000
#: Seconds that a start may take.
STARTUP_SECONDS: Final = 120
#: Ports of servers: below those that the system gives to clients, which begin at 32,768 (Linux).
PORTS: Final = (20_000, 32_000)
#: Exit code that stands for a process that had to be killed.
NEVER_ENDED: Final = -1000


def free_port() -> int:
    """Draws a free port of `PORTS`."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as free, suppress(OSError):
            free.bind((HOST, port))
            return port


@dataclass(frozen=True)
class ServerCommand:
    """How a server is started.

    Attributes:
        environment: all its variables.
        port: where it will listen.
        words: program and arguments; empty for this Python with `app.py` on `HOST` and `port`.
        cwd: working directory.
        address_space: the most that the process may map, in bytes, or None.
    """

    environment: Mapping[str, str]
    port: int = field(default_factory=free_port)
    words: Sequence[str] = ()
    cwd: Path = ROOT
    address_space: int | None = None


def isolated(folder: Path, **variables: str) -> ServerCommand:
    """Describes a server with directories of its own in `folder` and limited memory.

    Args:
        folder: an existing directory. A second server in it finds what the first one left.
        variables: added to the environment, which keeps none of Gradio's variables.
    """
    for name in ("tmp", "home", "cache"):
        (folder / name).mkdir(exist_ok=True)
    own = {"HOME": folder / "home", "TMPDIR": folder / "tmp", "FACEFUSION_CACHE": folder / "cache"}
    environment = {
        **inherited(),
        **{name: str(path) for name, path in own.items()},
        **variables,
    }
    return ServerCommand(environment, address_space=ADDRESS_SPACE)


def inherited() -> dict[str, str]:
    """Returns this process's variables without those that move a server or its files."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GRADIO_", "XDG_"))
    }


@dataclass
class Server:
    """A running server, in a session of its own.

    Attributes:
        process: the process that was started.
        port: where it listens.
        folder: holds its log and, if it is isolated, its home, temporary files and cache.
        startup_seconds: from its start to its first answer, once it has answered.
        orphans: number of processes that outlived it, once it was ended.
    """

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    startup_seconds: float = 0.0
    orphans: int = 0
    _begin: float = field(default_factory=time.perf_counter)
    _started: set[int] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Address, with a slash at the end."""
        return f"http://{HOST}:{self.port}/"

    @property
    def temporary(self) -> Path:
        """Temporary directory of an isolated server."""
        return self.folder / "tmp"

    @property
    def log(self) -> str:
        """Output of the server so far."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def files(self, least_bytes: int = 0) -> list[str]:
        """Lists files below `temporary`, relative to it, of at least this size."""
        return files_below(self.temporary, least_bytes)

    def processes(self) -> list[int]:
        """Lists the server's process and its descendants that still run (Linux)."""
        parents = running_processes()
        family = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        self._started |= family
        return sorted(self._started & set(parents))

    def memory(self) -> float:
        """Sums the resident memory of `processes`, in megabytes of 10^6 bytes."""
        total = 0.0
        for pid in self.processes():
            with suppress(OSError, KeyError):  # it ended meanwhile
                total += memory_mb(pid)["now"]
        return total

    def settled_memory(self, limit: float, seconds: float = 30) -> float:
        """Waits until the memory is below `limit` in megabytes, and returns the last figure."""
        end = time.monotonic() + seconds
        while (now := self.memory()) > limit and time.monotonic() < end:
            time.sleep(0.2)
        return now

    def wait_until_up(self) -> None:
        """Waits for the first answer.

        Raises:
            RuntimeError: the process ended, or took too long.
        """
        while self.alive and time.perf_counter() - self._begin < STARTUP_SECONDS:
            if self._answers():
                self.startup_seconds = time.perf_counter() - self._begin
                return
            time.sleep(0.05)
        raise RuntimeError(f"The server did not start:\n{self.log[-3000:]}")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/config")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def end(self, with_signal: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Sends a signal and waits for the end; kills a process that does not end.

        Returns:
            The exit code, negative for a signal, or `NEVER_ENDED`.
        """
        self.processes()  # remembers its descendants, whose parents are not known afterwards
        self.process.send_signal(with_signal)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return NEVER_ENDED
        finally:
            self.orphans = self._count_orphans()
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()

    def _count_orphans(self, seconds: float = 5) -> int:
        """Counts processes that still run some seconds after the server's own has ended."""
        end = time.monotonic() + seconds
        while (count := len(self.processes())) and time.monotonic() < end:
            time.sleep(0.05)
        return count


def files_below(directory: Path, least_bytes: int = 0) -> list[str]:
    """Lists files of at least this size below a directory whose files may be deleted meanwhile."""
    found = []
    for folder, _, names in os.walk(directory):
        for path in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):
                if path.lstat().st_size >= least_bytes:
                    found.append(str(path.relative_to(directory)))
    return sorted(found)


def start_server(folder: Path, command: ServerCommand | None = None, **variables: str) -> Server:
    """Starts a server without waiting for it.

    Args:
        folder: an existing directory, for its log.
        command: how it is started; `isolated` by default.
        variables: added to the environment of an isolated server.
    """
    command = command or isolated(folder, **variables)
    words = command.words or [sys.executable, "app.py", "--host", HOST, "--port", str(command.port)]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            words,
            cwd=command.cwd,
            env=command.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **_limits(command.address_space),
        )
    return Server(process, command.port, folder)


def _limits(address_space: int | None) -> dict[str, Any]:
    """Returns the argument of `Popen` that limits the address space."""
    if address_space is None:
        return {}
    import resource  # not on Windows

    limit = (address_space, address_space)
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, limit)}


@contextmanager
def serving(
    folder: Path, command: ServerCommand | None = None, **variables: str
) -> Iterator[Server]:
    """Yields a server that answers, and ends it; arguments as of `start_server`."""
    server = start_server(folder, command, **variables)
    try:
        server.wait_until_up()
        yield server
    finally:
        if server.alive:
            server.end()
