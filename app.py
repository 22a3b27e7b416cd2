"""The page: two photos in, one fused photo out.

`python app.py` serves it. The pipeline is opened once and holds nothing of any photo.
"""

from __future__ import annotations

import argparse
import csv
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import gradio as gr
from PIL import Image

from facefusion import FusionError, FusionPipeline, FusionResult, Tier, looks, words
from facefusion.errors import EmptyPhotoError, UnreadablePhotoError, WeightsError
from facefusion.errors import Photo as Which
from facefusion.photos import read_photo
from facefusion.tiers import TIERS
from facefusion.types import Photo

EXAMPLES: Final = Path(__file__).resolve().parent / "examples"
#: Files older than the second number of seconds are deleted, every first number of seconds.
DELETE_CACHE: Final = (60, 600)
#: One fusion for two cores: each network already uses all of them, and a second fusion would only delay the first.
FUSIONS_AT_ONCE: Final = max(1, (os.cpu_count() or 1) // 2)
#: The one queue of everything that fuses.
FUSION_QUEUE: Final = "fusion"
#: Visitors who may wait; the next one is told that the queue is full instead of waiting for minutes.
MAX_WAITING: Final = 32
#: Sessions that Gradio remembers in memory, with the names of their files.
MAX_SESSIONS: Final = 200
MAX_FILE_SIZE: Final = "30mb"
DEFAULT_PORT: Final = 7860

#: Tells Gradio that a function reports its progress; the value itself holds nothing.
PROGRESS: Final = gr.Progress()

log = logging.getLogger("facefusion.app")

#: An upload as Gradio hands it over: a checked "path" into its cache, and what the browser said of the file.
Upload = dict[str, Any]


class _UnknownTierError(ValueError):
    """The API was asked for a tier that does not exist."""


class _DeletedPhotoError(FusionError):
    """The visitor came back to photos that the clock has deleted."""

    reason = words.DELETED
    remedy = words.CHOOSE_AGAIN


def build_demo(pipeline: FusionPipeline) -> gr.Blocks:
    """Builds the page, and the API endpoint `/fuse`, around one pipeline.

    Args:
        pipeline: called as `pipeline(source, target, tier=..., progress=...)`; shared by all visitors.
    """
    demo: gr.Blocks
    with gr.Blocks(title=words.TITLE, analytics_enabled=False, delete_cache=DELETE_CACHE) as demo:
        gr.Markdown(words.HEADER, elem_id="header")
        with gr.Row(elem_id="photos"):
            with gr.Column(min_width=280, elem_id="source"):
                source = looks.upload("source-photo", words.SOURCE, words.SOURCE_HINT, ["upload", "webcam", "clipboard"])
                source_notice = gr.HTML(visible=False, elem_id="source-notice")
            with gr.Column(min_width=280, elem_id="target"):
                target = looks.upload("target-photo", words.TARGET, words.TARGET_HINT, ["upload", "clipboard"])
                target_notice = gr.HTML(visible=False, elem_id="target-notice")
        with gr.Row(elem_id="controls"):
            tier = looks.tiers("tier")
            button = gr.Button(words.FUSE, variant="primary", size="lg", min_width=200, elem_id="fuse")
        problem = gr.HTML(visible=False, elem_id="problem")
        with gr.Row(visible=False, elem_id="outcome") as outcome:
            # Columns are shown and hidden, never the pictures in them: see `fuse_on_page`.
            with gr.Column(scale=3, min_width=280, elem_id="pictures"):
                with gr.Column(elem_id="result") as result_column:
                    result = looks.picture("result-image", words.RESULT, words.RESULT_ALT)
                with gr.Column(visible=False, elem_id="draft") as draft_column:
                    draft = looks.picture("draft-image", words.DRAFT, words.DRAFT_ALT)
            with gr.Column(scale=2, min_width=280, visible=False, elem_id="details") as details:
                view = gr.Radio(list(words.VIEWS), value="refined", label=words.VIEW, visible=False, elem_id="view")
                report = gr.HTML(elem_id="report")
        examples = _example_pairs(EXAMPLES)
        if examples:
            gr.Examples(
                examples,
                [source, target],
                cache_examples=False,
                label=words.EXAMPLES,
                api_visibility="private",
                elem_id="examples",
            )
        gr.Markdown(words.NOTES, elem_id="notes")

        def start() -> dict[Any, Any]:
            """Clears what an earlier fusion left, so that an old result is never taken for the new one."""
            return {
                button: gr.update(value=words.FUSING, interactive=False),
                **dict.fromkeys((source_notice, target_notice, problem), _notice("")),
                result: None,
                draft: None,
                report: "",
                outcome: gr.update(visible=True),
                details: gr.update(visible=False),
                **show("refined"),
                view: gr.update(value="refined", visible=False),
            }

        def fuse_on_page(
            source: Upload | None, target: Upload | None, tier: str, progress: gr.Progress = PROGRESS
        ) -> dict[Any, Any]:
            # Both pictures get a value on every way out. Gradio takes a picture left out of the answer for an update, copies
            # the component into the visitor's session, and from then on no longer deletes the files that it makes.
            try:
                fused = _fuse(pipeline, source, target, tier, progress)
            except Exception as error:
                _log(error)
                sentence = words.problem(error)
                beside = {"source": source_notice, "target": target_notice}
                place = beside[error.photo] if isinstance(error, FusionError) else problem
                return {result: None, draft: None, outcome: gr.update(visible=False), place: _notice(sentence)}
            return {
                result: _labelled(fused.image),
                draft: _labelled(fused.coarse),
                report: looks.report(fused.identity_similarity, fused.timings, fused.choice),
                details: gr.update(visible=True),
                view: gr.update(visible=TIERS[fused.tier].refine_size > 0),
            }

        def show(chosen: str) -> dict[Any, Any]:
            """Shows one of the two pictures that the browser already has."""
            return {
                result_column: gr.update(visible=chosen == "refined"),
                draft_column: gr.update(visible=chosen == "coarse"),
            }

        def fail() -> dict[Any, Any]:
            """Speaks for failures outside of our own code, such as an upload that is gone from the disk."""
            return {outcome: gr.update(visible=False), problem: _notice(words.UNEXPECTED)}

        quiet: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
        fusing: dict[str, Any] = {"concurrency_id": FUSION_QUEUE, "concurrency_limit": FUSIONS_AT_ONCE, "preprocess": False}
        notices = [source_notice, target_notice, problem]
        started = button.click(
            start,
            None,
            [button, *notices, result, draft, report, outcome, details, result_column, draft_column, view],
            **quiet,
        )
        started.then(None, js=looks.REVEAL)
        # The raw upload (`preprocess=False`), because Gradio's own decoding answers a damaged file with a traceback that
        # holds the file's name. The path in it was checked to be an upload all the same.
        fused = started.then(
            fuse_on_page,
            [source, target, tier],
            [*notices, outcome, result, draft, report, details, view],
            api_visibility="private",
            show_progress_on=result,
            **fusing,
        )
        fused.failure(fail, None, [outcome, problem], **quiet)
        fused.then(lambda: gr.update(value=words.FUSE, interactive=True), None, button, **quiet).then(None, js=looks.REVEAL)
        view.input(show, view, [result_column, draft_column], **quiet)
        for photo, beside in ((source, source_notice), (target, target_notice)):
            photo.change(lambda: _notice(""), None, beside, **quiet)

        # The API has its own trigger: it raises what the page shows, and returns numbers where the page shows words.
        numbers = gr.JSON(visible=False, label="Report", elem_id="api-report")
        gr.Button(visible=False, elem_id="api-fuse").click(
            _endpoint(pipeline),
            [source, target, tier],
            [result, draft, numbers],
            api_name="fuse",
            api_description=words.API,
            **fusing,
        )
    return demo


def _endpoint(pipeline: FusionPipeline) -> Callable[..., tuple[Image.Image, Image.Image, dict[str, Any]]]:
    def fuse(
        source: Upload | None, target: Upload | None, tier: str, progress: gr.Progress = PROGRESS
    ) -> tuple[Image.Image, Image.Image, dict[str, Any]]:
        try:
            fused = _fuse(pipeline, source, target, tier, progress)
        except Exception as error:
            _log(error)
            sentence = words.NO_SUCH_TIER if isinstance(error, _UnknownTierError) else words.problem(error)
            raise gr.Error(sentence, print_exception=False) from None
        return _labelled(fused.image), _labelled(fused.coarse), _numbers(fused)

    return fuse


def _fuse(
    pipeline: FusionPipeline, source: Upload | None, target: Upload | None, tier: str, progress: gr.Progress
) -> FusionResult:
    if tier not in list(Tier):
        raise _UnknownTierError
    photos = _read(source, "source"), _read(target, "target")
    fused = pipeline(*photos, tier=tier, progress=lambda stage, share: progress(share, desc=words.stage(stage)))
    progress(1.0, desc=words.SAVING)
    return fused


def _read(upload: Upload | None, which: Which) -> Photo:
    if not upload:
        raise EmptyPhotoError(which)
    path = upload.get("path")
    if not path:
        raise UnreadablePhotoError(which)
    if not Path(path).is_file():
        raise _DeletedPhotoError(which)
    return read_photo(path, which)


def _labelled(image: Photo) -> Image.Image:
    picture = Image.fromarray(image)
    picture.info["Comment"] = words.MADE_BY_AI
    return picture


def _numbers(fused: FusionResult) -> dict[str, Any]:
    return {
        "identity_similarity": round(fused.identity_similarity, 4),
        "likeness": words.likeness(fused.identity_similarity)[0],
        "tier": fused.tier.value,
        "seconds": {stage: round(seconds, 4) for stage, seconds in fused.timings.stages.items()},
    }


def _log(error: Exception) -> None:
    # The type alone: messages and tracebacks may hold file names.
    level = logging.INFO if isinstance(error, FusionError) else logging.ERROR
    log.log(level, "No fusion: %s", type(error).__name__)


def _notice(sentence: str) -> dict[str, Any]:
    return gr.update(value=looks.notice(sentence), visible=bool(sentence))


def _example_pairs(directory: Path) -> list[list[str]]:
    """The pairs of `pairs.csv` (source,target) whose two files exist."""
    table = directory / "pairs.csv"
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as rows:
        pairs = [[directory / row["source"], directory / row["target"]] for row in csv.DictReader(rows)]
    return [[str(path) for path in pair] for pair in pairs if all(path.is_file() for path in pair)]


def waiting(demo: gr.Blocks) -> int:
    """Fusions in the page's queue that have not begun."""
    queue = demo._queue.event_queue_per_concurrency_id.get(FUSION_QUEUE)
    return len(queue.queue) if queue is not None else 0


def launch(demo: gr.Blocks, *, host: str, port: int, prevent_thread_lock: bool = False) -> None:
    """Serves the page: nothing asked of other hosts, nothing kept in the visitor's browser."""
    demo.queue(max_size=MAX_WAITING, api_open=False)
    demo.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=prevent_thread_lock,
        theme=looks.THEME,
        css=looks.CSS,
        head=looks.HEAD,
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
    log.setLevel(logging.INFO)
    try:
        pipeline = FusionPipeline.from_pretrained()
    except WeightsError as error:
        sys.exit(str(error))
    demo = build_demo(pipeline)
    pipeline.chooser.load.watch(partial(waiting, demo))
    pipeline.expected_seconds()  # measured before the first visitor comes
    launch(demo, host=options.host, port=options.port)


if __name__ == "__main__":
    main()
