"""Serves the web page: two photos in, one fused photo out.

`python app.py` starts it, with one pipeline for all visitors. The page's layout and listeners are
in `facefusion.page`; this file opens the pipeline, builds the page around it and serves it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final, NoReturn

from facefusion import FusionPipeline  # isort: skip  # switches off telemetry of later imports
from facefusion.machine import port as _port  # isort: skip  # before Gradio  # noqa: F401

import gradio as gr
from gradio.utils import get_upload_folder

from facefusion.decoding.budget import PixelBudget
from facefusion.decoding.pool import DecoderPool
from facefusion.errors import WeightsError
from facefusion.machine.cpu import wants_gpu
from facefusion.machine.limits import usable_cpus
from facefusion.machine.process import end_without_room, own_process
from facefusion.page import api, examples, head, layout, listeners, server, style
from facefusion.page.directory import PrivateDirectory
from facefusion.page.headers import PROXY_VARIABLE, trusted_proxies
from facefusion.page.host import Host
from facefusion.page.i18n import I18N
from facefusion.page.photos import Photos
from facefusion.page.queue import Jobs
from facefusion.page.showing import Showing
from facefusion.page.uploads import MAX_FILE_BYTES, Uploads

#: Most fusions at once, one for each core: half of a fusion, and reading and writing photos, keep
#: only one core busy. On two cores, two at once give 1.4 times as many results as one after the
#: other. More than eight would need much memory.
FUSIONS_AT_ONCE: Final = min(usable_cpus(), 8)
#: Sessions whose state Gradio keeps in memory, with the names of their files.
MAX_SESSIONS: Final = 200
#: Threads and processes that a server needs beside its first thread, for a few visitors at once.
LEAST_TASKS: Final = 32
DEFAULT_PORT: Final = 7860
#: Seconds between two looks for a signal that stops the server.
STOP_POLL_SECONDS: Final = 0.1
#: Seconds that running fusions have to end when the server is stopped.
DRAIN_SECONDS: Final = 10.0
#: Seconds that their visitors then have to fetch the results.
FETCH_SECONDS: Final = 1.0

log = logging.getLogger("facefusion.app")


def open_photos(directory: str | Path) -> Photos:
    """Opens the reader of uploads in `directory` and of the example photos."""
    server.keep_inside(Path(directory))
    shown = examples.files(examples.read(Host.read().examples))
    return Photos(Uploads(directory, shown), DecoderPool(), PixelBudget())


class Demo(gr.Blocks):
    """The page and the API endpoints, with their queue.

    Args:
        photos: reads uploads, and knows how much work each visitor has caused.
        title: of the page.
        found: the examples.

    Attributes:
        jobs: waiting and running calls.
        examples: the examples.
    """

    def __init__(self, photos: Photos, title: str, found: list[examples.Example]) -> None:
        super().__init__(title=title, analytics_enabled=False)
        self.jobs = Jobs(self, FUSIONS_AT_ONCE, photos.usage)
        self.examples = found


def build_demo(pipeline: FusionPipeline, photos: Photos | None = None) -> Demo:
    """Builds the page and the API endpoints `/fuse` and `/detect` around one pipeline.

    Args:
        pipeline: shared by all visitors.
        photos: reads uploads, by default from the directory that `GRADIO_TEMP_DIR` names.
    """
    if photos is None:
        photos = open_photos(get_upload_folder())
    about = Host.read()
    found = examples.read(about.examples)
    gr.set_static_paths(examples.files(found))
    # The cache knows photos by their content, not by their path: all of it goes.
    photos.uploads.forgotten = pipeline.cache.clear
    demo = Demo(photos, about.title, found)
    with demo:
        page = layout.build(getattr(pipeline, "notice", None), found, about)
        listeners.connect(demo, demo.jobs, pipeline, page, photos)
        listeners.connect_examples(page, Showing(page, photos), found)
        api.build(api.Api(pipeline, photos), FUSIONS_AT_ONCE)
    return demo


def launch(demo: Demo, photos: Photos, *, host: str, port: int) -> Jobs:
    """Serves the page behind its guard, without requests to other hosts.

    Args:
        demo: the page.
        photos: reads uploads; sweeps of their directory start here.
        host, port: address to listen on.

    Returns:
        The page's queue.
    """
    photos.uploads.sweeper.start()
    server.refuse_fetching()
    head.install()
    os.environ[PROXY_VARIABLE] = trusted_proxies()
    demo.queue(max_size=None, api_open=False)  # the guard limits it
    demo.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        theme=style.THEME,
        css=style.CSS + examples.style(demo.examples),
        head=style.HEAD,
        i18n=I18N,
        footer_links=["api"],
        run_history=False,
        max_file_size=MAX_FILE_BYTES,
        state_session_capacity=MAX_SESSIONS,
        show_error=False,
        ssr_mode=False,
        share=False,
        enable_monitoring=False,
        app_kwargs={"lifespan": server.guarded(demo, photos, demo.jobs)},
    )
    server.limit(demo.server)
    return demo.jobs


def main() -> None:
    """Opens the pipeline and serves the page until it is interrupted."""
    options = _options()
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    log.setLevel(logging.INFO)
    own_process()
    end_without_room(LEAST_TASKS)
    try:
        server.check_address(options.host, options.port)
    except OSError as error:
        _end(str(error))
    try:
        pipeline = FusionPipeline.from_pretrained(device="cuda" if wants_gpu() else "cpu")
    except WeightsError as error:
        _end(str(error))
    os.umask(0o077)  # files of libraries are private too
    with PrivateDirectory() as directory:
        # Gradio's uploads and results go there too: all are swept, and deleted at the end.
        os.environ["GRADIO_TEMP_DIR"] = str(directory)
        _serve(pipeline, directory, options.host, options.port)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)  # an unfinished fusion must not write any more


def _end(sentence: str) -> NoReturn:
    """Ends the process before the page is served, with exit code 2."""
    print(f"facefusion: {sentence}", file=sys.stderr)
    sys.exit(2)


def _options() -> argparse.Namespace:
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    port = os.environ.get("GRADIO_SERVER_PORT") or os.environ.get("PORT") or str(DEFAULT_PORT)
    parser = argparse.ArgumentParser(description="Serves the FaceFusion page.")
    parser.add_argument("--host", default=host, help="address to listen on")
    parser.add_argument("--port", default=port, help="port to listen on")
    options = parser.parse_args()
    try:
        options.port = server.port_number(options.port)
    except OSError as error:
        _end(str(error))
    return options


def _serve(pipeline: FusionPipeline, directory: Path, host: str, port: int) -> None:
    """Serves the page until a signal stops the process."""
    received: list[int] = []  # a handler that interrupts another would wait for an event's lock
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: received.append(number))
    photos = open_photos(directory)
    demo = build_demo(pipeline, photos)
    pipeline.expected_seconds()  # measures before the first visitor
    try:
        jobs = launch(demo, photos, host=host, port=port)
    except OSError:
        _end(
            f"The page cannot be served on port {port} of {host}: the port is taken, or the machine too busy. "
            "Please choose another with --port or GRADIO_SERVER_PORT."
        )
    pipeline.chooser.traffic.set_queue_counter(jobs.waiting)
    while not received:
        time.sleep(STOP_POLL_SECONDS)
    _stop(demo, photos, jobs)


def _stop(demo: gr.Blocks, photos: Photos, jobs: Jobs) -> None:
    """Waits until fusions have ended and been fetched, and closes the server."""
    busy = jobs.running > 0
    if not jobs.drain(DRAIN_SECONDS):
        log.warning("Fusions were broken off.")
    if busy:
        time.sleep(FETCH_SECONDS)
    demo.close(verbose=False)
    photos.close()


if __name__ == "__main__":
    main()
