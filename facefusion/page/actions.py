"""Shows and hides parts of the page before and after a fusion, and admits visitors to it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from facefusion import FusionPipeline
from facefusion.page.form import LastResult
from facefusion.page.i18n import t
from facefusion.page.layout import Changes, Layout
from facefusion.page.messages import notice_update, request_language
from facefusion.page.queue import Jobs
from facefusion.words import say


class Actions:
    """Listeners that read no photo.

    Args:
        pipeline: knows the tiers and their times.
        layout: the components.
        jobs: the page's queue.
    """

    def __init__(self, pipeline: FusionPipeline, layout: Layout, jobs: Jobs) -> None:
        self.pipeline, self.layout, self.jobs = pipeline, layout, jobs

    def show_tiers(self, request: gr.Request) -> Changes:
        """Shows the measured time beside each tier, and the Studio tier if its models are there."""
        language, seconds = request_language(request), self.pipeline.expected_seconds()
        choices = []
        for tier in self.pipeline.tiers:
            time = f" · {seconds[tier]:.1f} {say('seconds', language)}" if tier in seconds else ""
            choices.append((t(f"tier.{tier}") + time, tier.value))
        return {self.layout.settings.tier: gr.update(choices=choices)}

    def admit(self) -> None:
        """Admits a visitor to the queue.

        Raises:
            gr.Error: the queue is full; `show_full` shows it as a notice instead of Gradio.
        """
        if self.jobs.is_full():
            raise gr.Error("full", visible=False, print_exception=False)

    def show_full(self, request: gr.Request) -> Changes:
        """Shows the length of the full queue and the waiting time; nothing else changes."""
        key, values = self.jobs.refusal()
        message = say(key, request_language(request)) % values
        return {self.layout.controls.problem: notice_update(message)}

    def start(self) -> Changes:
        """Clears an earlier result, so that it is not taken for the new one."""
        controls, outcome, more = self.layout.controls, self.layout.outcome, self.layout.more
        pictures = outcome.pictures
        return {
            controls.fuse: gr.update(value=t("fusing"), interactive=False),
            controls.cancel: gr.update(visible=True),
            **dict.fromkeys(self.layout.notices, notice_update("")),
            **dict.fromkeys((pictures.result, pictures.draft, pictures.slider)),
            outcome.row: gr.update(visible=True),
            outcome.details.column: gr.update(visible=False),
            outcome.details.view: gr.update(value="refined"),
            **self.show_view("refined"),
            more.column: gr.update(visible=False),
            more.tiers: "",
        }

    def finish(self) -> Changes:
        """Enables the button again."""
        controls = self.layout.controls
        return {
            controls.fuse: gr.update(value=t("fuse"), interactive=True),
            controls.cancel: gr.update(visible=False),
        }

    def fail(self, request: gr.Request) -> Changes:
        """Shows failures outside of the page's own code, such as a queue that became full."""
        return self._end_without_result("error.not_made", "problem", request)

    def stop(self, request: gr.Request) -> Changes:
        """Handles the cancel button."""
        return self._end_without_result("cancelled", "fine", request)

    def _end_without_result(self, key: str, kind: str, request: gr.Request) -> Changes:
        message = say(key, request_language(request))
        return {
            self.layout.outcome.row: gr.update(visible=False),
            self.layout.controls.problem: notice_update(message, kind),
            **self.finish(),
        }

    def show_view(self, chosen: str) -> Changes:
        """Shows one of the pictures that the browser already has."""
        columns = self.layout.outcome.pictures.columns
        return {column: gr.update(visible=name == chosen) for name, column in columns.items()}

    def reuse(self, last: LastResult | None) -> Any:
        """Returns the result for use as the next target photo."""
        return last.png if last and last.png else gr.skip()
