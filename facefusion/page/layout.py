"""Builds the page's components from top to bottom; `actions` holds their listeners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from facefusion.page import html
from facefusion.page.i18n import t
from facefusion.pipeline.options import LIKENESS
from facefusion.tiers import TIERS, Tier
from facefusion.words import say

#: Seconds that the state of a session is kept.
SESSION = 600
#: Check boxes that must all be ticked before a fusion.
CONSENTS = ("rights", "decent")


@dataclass
class Upload:
    """One photo field: its component, its notice, and its index among the photos of its role."""

    photo: gr.Image
    notice: gr.HTML
    number: int = 0


@dataclass
class Layout:
    """Components that listeners read or update."""

    sources: list[Upload]
    target: Upload
    other: Upload
    swap: gr.Button
    faces: gr.CheckboxGroup
    other_faces: gr.CheckboxGroup
    face_style: gr.HTML
    second: gr.Accordion
    tier: gr.Radio
    likeness: gr.Slider
    blend: gr.Slider
    consent: gr.CheckboxGroup
    fuse: gr.Button
    cancel: gr.Button
    problem: gr.HTML
    outcome: gr.Row
    views: dict[str, gr.Column]
    result: gr.Image
    draft: gr.Image
    slider: gr.ImageSlider
    details: gr.Column
    view: gr.Radio
    report: gr.HTML
    png: gr.DownloadButton
    jpeg: gr.DownloadButton
    reuse: gr.Button
    more: gr.Column
    compare: gr.Button
    tiers: gr.HTML
    how: gr.Accordion
    steps: gr.HTML
    examples: list[gr.Button] = field(default_factory=list)
    #: Content keys of the source photos that the session consented to.
    consented: gr.State = field(default_factory=lambda: gr.State(frozenset(), time_to_live=SESSION))
    #: The session's last result.
    made: gr.State = field(default_factory=lambda: gr.State(None, time_to_live=SESSION))


def _photo(
    elem_id: str, key: str, hint: str, sources: Sequence[Any] = ("upload", "clipboard")
) -> gr.Image:
    return gr.Image(
        type="filepath",
        label=t(key),
        placeholder=t(hint),
        alt_text=t(f"{key}.alt" if key in ("source", "target", "other") else key),
        sources=list(sources),
        buttons=[],
        elem_id=elem_id,
    )


def _upload(place: str, key: str, hint: str, number: int = 0, *, webcam: bool = False) -> Upload:
    photo = _photo(
        f"{place}-photo",
        key,
        hint,
        ("upload", "webcam", "clipboard") if webcam else ("upload", "clipboard"),
    )
    return Upload(photo, gr.HTML(visible=False, elem_id=f"{place}-notice"), number)


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


def build(notice: str | None, examples: int) -> Layout:
    """Builds the page's layout inside a `gr.Blocks`.

    Args:
        notice: a sentence about the running networks, or None.
        examples: number of example pairs.
    """
    with gr.Column(elem_id="lead"):
        gr.HTML(f"<h1>{say('title')}</h1>", elem_id="header")
        gr.HTML(f"<p>{t('lead')}</p>", elem_id="lead-text")
        gr.HTML(f"<p>{t('kept')}</p>", elem_id="kept")
    if notice:
        gr.HTML(html.notice(notice, "doubt"), elem_id="weights-notice")
    with gr.Row(elem_id="photos"):
        with gr.Column(min_width=280, elem_id="source"):
            gr.HTML(html.heading(1, "source"), elem_id="source-heading")
            sources = [_upload("source", "source", "source.hint", webcam=True)]
            with gr.Accordion(t("more"), open=False, elem_id="more-photos"):
                gr.HTML(f"<p>{t('more.hint')}</p>", elem_id="more-hint")
                sources.append(_upload("second", "source2", "extra.hint", 2, webcam=True))
                sources.append(_upload("third", "source3", "extra.hint", 3, webcam=True))
        with gr.Column(min_width=280, elem_id="target"):
            gr.HTML(html.heading(2, "target"), elem_id="target-heading")
            target = _upload("target", "target", "target.hint")
            face_style = gr.HTML(elem_id="face-style")
            faces = gr.CheckboxGroup(
                [],
                type="value",
                label=t("faces"),
                info=t("faces.hint"),
                visible=False,
                elem_id="faces",
            )
            with gr.Accordion(
                t("second"), open=False, visible=False, elem_id="second-person"
            ) as second:
                gr.HTML(f"<p>{t('second.hint')}</p>", elem_id="second-hint")
                other = _upload("other", "other", "source.hint", webcam=True)
                other_faces = gr.CheckboxGroup([], label=t("other.faces"), elem_id="other-faces")
    swap = gr.Button("⇄ " + t("swap"), variant="secondary", size="md", scale=0, elem_id="swap")
    gr.HTML(html.heading(3, "quality"), elem_id="quality-heading")
    tier = gr.Radio(
        [(t(f"tier.{tier}"), tier.value) for tier in (Tier.AUTO, *TIERS)],
        value=Tier.AUTO.value,
        label=t("quality"),
        info=t("quality.hint"),
        show_label=False,
        elem_id="tier",
    )
    with gr.Accordion(t("fine"), open=False, elem_id="fine"):
        likeness = gr.Slider(
            0,
            1,
            LIKENESS,
            step=0.05,
            label=t("likeness"),
            info=t("likeness.hint"),
            buttons=[],
            elem_id="likeness",
        )
        blend = gr.Slider(
            0, 1, 1, step=0.05, label=t("blend"), info=t("blend.hint"), buttons=[], elem_id="blend"
        )
    consent = gr.CheckboxGroup(
        [(t(f"consent.{name}"), name) for name in CONSENTS],
        label=t("consent"),
        show_select_all=True,
        elem_id="consent",
    )
    with gr.Row(elem_id="go"):
        fuse = gr.Button(
            t("fuse"), variant="primary", size="lg", scale=3, min_width=200, elem_id="fuse"
        )
        cancel = gr.Button(
            t("cancel"), variant="stop", size="lg", min_width=120, visible=False, elem_id="cancel"
        )
    problem = gr.HTML(visible=False, elem_id="problem")
    with gr.Row(visible=False, elem_id="outcome") as outcome:
        # Columns are shown and hidden, never the pictures in them.
        with gr.Column(scale=3, min_width=280, elem_id="pictures"):
            with gr.Column(elem_id="result") as result_column:
                result = _picture("result-image", "result")
            with gr.Column(visible=False, elem_id="draft") as draft_column:
                draft = _picture("draft-image", "draft")
            with gr.Column(visible=False, elem_id="before-after") as slider_column:
                slider = gr.ImageSlider(
                    show_label=False,
                    type="filepath",
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_id="slider",
                )
        with gr.Column(scale=2, min_width=280, visible=False, elem_id="details") as details:
            view = gr.Radio(_views(), value="refined", label=t("view"), elem_id="view")
            with gr.Row(elem_id="downloads"):
                png = gr.DownloadButton(t("png"), size="md", min_width=130, elem_id="png")
                jpeg = gr.DownloadButton(t("jpeg"), size="md", min_width=130, elem_id="jpeg")
            report = gr.HTML(elem_id="report")
            reuse = gr.Button(t("reuse"), size="md", elem_id="reuse")
    with gr.Column(visible=False, elem_id="more") as more:
        compare = gr.Button(t("compare"), size="md", elem_id="compare")
        tiers = gr.HTML(elem_id="tiers")
        with gr.Accordion(t("how"), open=False, elem_id="how") as how:
            steps = gr.HTML(elem_id="steps")
    buttons: list[gr.Button] = []
    if examples:
        gr.HTML(f"<h2 class='step'>{t('examples')}</h2>", elem_id="examples-heading")
        gr.HTML(f"<p>{t('examples.hint')}</p>", elem_id="examples-hint")
        with gr.Row(elem_id="examples"):
            for i in range(1, examples + 1):
                label = f"{t('example')} {i}"
                buttons.append(
                    gr.Button(
                        label,
                        size="md",
                        min_width=150,
                        elem_id=f"example-{i}",
                        elem_classes="example",
                    )
                )
    gr.Markdown(t("notes"), elem_id="notes")
    return Layout(
        sources=sources,
        target=target,
        other=other,
        swap=swap,
        faces=faces,
        other_faces=other_faces,
        face_style=face_style,
        second=second,
        tier=tier,
        likeness=likeness,
        blend=blend,
        consent=consent,
        fuse=fuse,
        cancel=cancel,
        problem=problem,
        outcome=outcome,
        views={"refined": result_column, "coarse": draft_column, "slider": slider_column},
        result=result,
        draft=draft,
        slider=slider,
        details=details,
        view=view,
        report=report,
        png=png,
        jpeg=jpeg,
        reuse=reuse,
        more=more,
        compare=compare,
        tiers=tiers,
        how=how,
        steps=steps,
        examples=buttons,
    )


def _views() -> list[tuple[str, str]]:
    return [(t(f"view.{name}"), name) for name in ("refined", "coarse", "slider")]
