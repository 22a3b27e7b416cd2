"""Shows and hides parts of the page before and after a fusion, and admits visitors to it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from facefusion import FusionPipeline
from facefusion.page.i18n import t
from facefusion.page.layout import Changes, Layout
from facefusion.page.messages import notice_update, request_language
from facefusion.page.queue import Jobs
from facefusion.page.stops import Stops
from facefusion.page.waits import Waits, tier_choices
from facefusion.words import say


class Actions:
    """Listeners that read no photo.

    Args:
        pipeline: knows the tiers and their times.
        layout: the components.
        jobs: the page's queue.
        stops: sessions whose fusion is stopped.
        waits: how long results take.
    """

    def __init__(
        self, pipeline: FusionPipeline, layout: Layout, jobs: Jobs, stops: Stops, waits: Waits
    ) -> None:
        self.pipeline, self.layout, self.jobs = pipeline, layout, jobs
        self.stops, self.waits = stops, waits

    def show_tiers(self, request: gr.Request) -> Changes:
        """Shows the time to a result beside each tier, and the Studio tier if its models are there."""
        seconds, language = self.pipeline.expected_seconds(), request_language(request)
        choices = tier_choices(self.pipeline.tiers, seconds, self.waits.beside, language)
        return {self.layout.settings.tier: gr.update(choices=choices)}

    def _admit(self) -> None:
        """Admits a visitor to the queue.

        Raises:
            gr.Error: the queue is full; `show_full` shows it as a notice instead of Gradio.
        """
        if self.jobs.is_full():
            raise gr.Error("full", visible=False, print_exception=False)

    def show_full(self, request: gr.Request) -> Changes:
        """Shows the length of the full queue and the waiting time; nothing else changes."""
        return {self.layout.controls.problem: self._full(request)}

    def show_full_comparison(self, request: gr.Request) -> Changes:
        """Shows the same below the button that compares."""
        return {self.layout.outcome.compared: self._full(request)}

    def _full(self, request: gr.Request) -> Any:
        key, values = self.jobs.refusal()
        return notice_update(say(key, request_language(request)) % values)

    def start_comparison(self) -> Changes:
        """Admits a visitor, and shows that the tiers are being compared.

        Raises:
            gr.Error: as of `_admit`.
        """
        self._admit()
        outcome = self.layout.outcome
        return {
            outcome.compare: gr.update(value=t("comparing"), interactive=False),
            outcome.compared: notice_update(""),
        }

    def finish_comparison(self) -> Changes:
        """Enables the button again."""
        return {self.layout.outcome.compare: gr.update(value=t("compare"), interactive=True)}

    def fail_comparison(self, request: gr.Request) -> Changes:
        """Shows failures outside of the page's own code below the button."""
        message = say("error.not_made", request_language(request))
        return {self.layout.outcome.compared: notice_update(message), **self.finish_comparison()}

    def start(self, request: gr.Request) -> Changes:
        """Admits a visitor and hides the notices; an earlier result stays until there is a new one.

        Raises:
            gr.Error: as of `_admit`.
        """
        self._admit()
        self.stops.begin(request.session_hash)
        controls = self.layout.controls
        return {
            controls.fuse: gr.update(value=t("fusing"), interactive=False),
            controls.cancel: gr.update(visible=True, interactive=True),
            **dict.fromkeys(self.layout.notices, notice_update("")),
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
        message = say("error.not_made", request_language(request))
        return {self.layout.controls.problem: notice_update(message), **self.finish()}

    async def stop(self, request: gr.Request) -> Changes:
        """Handles the cancel button; `finish` follows once the fusion has ended."""
        await self.supersede(request)
        controls, message = self.layout.controls, say("cancelled", request_language(request))
        return {
            controls.problem: notice_update(message, "fine"),
            controls.cancel: gr.update(interactive=False),
        }

    async def supersede(self, request: gr.Request) -> None:
        """Stops the fusion for a newer one; one that waits in the queue ends at once.

        A coroutine, since Gradio runs it on its event loop, which owns the queue.
        """
        self.stops.stop(request.session_hash)
        self.jobs.end_waiting(request.session_hash)
