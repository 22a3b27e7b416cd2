"""The page: two photos in, one fused photo out.

`python app.py` serves it. The pipeline is opened once and is shared by all visitors. What the page looks like and what its
buttons do is in `facefusion.page`; here the one is connected to the other, and served.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final

import gradio as gr

from facefusion import FusionPipeline
from facefusion.errors import WeightsError
from facefusion.page import api, examples, layout, style
from facefusion.page.actions import Actions
from facefusion.page.files import INTERVAL, LIFETIME, Sweeper
from facefusion.page.texts import I18N
from facefusion.runtime import own_process, wants_gpu
from facefusion.words import say

EXAMPLES: Final = Path(__file__).resolve().parent / "examples"
#: Gradio's own clock: files older than the second number of seconds are deleted, every first number of seconds.
DELETE_CACHE: Final = (60, 600)
#: One fusion for each core: for half of its time, and while photos are read and written, it has work for one core only. Two
#: visitors at two cores have 1.4 times as many results as one after the other. More than eight would want much memory.
FUSIONS_AT_ONCE: Final = min(os.cpu_count() or 1, 8)
#: The one queue of everything that fuses, and that of the quick looks at a photo that has just been chosen.
FUSION_QUEUE: Final = "fusion"
CHECK_QUEUE: Final = "check"
#: Visitors who may wait; the next one is told that the queue is full instead of waiting for minutes.
MAX_WAITING: Final = 32
#: Sessions that Gradio remembers in memory, with the names of their files.
MAX_SESSIONS: Final = 200
MAX_FILE_SIZE: Final = "30mb"
DEFAULT_PORT: Final = 7860


def build_demo(pipeline: FusionPipeline) -> gr.Blocks:
    """Builds the page, and the API endpoints `/fuse` and `/detect`, around one pipeline.

    Args:
        pipeline: shared by all visitors.
    """
    demo: gr.Blocks
    with gr.Blocks(title=say("title"), analytics_enabled=False, delete_cache=DELETE_CACHE) as demo:
        pairs = examples.pairs(EXAMPLES)
        page = layout.build(getattr(pipeline, "notice", None), len(pairs))
        do = Actions(pipeline, page, demo.GRADIO_CACHE)

        quiet: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
        # The raw upload (`preprocess=False`), because Gradio's own decoding answers a damaged file with a traceback that
        # holds the file's name. The path in it was checked to be an upload all the same.
        fusing: dict[str, Any] = {"concurrency_id": FUSION_QUEUE, "concurrency_limit": FUSIONS_AT_ONCE, "preprocess": False}
        checking: dict[str, Any] = {"concurrency_id": CHECK_QUEUE, "concurrency_limit": FUSIONS_AT_ONCE, "preprocess": False}
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
            button.click(partial(examples.put_out, pair, demo.GRADIO_CACHE), None, both, **quiet)

        asked = [
            *(upload.photo for upload in page.sources), page.target.photo, page.faces, page.other.photo, page.other_faces,
            page.tier, page.likeness, page.blend, page.consent, page.consented, page.made,
        ]  # fmt: skip
        pictures = [page.result, page.draft, page.slider]
        shown = [page.outcome, page.details, page.more, page.view, page.tiers, *page.views.values()]
        buttons = [page.fuse, page.cancel]
        started = page.fuse.click(do.start, None, [*buttons, *do.notices, *pictures, *shown], **quiet)
        started.then(None, js=style.REVEAL)
        fused = started.then(
            do.fuse,
            asked,
            [*do.notices, *pictures, *shown, page.report, page.png, page.jpeg, page.steps, page.made, page.consented],
            show_progress_on=page.result,
            api_name="fuse_on_page",
            **fusing,
            **private,
        )
        fused.failure(do.fail, None, [page.outcome, page.problem], **quiet)
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
        page.cancel.click(do.stop, None, [page.outcome, page.problem, *buttons], cancels=[fused, compared], **quiet)
        page.view.input(do.show, page.view, list(page.views.values()), **quiet)
        page.reuse.click(do.reuse, page.made, page.target.photo, **quiet).then(None, js=style.TO_TOP)

        api.build(api.Api(pipeline, demo.GRADIO_CACHE), fusing, checking)
    return demo


def waiting(demo: gr.Blocks) -> int:
    """Fusions in the page's queue that have not begun."""
    queue = demo._queue.event_queue_per_concurrency_id.get(FUSION_QUEUE)
    return len(queue.queue) if queue is not None else 0


def launch(demo: gr.Blocks, *, host: str, port: int, prevent_thread_lock: bool = False) -> None:
    """Serves the page: nothing asked of other hosts, nothing kept in the visitor's browser, nothing for long on the disk.

    Everything in the directory that `GRADIO_TEMP_DIR` named while the page was built is deleted as it gets old.
    """
    sweeper = Sweeper(demo.GRADIO_CACHE, lifetime=LIFETIME, interval=INTERVAL)
    sweeper.start()
    demo.queue(max_size=MAX_WAITING, api_open=False)
    demo.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=prevent_thread_lock,
        theme=style.THEME,
        css=style.CSS + examples.style(examples.pairs(EXAMPLES)),
        head=style.HEAD,
        i18n=I18N,
        footer_links=["api", "settings"],
        run_history=False,
        max_file_size=MAX_FILE_SIZE,
        state_session_capacity=MAX_SESSIONS,
        show_error=False,
        ssr_mode=False,
        share=False,
        enable_monitoring=False,
    )


def main() -> None:
    """Opens the pipeline and serves the page until it is interrupted."""
    port = os.environ.get("GRADIO_SERVER_PORT") or os.environ.get("PORT") or str(DEFAULT_PORT)
    parser = argparse.ArgumentParser(description="Serves the FaceFusion page.")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"), help="address to listen on")
    parser.add_argument("--port", type=int, default=port, help="port to listen on")
    options = parser.parse_args()
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    log = logging.getLogger("facefusion.app")
    log.setLevel(logging.INFO)
    own_process()
    try:
        pipeline = FusionPipeline.from_pretrained()
    except WeightsError as error:
        sys.exit(str(error))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # what stops a server is to clean up too
    # A directory of our own: everything in it is deleted on a clock, and all of it at the end.
    with tempfile.TemporaryDirectory(prefix="facefusion-") as directory:
        os.environ["GRADIO_TEMP_DIR"] = directory
        demo = build_demo(pipeline)
        pipeline.chooser.load.watch(partial(waiting, demo))
        pipeline.expected_seconds()  # measured before the first visitor comes
        if wants_gpu():
            try:
                from facefusion import gpu  # torch comes with it, which costs more than a fusion
            except ImportError:
                log.warning("The refine network stays on the CPU: torch is not installed.")
            else:
                gpu.move(pipeline)
        launch(demo, host=options.host, port=options.port)


if __name__ == "__main__":
    main()
