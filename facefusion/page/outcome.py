"""Builds what the page shows after a fusion: before and after, and the details below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from facefusion.page import html
from facefusion.page.i18n import t


@dataclass(frozen=True)
class Outcome:
    """Components that a fusion updates.

    Attributes:
        made: hidden; names the pictures that `scripts/view.js` shows in the view.
        done: who went to which face of a group photo.
        details: the section below the view.
        report: resemblance, tier and times.
        compare: button that runs all tiers.
        compared: notice below it of what went wrong.
        tiers: the tiers side by side.
        steps: the face after each step.
    """

    made: gr.HTML
    done: gr.HTML
    details: gr.Accordion
    report: gr.HTML
    compare: gr.Button
    compared: gr.HTML
    tiers: gr.HTML
    steps: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Components that a fusion updates."""
        return [self.made, self.done, self.details, self.report, self.tiers, self.steps]


def build(hero: html.Hero | None) -> Outcome:
    """Builds the view with `hero` at first, and the details, which are hidden at first."""
    gr.HTML(html.view(hero), elem_id="view")
    gr.HTML(html.visit(), elem_id="visit")
    made = gr.HTML(visible="hidden", elem_id="made")
    done = gr.HTML(elem_id="done")
    with gr.Accordion(t("details"), open=False, visible=False, elem_id="details") as details:
        report = gr.HTML(elem_id="report")
        compare = gr.Button(t("compare"), size="md", elem_id="compare")
        compared = gr.HTML(visible=False, elem_id="compare-notice")
        tiers = gr.HTML(elem_id="tiers")
        with gr.Accordion(t("how"), open=False, elem_id="how"):
            steps = gr.HTML(elem_id="steps")
    return Outcome(made, done, details, report, compare, compared, tiers, steps)
