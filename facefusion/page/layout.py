"""Builds the page's components from top to bottom; `listeners` connects them to functions."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, Final

import gradio as gr

from facefusion.page import examples, host, html, outcome, photo_fields
from facefusion.page.examples import Example
from facefusion.page.files import kept_seconds
from facefusion.page.host import Host
from facefusion.page.i18n import t
from facefusion.page.outcome import Outcome
from facefusion.page.photo_fields import PhotoFields
from facefusion.pipeline.options import LIKENESS
from facefusion.tiers import TIERS, Tier
from facefusion.words import Language

#: Check boxes that must all be ticked before a fusion.
CONSENTS: Final = ("rights", "decent")

#: Updates by component, as a listener returns them.
Changes = dict[Any, Any]


@dataclass(frozen=True)
class Settings:
    """Choices of how a fusion is done, and the consent to it."""

    tier: gr.Radio
    likeness: gr.Slider
    blend: gr.Slider
    consent: gr.CheckboxGroup


@dataclass(frozen=True)
class Controls:
    """The buttons that start and cancel a fusion, its progress, and the notice of what went wrong.

    Attributes:
        supersede: hidden; `scripts/runs.js` presses it to stop a fusion for a newer one.
        state: what is still missing before a fusion, written by `scripts/runs.js`; progress lies over it.
    """

    fuse: gr.Button
    cancel: gr.Button
    supersede: gr.Button
    state: gr.HTML
    problem: gr.HTML

    @property
    def buttons(self) -> list[Any]:
        """Components that change while a fusion runs."""
        return [self.fuse, self.cancel]


@dataclass(frozen=True)
class Session:
    """What is remembered of a visit.

    Attributes:
        consented: content keys of the source photos that the visitor consented to.
        has_consented: whether there was a consent; in the browser, as the server forgets `consented`.
        last: the last result, a `form.LastResult`.
    """

    consented: gr.State
    has_consented: gr.Checkbox
    last: gr.State

    @property
    def outputs(self) -> list[Any]:
        """Components that a fusion updates."""
        return [self.consented, self.has_consented, self.last]


@dataclass(frozen=True)
class Layout:
    """Components that listeners read or update, from top to bottom."""

    photos: PhotoFields
    settings: Settings
    controls: Controls
    outcome: Outcome
    examples: tuple[gr.Button, ...]
    session: Session

    @property
    def notices(self) -> list[Any]:
        """Components that show refusals."""
        photos = self.photos
        return [*(field.notice for field in photos.all), photos.pair, self.controls.problem]


def build(notice: str | None, found: list[Example], about: Host) -> Layout:
    """Builds the page's layout inside a `gr.Blocks`.

    Args:
        notice: a sentence about the running networks, or None.
        found: the examples.
        about: what the host says about the page.
    """
    _header(notice, about.title)
    with gr.Row(elem_id="body"):
        with gr.Column(min_width=280, elem_id="inputs"):
            main = photo_fields.build_main()
            buttons = _examples(found)
            photos = photo_fields.build_more(main)
            consent = _consent()
            controls = _controls()
            settings = _settings(consent)
        with gr.Column(min_width=280, elem_id="outcome"):
            shown = outcome.build(examples.hero(found))
    layout = Layout(photos, settings, controls, shown, buttons, _session())
    gr.Markdown(t("notes"), elem_id="notes")
    with gr.Row(visible=bool(about.links), elem_id="host"):
        for key, address in about.links.items():
            gr.HTML(host.link(key, address), elem_id=key.replace(".", "-"))
    return layout


def _header(notice: str | None, title: str) -> None:
    with gr.Column(elem_id="lead"):
        with gr.Row(elem_id="top"):
            gr.HTML(f"<h1>{escape(title)}</h1>", elem_id="header")
            gr.HTML(html.language_switch(), elem_id="language")
        gr.HTML(f"<p>{t('lead')}</p>", elem_id="lead-text")
        gr.HTML(f"<p>{t('kept')}</p>", elem_id="kept")
    if notice:
        gr.HTML(html.notice(notice, "doubt"), elem_id="weights-notice")


def _consent() -> gr.CheckboxGroup:
    gr.HTML(html.heading(3, "consent"), elem_id="consent-heading")
    return gr.CheckboxGroup(
        [(t(f"consent.{name}"), name) for name in CONSENTS],
        label=t("consent.all"),
        show_select_all=True,
        elem_id="consent",
    )


def _settings(consent: gr.CheckboxGroup) -> Settings:
    with gr.Accordion(t("fine"), open=False, elem_id="fine"):
        tier = gr.Radio(
            [(t(f"tier.{tier}"), tier.value) for tier in (Tier.AUTO, *TIERS)],
            value=Tier.AUTO.value,
            label=t("quality"),
            info=t("quality.hint"),
            elem_id="tier",
        )
        likeness = _share("likeness", "likeness.hint", LIKENESS)
        blend = _share("blend", "blend.hint", 1)
    return Settings(tier, likeness, blend, consent)


def _share(name: str, hint: str, value: float) -> gr.Slider:
    return gr.Slider(
        0,
        1,
        value,
        step=0.05,
        label=t(name),
        info=t(hint),
        buttons=[],
        elem_id=name,
    )


def _controls() -> Controls:
    with gr.Row(elem_id="go"):
        fuse = gr.Button(
            t("fuse"), variant="primary", size="lg", scale=3, min_width=200, elem_id="fuse"
        )
        cancel = gr.Button(
            t("cancel"), variant="stop", size="lg", min_width=120, visible=False, elem_id="cancel"
        )
        supersede = gr.Button(visible="hidden", elem_id="supersede")
    state = gr.HTML(html.needs(), elem_id="state")
    return Controls(
        fuse, cancel, supersede, state, problem=gr.HTML(visible=False, elem_id="problem")
    )


def _examples(found: list[Example]) -> tuple[gr.Button, ...]:
    if not found:
        return ()
    gr.HTML(f"<h3>{t('examples')}</h3>", elem_id="examples-heading")
    with gr.Row(elem_id="examples"):
        buttons = tuple(
            gr.Button(
                each.names[Language.ENGLISH],
                min_width=44,
                elem_id=f"example-{i}",
                elem_classes="example",
            )
            for i, each in enumerate(found, 1)
        )
    gr.HTML(examples.index(found), elem_id="examples-index")
    return buttons


def _session() -> Session:
    kept = kept_seconds()
    return Session(
        consented=gr.State(frozenset(), time_to_live=kept),
        has_consented=gr.Checkbox(False, visible=False, elem_id="has-consented"),
        last=gr.State(None, time_to_live=kept),
    )
