"""Checks a photo as soon as it is chosen, and shows its problems or its faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gradio as gr

from facefusion import FusionPipeline
from facefusion.page import html
from facefusion.page.jobs import largest_face
from facefusion.page.layout import Changes, Layout
from facefusion.page.messages import (
    PHOTO_ERRORS,
    doubts_update,
    error_sentence,
    notice_update,
    request_language,
)
from facefusion.page.photo_fields import PhotoField
from facefusion.page.photos import Photos, Raw
from facefusion.perception.checks import check_face, is_usable
from facefusion.perception.quality import doubts
from facefusion.pipeline.cache import content_key
from facefusion.types import Face, Photo
from facefusion.words import Language, punctuated, say


class PhotoChecks:
    """Listeners for new photos.

    Args:
        pipeline: finds faces.
        layout: the components.
        photos: reads uploads.
    """

    def __init__(self, pipeline: FusionPipeline, layout: Layout, photos: Photos) -> None:
        self.pipeline, self.layout, self.photos = pipeline, layout, photos

    def source_check(self, field: PhotoField) -> Callable[..., Changes]:
        """Makes the listener that checks a new face photo and asks for consent to use it."""

        def check(raw: Raw | None, consented: frozenset[bytes], request: gr.Request) -> Changes:
            if not raw:
                return {field.notice: notice_update("")}
            number, language = field.number, request_language(request)
            try:
                with self.photos.hold(request, raw):
                    photo = self.photos.read(raw, "source", number)
                    faces = self.pipeline.find_faces(photo, "source", number=number)
                    face = largest_face(faces)
                    check_face(face, "source", number=number)
                    found = [*doubts(photo, face), *["several"] * (len(faces) > 1)]
                    is_new = bool(consented) and content_key(photo) not in consented
            except PHOTO_ERRORS as error:
                return {field.notice: notice_update(error_sentence(error, language))}
            notice = doubts_update(found, "ok.source", language, asks_again=is_new)
            changes: Changes = {field.notice: notice}
            if is_new:
                changes[self.layout.settings.consent] = gr.update(value=[])
            return changes

        return check

    def check_target(self, raw: Raw | None, request: gr.Request) -> Changes:
        """Shows problems of the target photo, and its faces to choose from."""
        target, other = self.layout.photos.target, self.layout.photos.other
        changes: Changes = {
            target.field.notice: notice_update(""),
            target.face_style: "",
            target.faces: gr.update(choices=[], value=[], visible=False),
            other.faces: gr.update(choices=[], value=[]),
            other.section: gr.update(visible=False, open=False),
        }
        if not raw:
            return changes
        language = request_language(request)
        try:
            with self.photos.hold(request, raw):
                photo = self.photos.read(raw, "target")
                faces = self.pipeline.find_faces(photo, "target")
                if len(faces) > 1:
                    return changes | self._face_choice(photo, faces, language)
                check_face(faces[0], "target")
                notice = doubts_update(doubts(photo, faces[0]), "ok.target", language)
        except PHOTO_ERRORS as error:
            notice = notice_update(error_sentence(error, language))
        return changes | {target.field.notice: notice}

    def _face_choice(self, photo: Photo, faces: Sequence[Face], language: Language) -> Changes:
        """Shows the faces of a photo of several people, with the largest usable one chosen."""
        target, other = self.layout.photos.target, self.layout.photos.other
        usable = [face for face in faces if is_usable(face)]
        chosen = largest_face(usable or faces)
        choices = [
            (_face_label(number, is_usable(face), language), number)
            for number, face in enumerate(faces, 1)
        ]
        value = [number for number, face in enumerate(faces, 1) if face is chosen]
        style = "".join(
            html.face_pictures(elem_id, photo, faces) for elem_id in ("faces", "other-faces")
        )
        return {
            target.face_style: style,
            target.faces: gr.update(choices=choices, value=value, visible=True),
            other.faces: gr.update(choices=choices, value=[]),
            other.section: gr.update(visible=True, open=False),
        }


def _face_label(number: int, usable: bool, language: Language) -> str:
    name = f"{say('face', language)} {number}"
    text = name if usable else f"{name}: {say('error.unusable', language)}"
    return punctuated(text, language)
