"""Connects the page's components to the functions that act on them, section by section."""

from __future__ import annotations

from typing import Any, Final

import gradio as gr

from facefusion import FusionPipeline
from facefusion.page import form, html, style
from facefusion.page.actions import Actions
from facefusion.page.comparing import Comparing
from facefusion.page.examples import Example
from facefusion.page.fusing import Fusing
from facefusion.page.layout import Layout
from facefusion.page.photo_checks import PhotoChecks
from facefusion.page.photos import Photos
from facefusion.page.queue import ADMISSIONS, CHECKS, FUSE_ON_PAGE, FUSIONS, Jobs, queued
from facefusion.page.showing import Showing
from facefusion.page.stops import Stops
from facefusion.page.waits import Waits

#: Options of a listener that programs cannot call.
PRIVATE: Final[dict[str, Any]] = {"api_visibility": "private"}
#: The same, without a progress bar.
HIDDEN: Final[dict[str, Any]] = {**PRIVATE, "show_progress": "hidden"}
#: The same, outside of the queue: it takes no time.
UNQUEUED: Final[dict[str, Any]] = {**HIDDEN, "queue": False}
#: In a queue of its own: without one, a refusal would be an HTTP error.
ADMISSION: Final[dict[str, Any]] = {
    **HIDDEN,
    "concurrency_id": ADMISSIONS,
    "concurrency_limit": None,
}


def connect(
    demo: gr.Blocks, jobs: Jobs, pipeline: FusionPipeline, layout: Layout, photos: Photos
) -> None:
    """Connects everything but the examples.

    Args:
        demo: the page.
        jobs: its queue.
        pipeline: shared by all visitors.
        layout: the components.
        photos: reads uploads.
    """
    stops, waits = Stops(), Waits()
    actions = Actions(pipeline, layout, jobs, stops, waits)
    demo.load(actions.show_tiers, None, layout.settings.tier, **HIDDEN)
    connect_photos(layout, PhotoChecks(pipeline, layout, photos), jobs.at_once)
    connect_fusion(layout, actions, Fusing(pipeline, layout, photos, stops, waits), jobs.at_once)
    connect_comparison(layout, actions, Comparing(pipeline, layout, photos), jobs.at_once)


def connect_photos(layout: Layout, checks: PhotoChecks, at_once: int) -> None:
    """Connects the photo fields."""
    photos, target = layout.photos, layout.photos.target
    checking = {**queued(CHECKS, at_once), **HIDDEN}
    # By default, Gradio would leave out a check that begins while an earlier pair is being checked.
    last = {**checking, "trigger_mode": "always_last"}
    pair = [*(field.photo for field in photos.sources), target.field.photo]
    for field in (*photos.sources, *photos.others):
        checked = field.photo.change(
            checks.source_check(field),
            [field.photo, layout.session.consented, layout.session.has_consented],
            [field.notice, layout.settings.consent],
            js=style.look(field.place, inputs=3),
            **checking,
        )
        checked.then(None, js=style.looked_at(field.place))
        if field in photos.sources:
            checked.then(checks.check_pair, pair, photos.pair, **last)
    checked = target.field.photo.change(
        checks.check_target,
        target.field.photo,
        [target.field.notice, target.faces, target.assignment],
        js=style.look(target.field.place, inputs=1),
        **checking,
    )
    checked.then(None, js=style.looked_at(target.field.place))
    checked.then(checks.check_pair, pair, photos.pair, **last)
    both = [photos.sources[0], target.field]
    pictures, notices = [each.photo for each in both], [each.notice for each in both]
    photos.swap.click(None, pictures, [*pictures, *notices], js=style.EXCHANGE, **PRIVATE)


def connect_examples(layout: Layout, showing: Showing, found: list[Example]) -> None:
    """Connects the buttons of the examples."""
    source, target = layout.photos.sources[0].photo, layout.photos.target.field.photo
    outputs = [target, layout.outcome.made, layout.outcome.done, layout.outcome.details]
    for button, example in zip(layout.examples, found, strict=True):
        shower, face = showing.shower(example), str(example.face)
        shown = button.click(shower, source, outputs, preprocess=False, **UNQUEUED)
        shown.success(None, source, source, js=style.give_face(face, html.address(face)), **PRIVATE)


def connect_fusion(layout: Layout, actions: Actions, fusing: Fusing, at_once: int) -> None:
    """Connects the button that fuses, and those that stop the fusion."""
    controls, outcome = layout.controls, layout.outcome
    notices = layout.notices
    # In a queue, as the checks of photos are: answers of one stream arrive in the order in which they
    # were made, so that an older run does not hide the notice of a newer photo.
    started = controls.fuse.click(actions.start, None, [*controls.buttons, *notices], **ADMISSION)
    refused = started.failure(actions.show_full, None, controls.problem, **UNQUEUED)
    refused.then(None, js=style.REVEAL)
    fused = started.success(
        fusing.fuse,
        set(form.components(layout).values()),
        [*notices, *outcome.outputs, *layout.session.outputs, layout.settings.tier],
        show_progress_on=controls.state,
        api_name=FUSE_ON_PAGE,
        **queued(FUSIONS, at_once),
        **PRIVATE,
    )
    ended = [controls.problem, *controls.buttons]
    fused.failure(actions.fail, None, ended, **UNQUEUED)
    finished = fused.then(actions.finish, None, controls.buttons, **UNQUEUED)
    finished.then(None, js=style.REVEAL)
    told = [controls.problem, controls.cancel]
    controls.cancel.click(actions.stop, None, told, **UNQUEUED)
    controls.supersede.click(actions.supersede, None, None, **UNQUEUED)


def connect_comparison(
    layout: Layout, actions: Actions, comparing: Comparing, at_once: int
) -> None:
    """Connects the button that compares the tiers."""
    outcome = layout.outcome
    button = [outcome.compare, outcome.compared]
    started = outcome.compare.click(actions.start_comparison, None, button, **ADMISSION)
    started.failure(actions.show_full_comparison, None, outcome.compared, **UNQUEUED)
    compared = started.success(
        comparing.compare,
        set(form.components(layout).values()),
        [outcome.tiers, outcome.compared, layout.session.last],
        show_progress_on=outcome.tiers,
        api_name="compare_on_page",
        **queued(FUSIONS, at_once),
        **PRIVATE,
    )
    compared.failure(actions.fail_comparison, None, button, **UNQUEUED)
    compared.then(actions.finish_comparison, None, outcome.compare, **UNQUEUED)
