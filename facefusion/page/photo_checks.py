"""Checks a photo as soon as it is chosen, and shows its problems or its faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import gradio as gr

from facefusion import FusionPipeline
from facefusion.errors import FusionError
from facefusion.geometry.topology import eye_distance
from facefusion.page import group
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
from facefusion.perception.checks import check_coverings, check_pair
from facefusion.perception.quality import doubts
from facefusion.perception.reading_order import in_reading_order
from facefusion.pipeline.cache import content_key
from facefusion.words import sentences

#: Size of the source's face as a share of the target's below which the new face is soft.
SMALL_SHARE: Final = 0.3


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
        """Makes the listener that checks a new face photo and asks for consent to use it.

        After the first consent, it asks again for every face that is not among the consented ones.
        """

        def check(
            raw: Raw | None, consented: frozenset[bytes], has_consented: bool, request: gr.Request
        ) -> Changes:
            if not raw:
                return {field.notice: notice_update("")}
            number, language = field.number, request_language(request)
            try:
                with self.photos.hold(request, raw):
                    photo, own = self.photos.open(raw, "source", number)
                    faces = self.pipeline.find_faces(photo, "source", number=number)
                    face = self.pipeline.find_face(photo, "source", number=number)
                    coverings = self.pipeline.find_coverings(photo, face)
                    check_coverings(coverings, "source", number=number)
                    several = ["several"] * (len(faces) > 1)
                    found = [*doubts(photo, face, coverings), *several]
                    is_new = has_consented and content_key(photo) not in consented
            except PHOTO_ERRORS as error:
                return {field.notice: notice_update(error_sentence(error, language))}
            notes = own.notes_for("source", "")
            notice = doubts_update(found, "ok.source", language, asks_again=is_new, notes=notes)
            changes: Changes = {field.notice: notice}
            if is_new:
                changes[self.layout.settings.consent] = gr.update(value=[])
            return changes

        return check

    def check_pair(
        self,
        source: Raw | None,
        source2: Raw | None,
        source3: Raw | None,
        target: Raw | None,
        request: gr.Request,
    ) -> Changes:
        """Shows why the first person's photos and the target do not go together, once both are in.

        A photo that cannot be used at all is told beside it.
        """
        pair, sources = self.layout.photos.pair, [source, source2, source3]
        if not source or not target:
            return {pair: notice_update("")}
        language = request_language(request)
        try:
            with self.photos.hold(request, target, sources):
                found = self._pair_doubts(sources, target)
        except PHOTO_ERRORS as error:
            # It keeps nobody from pressing the button: other faces may have been chosen since.
            return {pair: notice_update(error_sentence(error, language), "problem refused")}
        return {pair: notice_update(sentences(found, language), "doubt")}

    def _pair_doubts(self, sources: Sequence[Raw | None], target: Raw) -> list[str]:
        """Returns keys of sentences about two photos.

        Raises:
            FusionError: the pipeline would refuse them for each other.
        """
        try:
            photos = [self.photos.read(raw, "source") for raw in sources if raw]
            photo = self.photos.read(target, "target")
            faces = [self.pipeline.find_face(each, "source") for each in photos]
            face = self.pipeline.find_face(photo, "target")
        except FusionError:
            return []
        nearest = min(faces, key=lambda each: abs(each.yaw - face.yaw))
        check_pair(nearest, face)
        if content_key(photo) in map(content_key, photos):
            return ["pair.same"]
        small = eye_distance(nearest.mesh) < SMALL_SHARE * eye_distance(face.mesh)
        return ["pair.small"] * small

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
                photo, original = self.photos.open(raw, "target")
                notes = original.notes_for("target", "")
                faces = in_reading_order(self.pipeline.find_faces(photo, "target"))
                main = self.pipeline.find_face(photo, "target")
                if len(faces) > 1:
                    chosen = main.detection.box
                    people = [
                        YOU if (face.detection.box == chosen).all() else NOBODY for face in faces
                    ]
                    assignment = "".join(map(str, people))
                    choice = group.choice(raw["path"], photo, faces, assignment, language)
                    told = sentences([f"note.{note}" for note in notes], language)
                    changes[target.field.notice] = notice_update(told, "doubt")
                    return changes | {target.faces: choice, target.assignment: assignment}
                coverings = self.pipeline.find_coverings(photo, main)
                check_coverings(coverings, "target")
                found = doubts(photo, main, coverings, target=True)
                notice = doubts_update(found, "ok.target", language, notes=notes)
        except PHOTO_ERRORS as error:
            notice = notice_update(error_sentence(error, language))
        return changes | {target.field.notice: notice}
