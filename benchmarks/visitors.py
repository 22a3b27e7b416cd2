"""Clients who speak HTTP to the page and its API, each from an address of its own."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.server import HOST

API: Final = "/gradio_api"
#: Seconds after which an answer counts as lost.
TIMEOUT: Final = 60.0


@dataclass(frozen=True)
class Answer:
    """Answer to a request.

    Attributes:
        status: HTTP status.
        headers: by lower-case name.
        body: of the answer.
        event: name of the last event of a stream, "complete" or "error"; otherwise empty.
        data: of that event, or the JSON of the body.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    event: str = ""
    data: Any = None

    @property
    def refused(self) -> bool:
        """Whether the request failed."""
        return self.status >= 400 or self.event == "error"

    @property
    def has_result(self) -> bool:
        """Whether it holds a fused picture or a detected face."""
        return b"ai-generated" in self.body or b'"faces": [{' in self.body

    @property
    def sentence(self) -> str:
        """Message of a refusal, or empty."""
        message = self.data if self.event else None
        if isinstance(self.data, dict):
            message = self.data.get("error")
        return message if isinstance(message, str) else ""


@dataclass
class Visitor:
    """Client with an address 127.x.y.z of its own, where the system has these (Linux)."""

    port: int
    address: str = HOST
    timeout: float = TIMEOUT
    _listeners: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def connected(self) -> Iterator[http.client.HTTPConnection]:
        """Opens a connection for one request."""
        connection = http.client.HTTPConnection(
            HOST, self.port, timeout=self.timeout, source_address=(self.address, 0)
        )
        try:
            yield connection
        finally:
            connection.close()

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Sends one request; underscores in the names of headers stand for hyphens."""
        with self.connected() as connection:
            hyphenated = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.connect()
            with suppress(ConnectionError):  # a server may answer before it has read everything
                connection.request(method, path, body, hyphenated)
            response = connection.getresponse()
            return _answer(response, response.read())

    def get(self, path: str, **headers: str) -> Answer:
        """Sends a GET request."""
        return self.request("GET", path, **headers)

    def post(self, path: str, value: Any, **headers: str) -> Answer:
        """Sends a value as JSON; bytes are sent as they are, under the same type."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.request("POST", path, body, **{"Content_Type": "application/json", **headers})

    def send(self, *files: bytes, name: str = "photo.jpg") -> Answer:
        """Uploads files under one name."""
        boundary = uuid.uuid4().hex
        head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        )
        parts = [head.encode() + data + b"\r\n" for data in files]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return self.request("POST", f"{API}/upload", body, Content_Type=kind)

    def upload(self, data: bytes, name: str = "photo.jpg") -> dict[str, Any]:
        """Uploads a photo, and returns it as an endpoint's argument.

        Raises:
            RuntimeError: the upload was refused.
        """
        answer = self.send(data, name=name)
        if answer.status != 200:
            raise RuntimeError(f"the upload was refused: {answer.status} {answer.sentence}")
        return file_data(answer.data[0])

    def submit(self, endpoint: str, data: Any, **headers: str) -> Answer:
        """Puts a call into the queue; the answer's `data` holds its "event_id"."""
        return self.post(f"{API}/call/{endpoint}", {"data": data}, **headers)

    def result(self, endpoint: str, event: str) -> Answer:
        """Waits for the result of a call in the queue."""
        with self.connected() as connection:
            connection.request("GET", f"{API}/call/{endpoint}/{event}")
            return _last_event(connection.getresponse())

    def call(self, endpoint: str, data: Any, **headers: str) -> Answer:
        """Calls an endpoint of the API, and waits for the result."""
        submitted = self.submit(endpoint, data, **headers)
        if submitted.refused:
            return submitted
        return self.result(endpoint, submitted.data["event_id"])

    def fuse(self, source: Any, target: Any, tier: str = "fast") -> Answer:
        """Calls `/fuse` with consent."""
        return self.call("fuse", fuse_arguments(source, target, tier))

    def trigger(self, listener: str, data: Any, session: str | None = None) -> Answer:
        """Triggers one of the page's listeners as the page does, and waits for the result."""
        session = session or uuid.uuid4().hex[:12]
        body = {
            "fn_index": self.listeners()[listener],
            "data": data,
            "session_hash": session,
            "event_data": None,
        }
        submitted = self.post(f"{API}/queue/join", body)
        if submitted.refused:
            return submitted
        with self.connected() as connection:
            connection.request("GET", f"{API}/queue/data?session_hash={session}")
            return _last_message(connection.getresponse())

    def fuse_on_page(
        self, *photos: Any, listener: str = "fuse_on_page", consent: Any = ("rights", "decent")
    ) -> Answer:
        """Triggers Fuse, or Compare.

        The photos are the source, two more of the same person, the target, and a second person.
        """
        return self.trigger(listener, page_form(*photos, consent=consent))

    def listeners(self) -> dict[str, int]:
        """Returns the numbers of the page's listeners by name."""
        if not self._listeners:
            config = self.get("/config").data
            self._listeners.update(
                (listener["api_name"], listener["id"]) for listener in config["dependencies"]
            )
        return self._listeners


def fuse_arguments(source: Any, target: Any, tier: str = "best") -> list[Any]:
    """Returns the arguments of `/fuse`, with consent."""
    return [source, target, tier, [], 0.5, 1, True]


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
    """Returns the values of the page's form, in the order of the listeners of Fuse and Compare."""
    photos = [source, target, "", other, None, None, source2, source3]
    return [*photos, consent, "fast", 0.5, 1.0, consented, made]


def file_data(path: str) -> dict[str, Any]:
    """Describes a file as Gradio's clients do."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def _answer(
    response: http.client.HTTPResponse, body: bytes, event: str = "", data: Any = None
) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    if not event and headers.get("content-type", "").startswith("application/json"):
        with suppress(ValueError):
            data = json.loads(body)
    return Answer(response.status, headers, body, event, data)


def _last_event(response: http.client.HTTPResponse) -> Answer:
    """Reads the events of `/call` until the last one."""
    body = b""
    event = ""
    while line := response.readline():
        body += line
        if line.startswith(b"event:"):
            event = line[6:].strip().decode()
        elif line.startswith(b"data:") and event in ("complete", "error"):
            return _answer(response, body, event, json.loads(line[5:]))
    return _answer(response, body)


def _last_message(response: http.client.HTTPResponse) -> Answer:
    """Reads the messages to the page until its listener ends; `data` lists the output of each."""
    body = b""
    outputs = []
    while line := response.readline():
        body += line
        if line.startswith(b"data:"):
            message = json.loads(line[5:])
            if message["msg"] == "unexpected_error" or not message.get("success", True):
                output = message.get("output", message.get("message"))
                return _answer(response, body, "error", output)
            if "output" in message:
                outputs.append(message["output"].get("data"))
            if message["msg"] == "process_completed":
                return _answer(response, body, "complete", outputs)
    return _answer(response, body)
