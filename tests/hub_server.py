"""A stand-in for the Hugging Face Hub on the loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from tests.hub_handler import HubHandler
from tests.hub_state import HubServer


@contextmanager
def serve_hub() -> Iterator[HubServer]:
    """Runs a server until the end of the block."""
    state = HubServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: HubHandler(state, *args))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
