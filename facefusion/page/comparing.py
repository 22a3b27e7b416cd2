"""Runs every tier on the photos of the form, and shows them side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import gradio as gr

from facefusion import FusionPipeline, FusionResult
from facefusion.auto.speed import PERCEPTION
from facefusion.page import html, pictures
from facefusion.page.form import Form, LastResult, Values
from facefusion.page.jobs import Job, open_job
from facefusion.page.layout import Changes, Layout
from facefusion.page.messages import (
    error_sentence,
    mark_text,
    notice_update,
    request_language,
)
from facefusion.page.photos import Photos
from facefusion.tiers import TIERS
from facefusion.types import Photo
from facefusion.words import Language, say


class Comparing:
    """The listener that compares the tiers.

    Args:
        pipeline: shared by all visitors.
        layout: the components.
        photos: reads uploads.
    """

    def __init__(self, pipeline: FusionPipeline, layout: Layout, photos: Photos) -> None:
        self.pipeline, self.layout, self.photos = pipeline, layout, photos

    def compare(self, values: Values, request: gr.Request) -> Iterator[Changes]:
        """Shows every tier side by side; a tier with a result is not run again."""
        problem, language = self.layout.outcome.compared, request_language(request)
        try:
            form = Form.read(values, self.layout)
            if not form.may_be_fused(self.photos):
                yield {problem: notice_update(say("error.consent", language))}
                return
            with open_job(self.pipeline, self.photos, form, request) as job:
                yield from self._run(job, form.last, language)
        except Exception as error:
            yield {problem: notice_update(error_sentence(error, language))}

    def _run(self, job: Job, last: LastResult | None, language: Language) -> Iterator[Changes]:
        """Shows the tiers as they are made, and remembers them with the last result's file."""
        last = last or LastResult(job.key, {})
        tiles = dict(last.tiers) if last.key == job.key else {}
        for tier in TIERS:
            if tier not in tiles:
                *_, result = job.run(self.pipeline, tier)
                tiles[tier] = tier_tile(result, result.image, language)
            shown = {str(name): tiles[name] for name in TIERS if name in tiles}
            hint = f"<p>{say('compare.hint', language)}</p>"
            yield {self.layout.outcome.tiers: hint + html.tier_tiles(shown, language)}
        yield {self.layout.session.last: replace(last, key=job.key, tiers=tiles)}


def tier_tile(result: FusionResult, image: Photo, language: Language) -> tuple[str, float]:
    """Returns a tier's first face as a data URI, and its seconds.

    The seconds are without face detection, which all tiers share.

    Args:
        result: of the tier.
        image: the result's, rendered.
        language: of the mark.
    """
    stages = result.timings.stages.items()
    seconds = sum(seconds for stage, seconds in stages if stage not in PERCEPTION)
    tile = pictures.tile(image, result.faces[0], mark_text(language))
    return pictures.data_uri(tile), seconds
