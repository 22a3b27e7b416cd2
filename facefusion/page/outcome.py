"""Builds what the page shows after a fusion: pictures, details, tiers and steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from facefusion.page.i18n import t

#: Names of the views of a result.
VIEWS: Final = ("refined", "coarse", "slider")


@dataclass(frozen=True)
class Pictures:
    """The pictures of a result.

    Attributes:
        columns: of the pictures by view. Columns are shown and hidden, never the pictures in them.
        slider: photo and result side by side.
    """

    columns: dict[str, gr.Column]
    result: gr.Image
    draft: gr.Image
    slider: gr.ImageSlider


@dataclass(frozen=True)
class Details:
    """The column beside the pictures.

    Attributes:
        view: choice of the picture.
        reuse: button that makes the result the next target.
    """

    column: gr.Column
    view: gr.Radio
    png: gr.DownloadButton
    jpeg: gr.DownloadButton
    report: gr.HTML
    reuse: gr.Button


@dataclass(frozen=True)
class Outcome:
    """The row of pictures and details."""

    row: gr.Row
    pictures: Pictures
    details: Details

    @property
    def outputs(self) -> list[Any]:
        """Components that a fusion updates."""
        pictures, details = self.pictures, self.details
        return [
            *(self.row, *pictures.columns.values()),
            *(pictures.result, pictures.draft, pictures.slider),
            *(details.column, details.view, details.png, details.jpeg, details.report),
        ]


@dataclass(frozen=True)
class More:
    """The section below a result: all tiers side by side, and the steps of the fusion."""

    column: gr.Column
    compare: gr.Button
    tiers: gr.HTML
    steps: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        """Components that a fusion updates."""
        return [self.column, self.tiers, self.steps]


def build() -> Outcome:
    """Builds the row of pictures and details, which is hidden at first."""
    with gr.Row(visible=False, elem_id="outcome") as row:
        with gr.Column(scale=3, min_width=280, elem_id="pictures"):
            pictures = _pictures()
        with gr.Column(scale=2, min_width=280, visible=False, elem_id="details") as column:
            details = _details(column)
    return Outcome(row, pictures, details)


def build_more() -> More:
    """Builds the section below, which is hidden at first."""
    with gr.Column(visible=False, elem_id="more") as column:
        compare = gr.Button(t("compare"), size="md", elem_id="compare")
        tiers = gr.HTML(elem_id="tiers")
        with gr.Accordion(t("how"), open=False, elem_id="how"):
            steps = gr.HTML(elem_id="steps")
    return More(column, compare, tiers, steps)


def view_choices(*, with_draft: bool = True) -> list[tuple[str, str]]:
    """Returns labels and names of the views; the tier Fast has no draft."""
    names = [name for name in VIEWS if with_draft or name != "coarse"]
    return [(t(f"view.{name}"), name) for name in names]


def _pictures() -> Pictures:
    with gr.Column(elem_id="result") as refined:
        result = _picture("result-image", "result")
    with gr.Column(visible=False, elem_id="draft") as coarse:
        draft = _picture("draft-image", "draft")
    with gr.Column(visible=False, elem_id="before-after") as before_after:
        slider = gr.ImageSlider(
            show_label=False,
            type="filepath",
            interactive=False,
            buttons=["fullscreen"],
            elem_id="slider",
        )
    columns = dict(zip(VIEWS, (refined, coarse, before_after), strict=True))
    return Pictures(columns, result, draft, slider)


def _picture(elem_id: str, key: str) -> gr.Image:
    # "share" is left out: it would upload the picture to another host.
    return gr.Image(
        label=t(key),
        alt_text=t(f"{key}.alt"),
        interactive=False,
        buttons=["fullscreen"],
        format="png",
        elem_id=elem_id,
    )


def _details(column: gr.Column) -> Details:
    view = gr.Radio(view_choices(), value="refined", label=t("view"), elem_id="view")
    with gr.Row(elem_id="downloads"):
        png = gr.DownloadButton(t("png"), size="md", min_width=130, elem_id="png")
        jpeg = gr.DownloadButton(t("jpeg"), size="md", min_width=130, elem_id="jpeg")
    report = gr.HTML(elem_id="report")
    reuse = gr.Button(t("reuse"), size="md", elem_id="reuse")
    return Details(column, view, png, jpeg, report, reuse)
