"""What surrounds Gradio's server: the guard, limits of its connections, and no way out."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import gradio.routes
import safehttpx

from facefusion.page.guard import Guard
from facefusion.page.queue import Jobs
from facefusion.page.uploads import Uploads

if TYPE_CHECKING:
    import gradio as gr

#: Connections at once: 16 visitors hold five each. More are told to come back (503).
MAX_CONNECTIONS: Final = 512
#: Seconds that a connection may be open without a whole request.
IDLE_SECONDS: Final = 10.0
#: Seconds between two looks at the connections.
INTERVAL: Final = 2.0


def guarded(
    demo: gr.Blocks, uploads: Uploads, jobs: Jobs
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """The lifespan of Gradio's application, which begins before its first request.

    It puts the guard around everything that Gradio installs, its answers to other sites included,
    and keeps the queue and the connections clean as long as the server runs.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = Guard(app.middleware_stack, demo, uploads, jobs)
        tasks = [
            asyncio.create_task(jobs.drop_unread()),
            asyncio.create_task(_close_idle(demo)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    return lifespan


def limit(server: Any) -> None:
    """Limits the connections of a uvicorn server that runs."""
    server.config.limit_concurrency = MAX_CONNECTIONS


async def _close_idle(demo: gr.Blocks) -> None:
    """Closes connections on which no request is whole: uvicorn waits for a header for ever."""
    since: dict[Any, float] = {}
    while True:
        await asyncio.sleep(INTERVAL)
        server = getattr(demo, "server", None)
        if server is None:
            continue
        now = time.monotonic()
        idle = [each for each in server.server_state.connections if _is_idle(each)]
        since = {each: since.get(each, now) for each in idle}
        for connection, begun in since.items():
            if now - begun >= IDLE_SECONDS:
                with suppress(OSError, RuntimeError):
                    connection.transport.abort()


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
