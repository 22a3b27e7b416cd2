"""Fuses the photos of the form, and shows the draft, the result and its details."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import gradio as gr

from facefusion import FusionPipeline, FusionResult
from facefusion.geometry.align import face_size
from facefusion.images.marking import mark_box, marked
from facefusion.page import files, group, html, pictures, repairing
from facefusion.page.comparing import tier_tile
from facefusion.page.form import Form, LastResult, Values
from facefusion.page.jobs import Job, open_job
from facefusion.page.layout import Changes, Layout
from facefusion.page.messages import (
    error_sentence,
    mark_text,
    notice_update,
    request_language,
)
from facefusion.page.photos import Photos, RefusedError
from facefusion.page.stops import StoppedError, Stops
from facefusion.page.waits import Waits, tier_choices
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
        stops: sessions whose fusion is stopped.
        waits: how long results take.
    """

    def __init__(
        self,
        pipeline: FusionPipeline,
        layout: Layout,
        photos: Photos,
        stops: Stops,
        waits: Waits,
    ) -> None:
        self.pipeline, self.layout, self.photos = pipeline, layout, photos
        self.stops, self.waits = stops, waits

    def fuse(
        self, values: Values, request: gr.Request, progress: gr.Progress = PROGRESS
    ) -> Iterator[Changes]:
        """Shows the draft and then the result, or what was wrong beside the earlier result."""
        language, begun = request_language(request), time.monotonic()
        try:
            self.stops.check(request.session_hash)
            form = Form.read(values, self.layout)
            if not form.may_be_fused(self.photos):
                yield {self.layout.controls.problem: notice_update(say("error.consent", language))}
                return
            with open_job(self.pipeline, self.photos, form, request) as job:
                yield from self._run(job, form, begun, request, progress)
        except StoppedError:
            # Gradio would empty all outputs, notices included, of a listener that yields nothing.
            yield {self.layout.outcome.made: gr.skip()}
        except Exception as error:
            yield self._refusal(error, language)

    def _run(
        self, job: Job, form: Form, begun: float, request: gr.Request, progress: gr.Progress
    ) -> Iterator[Changes]:
        shown = self.layout.outcome.made
        language, folder = request_language(request), self.photos.results(request)

        def report(stage: str, share: float) -> None:
            self.stops.check(request.session_hash)
            progress(share, desc=say(f"stage.{stage}", language))

        results = job.run(self.pipeline, form.tier, report)
        draft = next(results)
        after = files.write(_marked(draft, language), folder, ".jpg")
        before = files.write_plain(files.preview(job.target), folder)
        original = form.target["path"] if form.target else before
        made = replace(_made("draft", job, draft, before, after), original=original)
        yield {shown: html.made(made)}
        for result in results:
            self.stops.check(request.session_hash)
            progress(1.0, desc=say("saving", language))
            finished = job.original.finish(
                result.image, job.target, mark_text(language), faces=result.boxes
            )
            image, belongings = finished.image, finished.belongings
            jpeg = files.write(image, folder, ".jpg", belongings)
            # The other file, above all the PNG of a large photo, takes longer.
            made = replace(_finished(made, result, language), after=jpeg)
            yield {shown: html.made(made)}
            beside = time.monotonic() - begun - result.timings.total
            png = files.write(image, folder, ".png", belongings)
            yield {
                shown: html.made(replace(made, png=png)),
                **self._consented(job, form),
                **self._done(job, result),
                **self._details(job, result, language),
                **self._times(result, beside, language),
            }

    def _consented(self, job: Job, form: Form) -> Changes:
        """Remembers the faces that the visitor consented to."""
        if not form.has_consent:
            return {}
        session = self.layout.session
        return {session.consented: form.consented | job.source_keys, session.has_consented: True}

    def _done(self, job: Job, result: FusionResult) -> Changes:
        """Shows which faces of a photo of several people were replaced."""
        table = ""
        if job.count > 1:
            left = len(job.numbers) < job.count
            table = group.done(result, job.numbers, job.people, left=left)
        return {self.layout.outcome.done: table}

    def _details(self, job: Job, result: FusionResult, language: Language) -> Changes:
        """Shows everything but the pictures."""
        outcome = self.layout.outcome
        image = result.image  # once: each access renders the whole photo
        tiers = {str(result.tier): tier_tile(result, image, language)}
        return {
            outcome.details: gr.update(visible=True),
            outcome.report: html.report(result, language),
            outcome.tiers: "",
            outcome.steps: _steps(job.target, result, image, language),
            self.layout.session.last: LastResult(job.key, tiers),
        }

    def _times(self, result: FusionResult, beside: float, language: Language) -> Changes:
        """Shows how long the other tiers would take with these photos, whose faces are cached."""
        self.waits.observe(beside)
        size = max(face_size(face.target.mesh) for face in result.faces)
        seconds = self.pipeline.chooser.expected(size, faces=len(result.faces))
        choices = tier_choices(self.pipeline.tiers, seconds, beside, language)
        return {self.layout.settings.tier: gr.update(choices=choices)}

    def _refusal(self, error: Exception, language: Language) -> Changes:
        """Shows an error beside the photo that it concerns."""
        notices = {field.name: field.notice for field in self.layout.photos.all}
        notice = self.layout.controls.problem
        if isinstance(error, RefusedError):
            notice = notices[error.field]
        return {notice: notice_update(error_sentence(error, language), "problem refused")}


def _made(kind: str, job: Job, result: FusionResult, before: str, after: str) -> html.Made:
    """Describes a picture for the view, with the handle to the left of the new faces."""
    height, width = job.target.shape[:2]
    left = min(float(box[0]) for box in result.boxes)
    split = 100 * left / width - 3
    return html.Made(kind, job.target_key.hex(), (width, height), split, before, after)


def _finished(made: html.Made, result: FusionResult, language: Language) -> html.Made:
    """Describes the result of a draft, and what can be brought back in it."""
    width, height = made.size
    return replace(
        made,
        kind="result",
        seconds=files.kept_seconds(),
        flaws=result.flaws,
        mark=mark_box((height, width), mark_text(language), faces=result.boxes),
        parts=repairing.parts(face.target.mesh for face in result.faces),
    )


def _marked(result: FusionResult, language: Language) -> Photo:
    return marked(result.image, mark_text(language), faces=result.boxes, in_place=True)


def _steps(target: Photo, result: FusionResult, image: Photo, language: Language) -> str:
    steps = pictures.steps(target, result, image, mark_text(language))
    return html.tiles(
        [
            (say(f"step.{name}", language), "", pictures.data_uri(step))
            for name, step in steps.items()
        ]
    )
