"""Builds the page's photo fields: the first person, the target and the second person."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from facefusion.page import html
from facefusion.page.i18n import t


@dataclass(frozen=True)
class PhotoField:
    """A component for a photo, with a notice below it.

    Attributes:
        name: of the field in a refusal: "source", "source2", "source3", "target" or "other".
        number: 1-based position among the photos of the first person, from the second one on.
    """

    name: str
    photo: gr.Image
    notice: gr.HTML
    number: int | None = None


@dataclass(frozen=True)
class TargetFields:
    """The target photo, and the choice of its faces with a style sheet of their pictures."""

    field: PhotoField
    face_style: gr.HTML
    faces: gr.CheckboxGroup


@dataclass(frozen=True)
class OtherPerson:
    """The second person's photo, and the choice of the target faces that it replaces."""

    section: gr.Accordion
    field: PhotoField
    faces: gr.CheckboxGroup


@dataclass(frozen=True)
class PhotoFields:
    """All photo fields, and the button that exchanges source and target."""

    sources: tuple[PhotoField, ...]
    target: TargetFields
    other: OtherPerson
    swap: gr.Button

    @property
    def all(self) -> tuple[PhotoField, ...]:
        """The fields from top to bottom."""
        return (*self.sources, self.target.field, self.other.field)


@dataclass(frozen=True)
class MainFields:
    """The fields that every fusion or group photo needs: face, target and second person."""

    source: PhotoField
    target: TargetFields
    other: OtherPerson


def build_main() -> MainFields:
    """Builds both photos side by side, and below them the choice of the target's faces."""
    with gr.Row(elem_id="photos"):
        with gr.Column(min_width=130, elem_id="source"):
            gr.HTML(html.heading(1, "source"), elem_id="source-heading")
            first = _field("source", "source", "source.hint", webcam=True)
        with gr.Column(min_width=130, elem_id="target"):
            gr.HTML(html.heading(2, "target"), elem_id="target-heading")
            field = _field("target", "target", "target.hint", webcam=True)
    return MainFields(first, _target(field), _other_person())


def build_more(main: MainFields) -> PhotoFields:
    """Builds what few visitors need: the exchange of both photos, and more of the first person."""
    with gr.Row(elem_id="beside-photos"):
        swap = gr.Button("⇄ " + t("swap"), size="md", min_width=130, elem_id="swap")
    return PhotoFields((main.source, *_more_sources()), main.target, main.other, swap)


def _more_sources() -> tuple[PhotoField, PhotoField]:
    with gr.Accordion(t("more"), open=False, elem_id="more-photos"):
        gr.HTML(f"<p>{t('more.hint')}</p>", elem_id="more-hint")
        with gr.Row(elem_id="more-fields"):
            with gr.Column(min_width=130, elem_id="second"):
                second = _field("second", "source2", "extra.hint", 2, webcam=True)
            with gr.Column(min_width=130, elem_id="third"):
                third = _field("third", "source3", "extra.hint", 3, webcam=True)
    return second, third


def _target(field: PhotoField) -> TargetFields:
    face_style = gr.HTML(elem_id="face-style")
    faces = gr.CheckboxGroup(
        [],
        type="value",
        label=t("faces"),
        info=t("faces.hint"),
        visible=False,
        elem_id="faces",
    )
    return TargetFields(field, face_style, faces)


def _other_person() -> OtherPerson:
    with gr.Accordion(t("second"), open=False, visible=False, elem_id="second-person") as section:
        gr.HTML(f"<p>{t('second.hint')}</p>", elem_id="second-hint")
        field = _field("other", "other", "source.hint", webcam=True)
        faces = gr.CheckboxGroup([], label=t("other.faces"), elem_id="other-faces")
    return OtherPerson(section, field, faces)


def _field(
    elem_id: str, name: str, hint: str, number: int | None = None, *, webcam: bool = False
) -> PhotoField:
    photo = gr.Image(
        type="filepath",
        label=t(name),
        placeholder=t(hint),
        alt_text=t(f"{name}.alt" if number is None else name),
        sources=["upload", "webcam", "clipboard"] if webcam else ["upload", "clipboard"],
        buttons=[],
        elem_id=f"{elem_id}-photo",
    )
    return PhotoField(name, photo, gr.HTML(visible=False, elem_id=f"{elem_id}-notice"), number)
