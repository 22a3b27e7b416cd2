"""Nothing is asked of anybody, and nothing stays but what README names: a whole visit with its
network calls recorded.

The calls are recorded with strace. Where that is not permitted, the visit runs in a network
namespace that leads nowhere, with a name server of its own that records what is looked up.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from facefusion.machine.telemetry import SWITCHES

ROOT = Path(__file__).resolve().parents[2]
#: Seconds that the visit takes at the least: ONNX Runtime 1.32 looks up its maker's host 9.0
#: seconds after its import.
SECONDS = 14
#: What README names of the disk.
NAMED = {"cache/facefusion/engines.json", "cache/facefusion/speed.json"}
#: Packages keep quiet there by themselves.
IN_TESTS = {
    "CI",
    "TF_BUILD",
    "JENKINS_URL",
    "GITHUB_ACTIONS",
    "PYTEST_CURRENT_TEST",
    "HF_HUB_OFFLINE",
}
CALLS = "connect,sendto,sendmsg,sendmmsg"
#: This machine itself; but not a service on it that asks others for names.
LOOPBACK = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "(::1|::ffff:127\.)')
NAME_SERVICE = re.compile(r'htons\(53\)|sun_path="[^"]*resolve')
NAMESPACE = """
import pathlib, socket, subprocess, sys, threading
log, *words = sys.argv[1:]
servers = pathlib.Path(log + ".servers")
servers.write_text("nameserver 127.0.0.1\\n")
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["mount", "--bind", servers, "/etc/resolv.conf"], check=True)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
def record():
    with open(log, "a") as file:
        while True:
            print("looked up:", server.recv(512)[12:], file=file, flush=True)
threading.Thread(target=record, daemon=True).start()
sys.exit(subprocess.run(words).returncode)
"""


def _from_strace(line: str) -> bool:
    """Whether a recorded call goes beyond this machine, or asks for a host's name (nscd tells
    users' names too).
    """
    return bool(NAME_SERVICE.search(line)) or (
        "sa_family=AF_INET" in line and not LOOPBACK.search(line)
    )


@dataclass(frozen=True)
class Recorder:
    """A way to record network calls: the words before a command, behind which the log's path
    follows; what counts of it.
    """

    name: str
    words: tuple[str, ...]
    counts: Callable[[str], bool]

    def run(self, command: list[str], log: Path, **options: object) -> tuple[int, list[str]]:
        """The command's exit code, and its calls that go beyond this machine."""
        log.touch()
        done = subprocess.run([*self.words, str(log), *command], timeout=120, **options)  # type: ignore[call-overload]
        return done.returncode, [
            line for line in log.read_text(errors="replace").splitlines() if self.counts(line)
        ]

    def works(self, folder: Path) -> bool:
        """Whether this machine permits it."""
        try:
            code, _ = self.run(
                [sys.executable, "-c", ""], folder / f"{self.name}-works", stderr=subprocess.DEVNULL
            )
        except OSError:
            return False
        return code == 0


STRACE = Recorder(
    "strace", ("strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o"), _from_strace
)
UNSHARED = Recorder(
    "namespace",
    ("unshare", "--map-root-user", "--net", "--mount", sys.executable, "-c", NAMESPACE),
    lambda line: True,
)


@dataclass(frozen=True)
class Visit:
    """What came of it: its exit code, its calls beyond this machine, and what lies in its
    directories.
    """

    code: int
    calls: list[str]
    left: set[str]


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    folder = tmp_path_factory.mktemp("recorder")
    for each in (STRACE, UNSHARED):
        if each.works(folder):
            return each
    pytest.skip(
        "Neither strace nor an unprivileged network namespace is permitted here: network calls cannot be recorded."
    )


@pytest.fixture(scope="module")
def visit(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    folder = tmp_path_factory.mktemp("visit")
    places = {name: folder / "disk" / name for name in ("home", "cache", "tmp")}
    for place in places.values():
        place.mkdir(parents=True)
    switched = {name for switch in SWITCHES for name in switch.variables}
    kept = {name: value for name, value in os.environ.items() if name not in switched | IN_TESTS}
    own = {
        name: value
        for name, value in kept.items()
        if not name.startswith(("FACEFUSION_", "GRADIO_", "HF_"))
    }
    environment = {
        **own, "HOME": str(places["home"]), "XDG_CACHE_HOME": str(places["cache"]), "TMPDIR": str(places["tmp"]),
        "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script, out = ROOT / "tests" / "security" / "whole_visit.py", folder / "out.png"
    command = [sys.executable, str(script), str(port), str(SECONDS), str(out)]
    code, calls = recorder.run(command, folder / "log", cwd=ROOT, env=environment)
    assert out.is_file()
    left = {str(path.relative_to(folder / "disk")) for path in (folder / "disk").rglob("*")}
    return Visit(code, calls, left - set(places) - {"cache/facefusion"})


def test_a_whole_visit_asks_nobody(visit: Visit) -> None:
    assert visit.calls == []
    assert visit.code == 0


def test_a_whole_visit_leaves_nothing_but_what_is_named(visit: Visit) -> None:
    assert visit.left <= NAMED and "cache/facefusion/speed.json" in visit.left


@pytest.mark.parametrize("way", [STRACE, UNSHARED], ids=lambda way: way.name)
def test_what_others_would_be_asked_is_recorded(way: Recorder, tmp_path: Path) -> None:
    if not way.works(tmp_path):
        pytest.skip(f"{way.name} is not permitted here")
    asks = "try: socket.getaddrinfo('facefusion.invalid', 443)\nexcept OSError: pass"
    code, calls = way.run([sys.executable, "-c", f"import socket\n{asks}"], tmp_path / "asks")
    assert code == 0 and calls
    local = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname()).send(b'x')"
    assert way.run([sys.executable, "-c", local], tmp_path / "local") == (0, [])


def test_a_call_to_an_address_is_recorded(tmp_path: Path) -> None:
    if not STRACE.works(tmp_path):
        pytest.skip("strace is not permitted here")
    for number, (family, address) in enumerate(
        (("AF_INET", "192.0.2.1"), ("AF_INET6", "2001:db8::1"))
    ):
        for call in ("connect", "sendto"):
            words = (
                f"s.connect(('{address}', 9))"
                if call == "connect"
                else f"s.sendto(b'x', ('{address}', 9))"
            )
            made = f"import socket; s = socket.socket(socket.{family}, socket.SOCK_DGRAM)"
            code = f"{made}\ntry: {words}\nexcept OSError: pass"
            assert STRACE.run([sys.executable, "-c", code], tmp_path / f"{call}{number}")[1], (
                family,
                call,
            )
