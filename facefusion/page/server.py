"""Puts the guard around Gradio's server, limits connections, and blocks outgoing requests."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import gradio.routes
import safehttpx

from facefusion.page.guard import Guard
from facefusion.page.headers import trusted_proxies
from facefusion.page.photos import Photos
from facefusion.page.queue import Jobs
from facefusion.page.visitors import visitor_at

if TYPE_CHECKING:
    import gradio as gr

#: Most connections at once, beyond which all are refused; files and photos need as many again.
MAX_CONNECTIONS: Final = 2048
#: Most connections of one address that is no proxy's; the newest beyond it are closed.
MAX_OF_ADDRESS: Final = 64
#: Longest time in seconds that a connection is open without a whole request.
IDLE_SECONDS: Final = 10.0
#: Seconds between two checks of the connections.
INTERVAL: Final = 0.5


def port_number(text: str) -> int:
    """Reads a port.

    Raises:
        OSError: it is none; the message is a sentence.
    """
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65_535):
        raise OSError(
            f"{text[:20]!r} is no port. Please give a number from 1 to 65535 with --port."
        )
    return int(text)


def check_address(host: str, port: int) -> None:
    """Checks that the page can be served there, before what takes seconds.

    Raises:
        OSError: it cannot; the message is a sentence.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise OSError(
            f"{host} is no address of this machine. Please choose another with --host."
        ) from None
    with socket.socket(family, kind) as tried:
        if sys.platform != "win32":  # there it would take a port that is taken
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(address)
        except PermissionError:
            raise OSError(
                f"Port {port} is the system's. Please choose one from 1024 on with --port."
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = f"Port {port} of {host} is taken. Please choose another with --port or GRADIO_SERVER_PORT."
            else:
                why = f"{host} is no address of this machine. Please choose another with --host."
            raise OSError(why) from None


def guarded(
    demo: gr.Blocks, photos: Photos, jobs: Jobs
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Makes the lifespan of Gradio's application, which begins before its first request.

    It puts the guard around everything that Gradio installs, its answers to other sites included,
    and cleans up the queue and the connections while the server runs.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = Guard(app.middleware_stack, demo, photos, jobs)
        tasks = [
            asyncio.create_task(jobs.keep_dropping()),
            asyncio.create_task(jobs.keep_arranged()),
            asyncio.create_task(_watch_connections(demo)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    return lifespan


def limit(server: Any) -> None:
    """Limits the connections of a running uvicorn server, and raises a lower file limit."""
    server.config.limit_concurrency = MAX_CONNECTIONS
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limit
        import resource

        soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        unlimited, wanted = resource.RLIM_INFINITY, 2 * MAX_CONNECTIONS
        if soft != unlimited and soft < wanted:
            raised = wanted if most == unlimited else min(wanted, most)
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, most))


async def _watch_connections(demo: gr.Blocks) -> None:
    """Closes connections without a whole request, and those of an address with too many.

    Uvicorn waits for a request's header without a time limit.
    """
    since: dict[Any, float] = {}
    proxied = bool(trusted_proxies())
    while True:
        await asyncio.sleep(INTERVAL)
        server = getattr(demo, "server", None)
        if server is None:
            continue
        now = time.monotonic()
        open_ones = set(server.server_state.connections)
        since = {each: since.get(each, now) for each in open_ones if _is_idle(each)}
        closed = [each for each, begun in since.items() if now - begun >= IDLE_SECONDS]
        closed += [] if proxied else _excess(open_ones, since, now)
        for connection in closed:
            with suppress(OSError, RuntimeError):
                connection.transport.abort()


def _excess(connections: Iterable[Any], since: dict[Any, float], now: float) -> list[Any]:
    """Finds connections beyond the share of their address: idle ones first, then the newest."""
    by_address: dict[str, list[Any]] = {}
    for connection in connections:
        by_address.setdefault(visitor_at((connection.client or ("",))[0]), []).append(connection)
    found = []
    for group in by_address.values():
        group.sort(key=lambda each: (each in since, since.get(each, now)))
        found += group[MAX_OF_ADDRESS:]
    return found


def _is_idle(connection: Any) -> bool:
    return connection.cycle is None or connection.cycle.response_complete


async def _refuse(*_: object, **__: object) -> NoReturn:
    raise ValueError("this server fetches nothing")


def keep_inside(directory: Path) -> None:
    """Makes Gradio's routes write temporary files into `directory`, and Matplotlib its font cache.

    The routes fix their place when Gradio is imported, and create a directory there for each page.
    Gradio imports Matplotlib if it is installed.
    """
    os.environ["MPLCONFIGDIR"] = str(directory)
    vars(gradio.routes)["DEFAULT_TEMP_DIR"] = str(directory)


def refuse_fetching() -> None:
    """Disables Gradio's functions that fetch URLs; the guard refuses URLs of visitors as well."""
    safehttpx.async_validate_url = _refuse
    safehttpx.get = _refuse
