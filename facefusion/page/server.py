"""What surrounds Gradio's server: the guard, limits of its connections, and no way out."""

from __future__ import annotations

import asyncio
import os
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

#: Connections at once, of which files and photos need as many again; beyond it all are refused.
MAX_CONNECTIONS: Final = 2048
#: Connections of one address, unless it is a proxy's; the newest beyond it are closed.
MAX_OF_ADDRESS: Final = 64
#: Seconds that a connection may be open without a whole request.
IDLE_SECONDS: Final = 10.0
#: Seconds between two looks at the connections.
INTERVAL: Final = 0.5


def guarded(
    demo: gr.Blocks, photos: Photos, jobs: Jobs
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """The lifespan of Gradio's application, which begins before its first request.

    It puts the guard around everything that Gradio installs, its answers to other sites included,
    and keeps the queue and the connections clean as long as the server runs.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = Guard(app.middleware_stack, demo, photos, jobs)
        tasks = [
            asyncio.create_task(jobs.drop_unread()),
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
    """Limits the connections of a uvicorn server that runs, and raises this process's own limit."""
    server.config.limit_concurrency = MAX_CONNECTIONS
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limit
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = (
            2 * MAX_CONNECTIONS
            if most == resource.RLIM_INFINITY
            else min(2 * MAX_CONNECTIONS, most)
        )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def _watch_connections(demo: gr.Blocks) -> None:
    """Closes connections on which no request is whole, and those of an address with too many.

    Uvicorn waits for a request's header for ever.
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
        closed += [] if proxied else _beyond(open_ones, since, now)
        for connection in closed:
            with suppress(OSError, RuntimeError):
                connection.transport.abort()


def _beyond(connections: Iterable[Any], since: dict[Any, float], now: float) -> list[Any]:
    """The connections of each address beyond its share: the idle ones, the newest first."""
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
    """Makes Gradio's routes put their temporary files into `directory`, and Matplotlib its fonts.

    The routes got their place when Gradio was imported, and make a directory there for each page.
    Matplotlib is imported by Gradio where it is installed.
    """
    os.environ["MPLCONFIGDIR"] = str(directory)
    vars(gradio.routes)["DEFAULT_TEMP_DIR"] = str(directory)


def refuse_fetching() -> None:
    """Takes away Gradio's ways to fetch what a visitor names; the guard refuses such names too."""
    safehttpx.async_validate_url = _refuse
    safehttpx.get = _refuse
