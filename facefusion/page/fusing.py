"""Fuses the photos of the form, and shows the draft, the result and its details."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import gradio as gr

from facefusion import FusionPipeline, FusionResult
from facefusion.images.marking import marked
from facefusion.page import files, html, pictures
from facefusion.page.comparing import tier_tile
from facefusion.page.form import Form, LastResult, Values
from facefusion.page.jobs import Job, RefusedError, open_job
from facefusion.page.layout import Changes, Layout
from facefusion.page.messages import (
    error_sentence,
    mark_text,
    notice_update,
    request_language,
)
from facefusion.page.outcome import view_choices
from facefusion.page.photos import Photos
from facefusion.tiers import tier_spec
from facefusion.types import Photo
from facefusion.words import Language, say

#: Tells Gradio that a function reports its progress; the value itself is not used.
PROGRESS: Final = gr.Progress()


class Fusing:
    """The listener that fuses.

    Args:
        pipeline: shared by all visitors.
        layout: the components.
        photos: reads uploads; results are kept beside them for ten minutes.
    """

    def __init__(self, pipeline: FusionPipeline, layout: Layout, photos: Photos) -> None:
        self.pipeline, self.layout, self.photos = pipeline, layout, photos

    def fuse(
        self, values: Values, request: gr.Request, progress: gr.Progress = PROGRESS
    ) -> Iterator[Changes]:
        """Shows the draft and then the result, or what was wrong, with the result cleared."""
        language = request_language(request)
        try:
            form = Form.read(values, self.layout)
            if not form.has_consent:
                yield {
                    self.layout.outcome.row: gr.update(visible=False),
                    self.layout.controls.problem: notice_update(say("error.consent", language)),
                }
                return
            with open_job(self.pipeline, self.photos, form, request) as job:
                yield from self._run(job, form, request, progress)
        except Exception as error:
            yield self._refusal(error, language)

    def _run(
        self, job: Job, form: Form, request: gr.Request, progress: gr.Progress
    ) -> Iterator[Changes]:
        shown, session = self.layout.outcome.pictures, self.layout.session
        language, folder = request_language(request), self.photos.results(request)

        def report(stage: str, share: float) -> None:
            progress(share, desc=say(f"stage.{stage}", language))

        results = job.run(self.pipeline, form.tier, report)
        draft = files.write(_marked(next(results), language), folder, ".jpg")
        yield {shown.result: draft, shown.draft: draft}
        for result in results:
            progress(1.0, desc=say("saving", language))
            image = _marked(result, language)
            jpeg = files.write(image, folder, ".jpg")
            # The other files, above all a PNG of a large photo, take longer.
            yield {shown.result: jpeg, shown.draft: draft}
            yield {
                shown.result: jpeg,
                shown.draft: draft,
                self.layout.outcome.details.jpeg: jpeg,
                session.consented: form.consented | job.source_keys,
                **self._details(job, result, image, request),
            }

    def _details(
        self, job: Job, result: FusionResult, image: Photo, request: gr.Request
    ) -> Changes:
        """Shows everything but the result itself, whose marked picture is `image`."""
        outcome, more = self.layout.outcome, self.layout.more
        language, folder = request_language(request), self.photos.results(request)
        png = files.write(image, folder, ".png")
        before = files.write_plain(files.preview(job.target), folder)
        after = files.write(files.preview(image), folder, ".jpg")
        choices = view_choices(with_draft=tier_spec(result.tier).changes_draft)
        tiers = {str(result.tier): tier_tile(result, language)}
        return {
            outcome.pictures.slider: (before, after),
            outcome.details.column: gr.update(visible=True),
            outcome.details.view: gr.update(choices=choices, value="refined"),
            outcome.details.report: html.report(result, job.numbers, language),
            outcome.details.png: png,
            more.column: gr.update(visible=True),
            more.steps: _steps(job.target, result, language),
            self.layout.session.last: LastResult(job.key, tiers, png),
        }

    def _refusal(self, error: Exception, language: Language) -> Changes:
        """Shows an error beside the photo that it concerns, and hides the result."""
        shown = self.layout.outcome.pictures
        notices = {field.name: field.notice for field in self.layout.photos.all}
        notice = self.layout.controls.problem
        if isinstance(error, RefusedError):
            notice = notices[error.field]
        return {
            shown.result: None,
            shown.draft: None,
            self.layout.outcome.row: gr.update(visible=False),
            notice: notice_update(error_sentence(error, language)),
        }


def _marked(result: FusionResult, language: Language) -> Photo:
    return marked(result.image, mark_text(language), faces=result.boxes, in_place=True)


def _steps(target: Photo, result: FusionResult, language: Language) -> str:
    steps = pictures.steps(target, result, mark_text(language))
    return html.tiles(
        [
            (say(f"step.{name}", language), "", pictures.data_uri(step))
            for name, step in steps.items()
        ]
    )
