"""Checks a photo as soon as it is chosen, and shows its problems or its faces."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from facefusion import FusionPipeline
from facefusion.page import group
from facefusion.page.jobs import largest_face
from facefusion.page.layout import Changes, Layout
from facefusion.page.messages import (
    PHOTO_ERRORS,
    doubts_update,
    error_sentence,
    notice_update,
    request_language,
)
from facefusion.page.photo_fields import NOBODY, YOU, PhotoField
from facefusion.page.photos import Photos, Raw
from facefusion.perception.checks import check_face, is_usable
from facefusion.perception.quality import doubts
from facefusion.perception.reading_order import in_reading_order
from facefusion.pipeline.cache import content_key


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
        target = self.layout.photos.target
        changes: Changes = {
            target.field.notice: notice_update(""),
            target.faces: "",
            target.assignment: "",
        }
        if not raw:
            return changes
        language = request_language(request)
        try:
            with self.photos.hold(request, raw):
                photo = self.photos.read(raw, "target")
                faces = in_reading_order(self.pipeline.find_faces(photo, "target"))
                usable = [face for face in faces if is_usable(face)]
                largest = largest_face(usable or faces)
                check_face(largest, "target")
                if len(faces) > 1:
                    people = [YOU if face is largest else NOBODY for face in faces]
                    assignment = "".join(map(str, people))
                    choice = group.choice(raw["path"], photo, faces, assignment, language)
                    return changes | {target.faces: choice, target.assignment: assignment}
                notice = doubts_update(doubts(photo, largest), "ok.target", language)
        except PHOTO_ERRORS as error:
            notice = notice_update(error_sentence(error, language))
        return changes | {target.field.notice: notice}
