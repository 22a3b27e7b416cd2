"""Implements the page's listeners: they check photos, fuse, compare tiers and show results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import gradio as gr

from facefusion import FusionPipeline, FusionResult
from facefusion.auto.speed import PERCEPTION
from facefusion.images.marking import marked
from facefusion.page import files, html, pictures
from facefusion.page.i18n import t
from facefusion.page.jobs import Job, RefusedError, largest, make_job
from facefusion.page.layout import CONSENTS, Layout, Upload
from facefusion.page.messages import LIMITS, language, mark_text, sentence, told, told_doubts
from facefusion.page.photos import Photos, Raw
from facefusion.page.queue import Jobs
from facefusion.perception.checks import check_face, is_usable
from facefusion.perception.quality import doubts
from facefusion.pipeline.cache import content_key
from facefusion.tiers import TIERS, Tier
from facefusion.types import Face, Photo
from facefusion.words import Language, say

#: Tells Gradio that a function reports its progress; the value itself is not used.
PROGRESS: Final = gr.Progress()

Changes = dict[Any, Any]


class Actions:
    """The listeners of the page.

    Args:
        pipeline: shared by all visitors.
        layout: the components.
        photos: reads uploads; results are kept beside them for ten minutes.
        jobs: the page's queue.
    """

    def __init__(
        self, pipeline: FusionPipeline, layout: Layout, photos: Photos, jobs: Jobs
    ) -> None:
        self.pipeline, self.layout, self.photos, self.jobs = pipeline, layout, photos, jobs

    def measured(self, request: gr.Request) -> Changes:
        """Shows the measured time beside each tier, and the Studio tier if its models are there."""
        spoken, seconds = language(request), self.pipeline.expected_seconds()
        choices = []
        for tier in self.pipeline.tiers:
            time = f" · {seconds[tier]:.1f} {say('seconds', spoken)}" if tier in seconds else ""
            choices.append((t(f"tier.{tier}") + time, tier.value))
        return {self.layout.tier: gr.update(choices=choices)}

    def source_check(self, upload: Upload) -> Callable[..., Changes]:
        """Makes the listener that checks a new face photo and asks for consent to use it."""

        def check(raw: Raw | None, consented: frozenset[bytes], request: gr.Request) -> Changes:
            if not raw:
                return {upload.notice: told("")}
            number, spoken = upload.number or None, language(request)
            try:
                with self.photos.room(request, raw):
                    photo = self.photos.read(raw, "source", number)
                    faces = self.pipeline.find_faces(photo, "source", number=number)
                    face = largest(faces)
                    check_face(face, "source", number=number)
                    found = [*doubts(photo, face), *["several"] * (len(faces) > 1)]
                    is_new = bool(consented) and content_key(photo) not in consented
            except LIMITS as error:
                return {upload.notice: told(sentence(error, spoken))}
            changes: Changes = {upload.notice: told_doubts(found, "ok.source", spoken)}
            if is_new:
                changes[self.layout.consent] = gr.update(value=[])
            return changes

        return check

    def check_target(self, raw: Raw | None, request: gr.Request) -> Changes:
        """Shows problems of the target photo, and its faces to choose from."""
        page, spoken = self.layout, language(request)
        changes: Changes = {
            page.target.notice: told(""),
            page.face_style: "",
            page.faces: gr.update(choices=[], value=[], visible=False),
            page.other_faces: gr.update(choices=[], value=[]),
            page.second: gr.update(visible=False, open=False),
        }
        if not raw:
            return changes
        try:
            with self.photos.room(request, raw):
                photo = self.photos.read(raw, "target")
                faces = self.pipeline.find_faces(photo, "target")
                if len(faces) == 1:
                    check_face(faces[0], "target")
                return changes | self._found(photo, faces, spoken)
        except LIMITS as error:
            return changes | {page.target.notice: told(sentence(error, spoken))}

    def _found(self, photo: Photo, faces: Sequence[Face], spoken: Language) -> Changes:
        """Updates for a photo with these faces: warnings about a single face, or a choice."""
        page = self.layout
        if len(faces) == 1:
            return {page.target.notice: told_doubts(doubts(photo, faces[0]), "ok.target", spoken)}
        usable = [is_usable(face) for face in faces]
        names = [f"{say('face', spoken)} {i}" for i in range(1, len(faces) + 1)]
        refused = f": {say('error.unusable', spoken)}"
        choices = [
            (name + refused * (not fit), i)
            for i, (name, fit) in enumerate(zip(names, usable, strict=True), 1)
        ]
        fitting = [face for face, fit in zip(faces, usable, strict=True) if fit]
        chosen = largest(fitting or faces)
        value = [next(i for i, face in enumerate(faces, 1) if face is chosen)]
        style = "".join(
            html.face_pictures(place, photo, faces) for place in ("faces", "other-faces")
        )
        return {
            page.face_style: style,
            page.faces: gr.update(choices=choices, value=value, visible=True),
            page.other_faces: gr.update(choices=choices, value=[]),
            page.second: gr.update(visible=True, open=False),
        }

    def admit(self) -> None:
        """Admits a visitor to the queue.

        Raises:
            gr.Error: the queue is full; `full` shows it as a notice instead of Gradio.
        """
        if self.jobs.is_full():
            raise gr.Error("full", visible=False, print_exception=False)

    def full(self, request: gr.Request) -> Changes:
        """Shows the length of the full queue and the waiting time; nothing else changes."""
        key, values = self.jobs.refusal()
        return {self.layout.problem: told(say(key, language(request)) % values)}

    def start(self) -> Changes:
        """Clears an earlier result, so that it is not taken for the new one."""
        page = self.layout
        return {
            page.fuse: gr.update(value=t("fusing"), interactive=False),
            page.cancel: gr.update(visible=True),
            **dict.fromkeys(self.notices, told("")),
            **dict.fromkeys((page.result, page.draft, page.slider)),
            page.outcome: gr.update(visible=True),
            page.details: gr.update(visible=False),
            page.more: gr.update(visible=False),
            **self.show("refined"),
            page.view: gr.update(value="refined"),
            page.tiers: "",
        }

    @property
    def notices(self) -> list[gr.HTML]:
        """Components that show refusals."""
        page = self.layout
        return [
            *(upload.notice for upload in (*page.sources, page.target, page.other)),
            page.problem,
        ]

    def fuse(
        self,
        source: Raw | None,
        source2: Raw | None,
        source3: Raw | None,
        target: Raw | None,
        faces: list[int],
        other: Raw | None,
        other_faces: list[int],
        tier: str,
        likeness: float,
        blend: float,
        consent: list[str],
        consented: frozenset[bytes],
        made: dict[str, Any] | None,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
    ) -> Iterator[Changes]:
        """Shows the draft and then the result, or what was wrong, with the result cleared."""
        page, spoken = self.layout, language(request)
        try:
            if set(consent) != set(CONSENTS):
                yield {
                    page.outcome: gr.update(visible=False),
                    page.problem: told(say("error.consent", spoken)),
                }
                return
            people = [source, source2, source3]
            chosen = (target, faces, other, other_faces, likeness, blend)
            with self._job(request, people, *chosen) as job:
                yield from self._made(job, tier, consented, request, progress)
        except Exception as error:
            yield self._refused(error, spoken)

    @contextmanager
    def _job(
        self,
        request: gr.Request,
        sources: Sequence[Raw | None],
        target: Raw | None,
        faces: Sequence[int],
        other: Raw | None,
        other_faces: Sequence[int],
        likeness: float,
        blend: float,
    ) -> Iterator[Job]:
        """Reads the photos of a job, and holds their pixels while the context lasts."""
        with self.photos.room(request, target, [*sources, other]):
            yield make_job(
                self.pipeline,
                self.photos,
                sources,
                target,
                faces,
                other,
                other_faces,
                likeness,
                blend,
            )

    def _made(
        self,
        job: Job,
        tier: str,
        consented: frozenset[bytes],
        request: gr.Request,
        progress: gr.Progress,
    ) -> Iterator[Changes]:
        page, spoken = self.layout, language(request)
        text, folder = mark_text(spoken), self.photos.results(request)

        def tell(stage: str, share: float) -> None:
            progress(share, desc=say(f"stage.{stage}", spoken))

        results = job.run(self.pipeline, tier, tell)
        draft = next(results)
        draft_file = files.write(self._marked(draft, text), folder, ".jpg")
        yield {page.result: draft_file, page.draft: draft_file}
        for result in results:
            progress(1.0, desc=say("saving", spoken))
            image = self._marked(result, text)
            jpeg = files.write(image, folder, ".jpg")
            # The other files, above all a PNG of a large photo, take longer.
            yield {page.result: jpeg, page.draft: draft_file}
            finished = self._finished(job, result, image, jpeg, request, consented)
            yield {page.draft: draft_file, **finished}

    def _finished(
        self,
        job: Job,
        result: FusionResult,
        image: Photo,
        jpeg: str,
        request: gr.Request,
        consented: frozenset[bytes],
    ) -> Changes:
        """Updates of everything but the result, whose marked picture `image` is in file `jpeg`."""
        page, spoken = self.layout, language(request)
        text, folder = mark_text(spoken), self.photos.results(request)
        png = files.write(image, folder, ".png")
        before = files.write_plain(files.to_look_at(job.target), folder)
        after = files.write(files.to_look_at(image), folder, ".jpg")
        steps = pictures.steps(job.target, result, text)
        drafted = result.tier is not Tier.FAST
        views = [
            (t(f"view.{name}"), name)
            for name in ("refined", "coarse", "slider")
            if drafted or name != "coarse"
        ]
        return {
            page.result: jpeg,
            page.slider: (before, after),
            page.report: html.report(result, job.numbers, spoken),
            page.png: png,
            page.jpeg: jpeg,
            page.steps: html.tiles(
                [
                    (say(f"step.{name}", spoken), "", pictures.data_uri(step))
                    for name, step in steps.items()
                ]
            ),
            page.view: gr.update(choices=views, value="refined"),
            page.details: gr.update(visible=True),
            page.more: gr.update(visible=True),
            page.made: {"key": job.key, "png": png, "tiers": {result.tier: _tried(result, text)}},
            page.consented: consented | job.people,
        }

    def compare(
        self,
        source: Raw | None,
        source2: Raw | None,
        source3: Raw | None,
        target: Raw | None,
        faces: list[int],
        other: Raw | None,
        other_faces: list[int],
        tier: str,
        likeness: float,
        blend: float,
        consent: list[str],
        consented: frozenset[bytes],
        made: dict[str, Any] | None,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
    ) -> Iterator[Changes]:
        """Shows every tier side by side; a tier with a result is not run again."""
        page, spoken = self.layout, language(request)
        text = mark_text(spoken)
        try:
            if set(consent) != set(CONSENTS):
                yield {page.problem: told(say("error.consent", spoken))}
                return
            people = [source, source2, source3]
            chosen = (target, faces, other, other_faces, likeness, blend)
            with self._job(request, people, *chosen) as job:
                known = made is not None and made["key"] == job.key
                tried: dict[str, tuple[str, float]] = dict(made["tiers"]) if made and known else {}
                for each in TIERS:
                    if each not in tried:
                        *_, result = job.run(self.pipeline, each)
                        tried[each] = _tried(result, text)
                    shown = {str(name): tried[name] for name in TIERS if name in tried}
                    hint = f"<p>{say('compare.hint', spoken)}</p>"
                    yield {page.tiers: hint + html.tier_tiles(shown, spoken)}
                yield {page.made: {**(made or {}), "key": job.key, "tiers": tried}}
        except Exception as error:
            yield {page.problem: told(sentence(error, spoken))}

    def reuse(self, made: dict[str, Any] | None) -> Any:
        """Returns the result for use as the next target photo."""
        return made["png"] if made and "png" in made else gr.skip()

    def show(self, chosen: str) -> Changes:
        """Shows one of the pictures that the browser already has."""
        return {
            column: gr.update(visible=name == chosen) for name, column in self.layout.views.items()
        }

    def stop(self, request: gr.Request) -> Changes:
        """Handles the cancel button."""
        page = self.layout
        return {
            page.outcome: gr.update(visible=False),
            page.problem: told(say("cancelled", language(request)), "fine"),
            **self.ready(),
        }

    def ready(self) -> Changes:
        """Enables the button again."""
        return {
            self.layout.fuse: gr.update(value=t("fuse"), interactive=True),
            self.layout.cancel: gr.update(visible=False),
        }

    def fail(self, request: gr.Request) -> Changes:
        """Shows failures outside of the page's own code, such as a queue that became full."""
        message = say("error.not_made", language(request))
        return {
            self.layout.outcome: gr.update(visible=False),
            self.layout.problem: told(message),
            **self.ready(),
        }

    def _marked(self, result: FusionResult, text: str) -> Photo:
        return marked(result.image, text, faces=result.boxes, in_place=True)

    def _refused(self, error: Exception, spoken: Language) -> Changes:
        page = self.layout
        places = {
            f"source{i}" if i > 1 else "source": upload.notice
            for i, upload in enumerate(page.sources, 1)
        }
        places |= {"target": page.target.notice, "other": page.other.notice}
        place = places[error.place] if isinstance(error, RefusedError) else page.problem
        return {
            **dict.fromkeys((page.result, page.draft)),
            page.outcome: gr.update(visible=False),
            place: told(sentence(error, spoken)),
        }


def _tried(result: FusionResult, text: str) -> tuple[str, float]:
    """Returns a tier's face, and its seconds without face detection, which all tiers share."""
    seconds = sum(
        seconds for stage, seconds in result.timings.stages.items() if stage not in PERCEPTION
    )
    return pictures.data_uri(pictures.tile(result, text)), seconds
