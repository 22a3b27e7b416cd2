"""Builds the page's photo fields: the first person, the target and other people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import gradio as gr

from facefusion.page import html
from facefusion.page.i18n import t

#: Who goes to a face of a group photo, as an assignment writes it: nobody, the first person, others.
NOBODY: Final = 0
YOU: Final = 1
OTHERS: Final = (2, 3, 4)


@dataclass(frozen=True)
class PhotoField:
    """A component for a photo, with a notice below it.

    Attributes:
        name: of the field in a refusal: "source", "source2", "source3", "target" or "person2"
            to "person4".
        number: 1-based position among the photos of the first person, from the second one on.
    """

    name: str
    photo: gr.Image
    notice: gr.HTML
    number: int | None = None

    @property
    def place(self) -> str:
        """Where the field is on the page, as the scripts name it."""
        return str(self.photo.elem_id).removesuffix("-photo")


@dataclass(frozen=True)
class TargetFields:
    """The target photo, and the choice of who goes to each of its faces.

    Attributes:
        field: the photo.
        faces: the faces of a photo of several people; `scripts/faces.js` reads them.
        assignment: hidden; one digit for each face in reading order, written by that script.
    """

    field: PhotoField
    faces: gr.HTML
    assignment: gr.Textbox


@dataclass(frozen=True)
class PhotoFields:
    """All photo fields.

    Attributes:
        sources: of the first person.
        target: the photo that the faces go into.
        others: of the other people.
        pair: notice about source and target together.
        swap: button that exchanges them.
    """

    sources: tuple[PhotoField, ...]
    target: TargetFields
    others: tuple[PhotoField, ...]
    pair: gr.HTML
    swap: gr.Button

    @property
    def all(self) -> tuple[PhotoField, ...]:
        """The fields from top to bottom."""
        return (*self.sources, self.target.field, *self.others)


@dataclass(frozen=True)
class MainFields:
    """The fields that every fusion or group photo needs: face, target and other people."""

    source: PhotoField
    target: TargetFields
    others: tuple[PhotoField, ...]
    pair: gr.HTML


def build_main() -> MainFields:
    """Builds both photos side by side, and below them the choice of the target's faces."""
    with gr.Row(elem_id="photos"):
        with gr.Column(min_width=130, elem_id="source"):
            gr.HTML(html.heading(1, "source"), elem_id="source-heading")
            first = _field("source", "source", "source.hint", webcam=True)
        with gr.Column(min_width=130, elem_id="target"):
            gr.HTML(html.heading(2, "target"), elem_id="target-heading")
            field = _field("target", "target", "target.hint", webcam=True)
    pair = gr.HTML(visible=False, elem_id="pair-notice")
    return MainFields(first, _target(field), _other_people(), pair)


def build_more(main: MainFields) -> PhotoFields:
    """Builds what few visitors need: the exchange of both photos, and more of the first person."""
    with gr.Row(elem_id="beside-photos"):
        swap = gr.Button("⇄ " + t("swap"), size="md", min_width=130, elem_id="swap")
    sources = (main.source, *_more_sources())
    return PhotoFields(sources, main.target, main.others, main.pair, swap)


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
    faces = gr.HTML(elem_id="faces")
    assignment = gr.Textbox("", visible="hidden", elem_id="assignment")
    return TargetFields(field, faces, assignment)


def _other_people() -> tuple[PhotoField, ...]:
    """Builds the photos of the other people; each is shown once somebody is to go to a face."""
    with gr.Row(elem_id="people"):
        return tuple(_other_person(number) for number in OTHERS)


def _other_person(number: int) -> PhotoField:
    name = f"person{number}"
    with gr.Column(min_width=130, elem_id=f"person-{number}"):
        gr.HTML(f"<h3>{t(name)}</h3>", elem_id=f"person-{number}-heading")
        return _field(f"person-{number}", name, "extra.hint", webcam=True)


def _field(
    elem_id: str, name: str, hint: str, number: int | None = None, *, webcam: bool = False
) -> PhotoField:
    photo = gr.Image(
        type="filepath",
        label=t(name),
        placeholder=t(hint),
        alt_text=t(f"{name}.alt" if name in ("source", "target") else name),
        sources=["upload", "webcam", "clipboard"] if webcam else ["upload", "clipboard"],
        buttons=[],
        elem_id=f"{elem_id}-photo",
    )
    return PhotoField(name, photo, gr.HTML(visible=False, elem_id=f"{elem_id}-notice"), number)
