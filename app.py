"""Serves the web page: two photos in, one fused photo out.

`python app.py` starts it, with one pipeline for all visitors. The page's layout and listeners are
in `facefusion.page`; this file connects them and starts the server.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

from facefusion import FusionPipeline  # isort: skip  # switches off telemetry of later imports

import gradio as gr

from facefusion.decoding.budget import PixelBudget
from facefusion.decoding.pool import DecoderPool
from facefusion.errors import WeightsError
from facefusion.machine.cpu import wants_gpu
from facefusion.machine.process import own_process
from facefusion.page import api, examples, layout, server, style
from facefusion.page.actions import Actions
from facefusion.page.directory import PrivateDirectory
from facefusion.page.headers import PROXY_VARIABLE, trusted_proxies
from facefusion.page.i18n import I18N
from facefusion.page.photos import Photos
from facefusion.page.queue import CHECKS, FUSIONS, Jobs
from facefusion.page.uploads import MAX_FILE_BYTES, Uploads
from facefusion.words import say

EXAMPLES: Final = Path(__file__).resolve().parent / "examples"
#: Most fusions at once, one for each core: half of a fusion, and reading and writing photos, keep
#: only one core busy. On two cores, two at once give 1.4 times as many results as one after the
#: other. More than eight would need much memory.
FUSIONS_AT_ONCE: Final = min(os.cpu_count() or 1, 8)
#: Sessions whose state Gradio keeps in memory, with the names of their files.
MAX_SESSIONS: Final = 200
DEFAULT_PORT: Final = 7860
#: Seconds that running fusions have to end when the server is stopped.
DRAIN_SECONDS: Final = 10.0
#: Seconds that their visitors then have to fetch the results.
FETCH_SECONDS: Final = 1.0

log = logging.getLogger("facefusion.app")


def open_photos(directory: str | Path) -> Photos:
    """Opens the reader of uploads in `directory` and of the example photos."""
    server.keep_inside(Path(directory))
    shown = examples.files(examples.pairs(EXAMPLES))
    return Photos(Uploads(directory, shown), DecoderPool(), PixelBudget())


def build_demo(pipeline: FusionPipeline, photos: Photos | None = None) -> gr.Blocks:
    """Builds the page and the API endpoints `/fuse` and `/detect` around one pipeline.

    Args:
        pipeline: shared by all visitors.
        photos: reads uploads, by default from the directory that `GRADIO_TEMP_DIR` names.
    """
    demo: gr.Blocks
    with gr.Blocks(title=say("title"), analytics_enabled=False) as demo:
        photos = open_photos(demo.GRADIO_CACHE) if photos is None else photos
        pairs = examples.pairs(EXAMPLES)
        gr.set_static_paths(examples.files(pairs))
        page = layout.build(getattr(pipeline, "notice", None), len(pairs))
        do = Actions(pipeline, page, photos, Jobs(demo, FUSIONS_AT_ONCE, photos.usage))

        quiet: dict[str, Any] = {
            "queue": False,
            "api_visibility": "private",
            "show_progress": "hidden",
        }
        # Raw uploads (`preprocess=False`): Gradio's own decoding answers a damaged file with a
        # traceback that holds the file's name. The guard has checked that the path is an upload.
        pool: dict[str, Any] = {"concurrency_limit": FUSIONS_AT_ONCE, "preprocess": False}
        fusing: dict[str, Any] = {"concurrency_id": FUSIONS, **pool}
        checking: dict[str, Any] = {"concurrency_id": CHECKS, **pool}
        private: dict[str, Any] = {"api_visibility": "private"}
        hidden: dict[str, Any] = {**private, "show_progress": "hidden"}

        demo.load(do.measured, None, page.tier, **hidden)
        for upload in (*page.sources, page.other):
            upload.photo.change(
                do.source_check(upload),
                [upload.photo, page.consented],
                [upload.notice, page.consent],
                **checking,
                **hidden,
            )
        page.target.photo.change(
            do.check_target,
            page.target.photo,
            [page.target.notice, page.face_style, page.faces, page.other_faces, page.second],
            **checking,
            **hidden,
        )
        for mine, others in ((page.faces, page.other_faces), (page.other_faces, page.faces)):
            mine.input(None, [mine, others], others, js=style.TAKE_FROM_OTHER, **private)
        both = [page.sources[0].photo, page.target.photo]
        page.swap.click(None, both, both, js=style.EXCHANGE, **private)
        for button, pair in zip(page.examples, pairs, strict=True):
            button.click(partial(_shown, pair), None, both, **quiet)

        asked = [
            *(upload.photo for upload in page.sources), page.target.photo, page.faces, page.other.photo, page.other_faces,
            page.tier, page.likeness, page.blend, page.consent, page.consented, page.made,
        ]  # fmt: skip
        pictures = [page.result, page.draft, page.slider]
        shown = [page.outcome, page.details, page.more, page.view, page.tiers, *page.views.values()]
        buttons = [page.fuse, page.cancel]
        # In a queue of its own: without one, its refusal would be an HTTP error.
        door: dict[str, Any] = {"concurrency_id": "door", "concurrency_limit": None}
        admitted = page.fuse.click(do.admit, None, None, **door, **hidden)
        refused = admitted.failure(do.full, None, page.problem, **quiet)
        refused.then(None, js=style.REVEAL)
        emptied = [*buttons, *do.notices, *pictures, *shown]
        started = admitted.success(do.start, None, emptied, **quiet)
        started.then(None, js=style.REVEAL)
        fused = started.then(
            do.fuse,
            asked,
            [
                *do.notices,
                *pictures,
                *shown,
                page.report,
                page.png,
                page.jpeg,
                page.steps,
                page.made,
                page.consented,
            ],
            show_progress_on=page.result,
            api_name="fuse_on_page",
            **fusing,
            **private,
        )
        fused.failure(do.fail, None, [page.outcome, page.problem, *buttons], **quiet)
        fused.then(do.ready, None, buttons, **quiet).then(None, js=style.REVEAL)
        compared = page.compare.click(
            do.compare,
            asked,
            [page.tiers, page.problem, page.made],
            show_progress_on=page.tiers,
            api_name="compare_on_page",
            **fusing,
            **private,
        )
        page.cancel.click(
            do.stop,
            None,
            [page.outcome, page.problem, *buttons],
            cancels=[fused, compared],
            **quiet,
        )
        page.view.input(do.show, page.view, list(page.views.values()), **quiet)
        page.reuse.click(do.reuse, page.made, page.target.photo, **quiet).then(
            None, js=style.TO_TOP
        )

        api.build(api.Api(pipeline, photos), fusing, checking)
    return demo


def _shown(pair: tuple[Path, Path]) -> list[str]:
    """Paths of the two photos of an example."""
    return [str(path) for path in pair]


def launch(demo: gr.Blocks, photos: Photos, *, host: str, port: int) -> Jobs:
    """Serves the page behind its guard, without requests to other hosts.

    Args:
        demo: the page.
        photos: reads uploads; sweeps of their directory start here.
        host, port: address to listen on.

    Returns:
        The page's queue.
    """
    jobs = Jobs(demo, FUSIONS_AT_ONCE, photos.usage)
    photos.uploads.sweeper.start()
    server.refuse_fetching()
    os.environ[PROXY_VARIABLE] = trusted_proxies()
    demo.queue(max_size=None, api_open=False)  # the guard limits it
    demo.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        theme=style.THEME,
        css=style.CSS + examples.style(examples.pairs(EXAMPLES)),
        head=style.HEAD,
        i18n=I18N,
        footer_links=["api", "settings"],
        run_history=False,
        max_file_size=MAX_FILE_BYTES,
        state_session_capacity=MAX_SESSIONS,
        show_error=False,
        ssr_mode=False,
        share=False,
        enable_monitoring=False,
        app_kwargs={"lifespan": server.guarded(demo, photos, jobs)},
    )
    server.limit(demo.server)
    return jobs


def main() -> None:
    """Opens the pipeline and serves the page until it is interrupted."""
    port = os.environ.get("GRADIO_SERVER_PORT") or os.environ.get("PORT") or str(DEFAULT_PORT)
    parser = argparse.ArgumentParser(description="Serves the FaceFusion page.")
    parser.add_argument(
        "--host",
        default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        help="address to listen on",
    )
    parser.add_argument("--port", type=int, default=port, help="port to listen on")
    options = parser.parse_args()
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    log.setLevel(logging.INFO)
    own_process()
    try:
        pipeline = FusionPipeline.from_pretrained()
    except WeightsError as error:
        sys.exit(str(error))
    if wants_gpu():
        _move_to_gpu(pipeline)
    os.umask(0o077)  # files of libraries are private too
    with PrivateDirectory() as directory:
        # Gradio's uploads and results go there too: all are swept, and deleted at the end.
        os.environ["GRADIO_TEMP_DIR"] = str(directory)
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        photos = open_photos(directory)
        demo = build_demo(pipeline, photos)
        pipeline.expected_seconds()  # measures before the first visitor
        try:
            jobs = launch(demo, photos, host=options.host, port=options.port)
        except OSError:
            sys.exit(
                f"The page cannot be served on port {options.port} of {options.host}: the port is "
                "taken, or the machine too busy. Choose another with --port."
            )
        pipeline.chooser.load.set_queue_counter(jobs.waiting)
        while not stop.wait(1.0):
            pass
        _stop(demo, photos, jobs)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)  # an unfinished fusion must not write any more


def _stop(demo: gr.Blocks, photos: Photos, jobs: Jobs) -> None:
    """Waits until fusions have ended and been fetched, and closes the server."""
    busy = jobs.running > 0
    if not jobs.drain(DRAIN_SECONDS):
        log.warning("Fusions were broken off.")
    if busy:
        time.sleep(FETCH_SECONDS)
    demo.close(verbose=False)
    photos.close()


def _move_to_gpu(pipeline: FusionPipeline) -> None:
    try:
        from facefusion.engines import gpu  # importing torch takes longer than a fusion
    except ImportError:
        log.warning("The refine network stays on the CPU: torch is not installed.")
    else:
        gpu.move(pipeline)


if __name__ == "__main__":
    main()
