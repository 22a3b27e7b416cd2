"""A server process of its own, inside limits, and visitors who speak HTTP to it, each from an
address of their own.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import memory_mb

HOST: Final = "127.0.0.1"
API: Final = "/gradio_api"
#: What the server under attack is started from; another checkout can be named, to compare.
ROOT: Final = Path(os.environ.get("FACEFUSION_ATTACKED") or Path(__file__).resolve().parent.parent)
#: Address space in bytes of the server: 1.8 GB, what an honest visit and its threads map, and 1.5
#: GB.
ADDRESS_SPACE: Final = 3_300_000_000
STARTUP_SECONDS: Final = 60
#: Ports of servers: the system's own for clients begin at 32,768 (Linux).
PORTS: Final = (20_000, 32_000)
#: Seconds that a visitor waits for an answer before giving it up for lost.
PATIENCE: Final = 60.0
#: What stands for the exit code of a process that had to be killed.
NEVER_ENDED: Final = -1000


@dataclass(frozen=True)
class Answer:
    """What a visitor was answered.

    Attributes:
        status: of HTTP.
        headers: by lower-case name.
        body: as it came.
        event: of a stream of events, the last one's name: "complete" or "error"; otherwise empty.
        data: of that event, or the JSON of the body.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    event: str = ""
    data: Any = None

    @property
    def refused(self) -> bool:
        """Whether nothing was made."""
        return self.status >= 400 or self.event == "error"

    @property
    def made(self) -> bool:
        """Whether there is a picture or a face in it."""
        return b"ai-generated" in self.body or b'"faces": [{' in self.body

    @property
    def sentence(self) -> str:
        """What a refusal says; empty where it says nothing."""
        told = (
            self.data.get("error")
            if isinstance(self.data, dict)
            else self.data
            if self.event
            else None
        )
        return told if isinstance(told, str) else ""


@dataclass
class Visitor:
    """Somebody with an address, 127.x.y.z, where the system has these (Linux)."""

    port: int
    address: str = HOST
    patience: float = PATIENCE
    _listeners: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def connected(self) -> Iterator[http.client.HTTPConnection]:
        """A connection for one request."""
        connection = http.client.HTTPConnection(
            HOST, self.port, timeout=self.patience, source_address=(self.address, 0)
        )
        try:
            yield connection
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request; underscores in the names of headers stand for hyphens."""
        with self.connected() as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.connect()
            with suppress(ConnectionError):  # a server may answer before it has read everything
                connection.request(method, path, body, named)
            answer = connection.getresponse()
            return _answer(answer, answer.read())

    def get(self, path: str, **headers: str) -> Answer:
        """Loads something."""
        return self.ask("GET", path, **headers)

    def post(self, path: str, value: Any, **headers: str) -> Answer:
        """Sends JSON, or bytes as if they were."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", path, body, **{"Content_Type": "application/json", **headers})

    def send(self, *files: bytes, name: str = "photo.jpg") -> Answer:
        """Uploads files."""
        mark = uuid.uuid4().hex
        part = (
            f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        )
        body = (
            b"".join(part.encode() + data + b"\r\n" for data in files) + f"--{mark}--\r\n".encode()
        )
        return self.ask(
            "POST", f"{API}/upload", body, Content_Type=f"multipart/form-data; boundary={mark}"
        )

    def upload(self, data: bytes, name: str = "photo.jpg") -> dict[str, Any]:
        """Uploads a photo, and names it as the endpoints want it."""
        answer = self.send(data, name=name)
        if answer.status != 200:
            raise RuntimeError(f"the upload was refused: {answer.status} {answer.sentence}")
        return named(answer.data[0])

    def order(self, endpoint: str, data: Any, **headers: str) -> Answer:
        """Puts a call into the queue; `data` of the answer holds its "event_id"."""
        return self.post(f"{API}/call/{endpoint}", {"data": data}, **headers)

    def result(self, endpoint: str, event: str) -> Answer:
        """Waits for what a call in the queue gives."""
        with self.connected() as connection:
            connection.request("GET", f"{API}/call/{endpoint}/{event}")
            return _last_event(connection.getresponse())

    def call(self, endpoint: str, data: Any, **headers: str) -> Answer:
        """Calls an endpoint of the API and waits."""
        ordered = self.order(endpoint, data, **headers)
        return ordered if ordered.refused else self.result(endpoint, ordered.data["event_id"])

    def fuse(self, source: Any, target: Any, tier: str = "fast") -> Answer:
        """Asks for a fusion, as an honest program does."""
        return self.call("fuse", [source, target, tier, [], 0.5, 1, True])

    def press(self, listener: str, data: Any, session: str | None = None) -> Answer:
        """Does what the page does for one of its listeners, and waits."""
        session = session or uuid.uuid4().hex[:12]
        body = {
            "fn_index": self.listeners()[listener],
            "data": data,
            "session_hash": session,
            "event_data": None,
        }
        ordered = self.post(f"{API}/queue/join", body)
        if ordered.refused:
            return ordered
        with self.connected() as connection:
            connection.request("GET", f"{API}/queue/data?session_hash={session}")
            return _last_message(connection.getresponse())

    def fuse_on_page(
        self, *photos: Any, listener: str = "fuse_on_page", consent: Any = ("rights", "decent")
    ) -> Answer:
        """Presses Fuse, or Compare; the photos are source, two more of it, target and second
        person.
        """
        return self.press(listener, page_form(*photos, consent=consent))

    def listeners(self) -> dict[str, int]:
        """Numbers of the page's listeners by name."""
        if not self._listeners:
            config = self.get("/config").data
            self._listeners.update(
                (each["api_name"], each["id"]) for each in config["dependencies"]
            )
        return self._listeners


def page_form(
    source: Any,
    source2: Any,
    source3: Any,
    target: Any,
    other: Any,
    *,
    consent: Any = ("rights", "decent"),
    consented: Any = None,
    made: Any = None,
) -> list[Any]:
    """Values of the page's form, in the order of the listeners that fuse and compare."""
    photos = [source, source2, source3, target, [], other, []]
    return [*photos, "fast", 0.5, 1.0, consent, consented, made]


def named(path: str) -> dict[str, Any]:
    """A file as Gradio's clients name it."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def _answer(
    answer: http.client.HTTPResponse, body: bytes, event: str = "", data: Any = None
) -> Answer:
    headers = {name.lower(): value for name, value in answer.getheaders()}
    if not event and headers.get("content-type", "").startswith("application/json"):
        with suppress(ValueError):
            data = json.loads(body)
    return Answer(answer.status, headers, body, event, data)


def _last_event(answer: http.client.HTTPResponse) -> Answer:
    """Reads events as `/call` sends them until one of them is the last."""
    read, event = b"", ""
    while line := answer.readline():
        read += line
        if line.startswith(b"event:"):
            event = line[6:].strip().decode()
        elif line.startswith(b"data:") and event in ("complete", "error"):
            return _answer(answer, read, event, json.loads(line[5:]))
    return _answer(answer, read)


def _last_message(answer: http.client.HTTPResponse) -> Answer:
    """Reads messages as the page gets them until its listener has ended; `data` lists what each
    changes.
    """
    read, changes = b"", []
    while line := answer.readline():
        read += line
        if line.startswith(b"data:"):
            message = json.loads(line[5:])
            if message["msg"] == "unexpected_error" or not message.get("success", True):
                return _answer(answer, read, "error", message.get("output", message.get("message")))
            if "output" in message:
                changes.append(message["output"].get("data"))
            if message["msg"] == "process_completed":
                return _answer(answer, read, "complete", changes)
    return _answer(answer, read)


@dataclass
class Server:
    """A running `app.py`, in a session of its own.

    Attributes:
        process: what was started.
        port: where it listens.
        place: a directory for its home, its temporary files, its cache and its log.
        outlived: how many processes it has left behind, once it was ended.
    """

    process: subprocess.Popen[bytes]
    port: int
    place: Path
    outlived: int = 0
    _started: set[int] = field(default_factory=set)

    @property
    def temporary(self) -> Path:
        """The system's temporary directory as the server sees it."""
        return self.place / "tmp"

    @property
    def log(self) -> str:
        """What the server has written to its terminal."""
        return (self.place / "log").read_text(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def files(self) -> list[str]:
        """Everything in the temporary directory that may hold something of a visitor's, relative to
        it.
        """
        found = [
            Path(folder, name) for folder, _, names in os.walk(self.temporary) for name in names
        ]
        return sorted(str(path.relative_to(self.temporary)) for path in found)

    def processes(self) -> list[int]:
        """The server's process and those that it started, as far as they still run."""
        running = _running()
        started = {self.process.pid}
        while more := {pid for pid, parent in running.items() if parent in started} - started:
            started |= more
        self._started |= started
        return sorted(self._started & set(running))

    def memory(self) -> float:
        """Resident megabytes of 10^6 bytes of all these."""
        total = 0.0
        for pid in self.processes():
            with suppress(OSError, KeyError):  # it ended meanwhile
                total += memory_mb(pid)["now"]
        return total

    def settled_memory(self, limit: float, seconds: float = 30) -> float:
        """Waits until the memory is below a limit in megabytes, and returns what it was last."""
        end = time.monotonic() + seconds
        while (now := self.memory()) > limit and time.monotonic() < end:
            time.sleep(0.2)
        return now

    def wait_until_up(self) -> None:
        """Waits for the first answer.

        Raises:
            RuntimeError: the process ended, or took too long.
        """
        end = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < end and self.alive:
            with suppress(OSError, http.client.HTTPException):
                if Visitor(self.port, patience=5).get("/config").status == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start: {self.log[-2000:]}")

    def end(self, with_signal: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Sends a signal and waits for the end; kills what does not end.

        Returns:
            The exit code, negative for a signal.
        """
        self.processes()  # whose parents they were is not known afterwards
        self.process.send_signal(with_signal)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return NEVER_ENDED
        finally:
            self.outlived = self._outlived()
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def _outlived(self, seconds: float = 5) -> int:
        """Processes that still run some time after the server's own has ended."""
        end = time.monotonic() + seconds
        while (found := len(self.processes())) and time.monotonic() < end:
            time.sleep(0.05)
        return found


def _running() -> dict[int, int]:
    """Processes that run, with their parents."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent, *_ = stat.read_text().rpartition(")")[2].split()
            if state != "Z":
                found[int(stat.parent.name)] = int(parent)
    return found


def _free_port() -> int:
    """A free port below those that the system gives to clients, which could take it meanwhile."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as free, suppress(OSError):
            free.bind((HOST, port))
            return port


def start(place: Path, *, address_space: int = ADDRESS_SPACE, **environment: str) -> Server:
    """Starts a server without waiting for it.

    Args:
        place: an existing directory; started again in it, the server finds what the one before has
            left.
        address_space: the most that the process may map, in bytes.
        environment: variables to set.
    """
    for name in ("tmp", "home", "cache"):
        (place / name).mkdir(exist_ok=True)
    port = _free_port()
    own = {"HOME": place / "home", "TMPDIR": place / "tmp", "FACEFUSION_CACHE": place / "cache"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GRADIO_", "XDG_"))
    }
    with (place / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--host", HOST, "--port", str(port)],
            cwd=ROOT,
            env={**kept, **{name: str(value) for name, value in own.items()}, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_AS, (address_space, address_space)
            ),
        )
    return Server(process, port, place)


@contextmanager
def serving(place: Path, **environment: str) -> Iterator[Server]:
    """A server that answers, ended and gone afterwards."""
    server = start(place, **environment)
    try:
        server.wait_until_up()
        yield server
    finally:
        if server.alive:
            server.end()


@dataclass
class Peak:
    """The most memory of a server in megabytes while the block runs: `with Peak(server) as peak:
    ...; peak.highest`.
    """

    server: Server
    highest: float = 0.0
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Peak:
        self.highest = self.server.memory()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.05):
            self.highest = max(self.highest, self.server.memory())
