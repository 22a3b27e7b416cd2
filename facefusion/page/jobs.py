"""Turns the form into pipeline arguments, and maps each error to its form field."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from facefusion import FusionPipeline, FusionResult, Swap, Tier
from facefusion.errors import FusionError
from facefusion.images.original import Original
from facefusion.page.form import Form, read_assignment
from facefusion.page.photo_fields import NOBODY, YOU
from facefusion.page.photos import Photos, Raw, RefusedError
from facefusion.perception.reading_order import in_reading_order
from facefusion.pipeline.cache import content_key
from facefusion.pipeline.clock import Progress
from facefusion.types import Photo

#: Longest time of a fusion, in seconds.
MAX_SECONDS: Final = 10.0


class TooSlowError(Exception):
    """A fusion ran for longer than `MAX_SECONDS`."""


class NoChoiceError(FusionError):
    """Several faces were found, and none was chosen."""

    code = "no_choice"


@dataclass(frozen=True)
class Job:
    """One validated fusion.

    Attributes:
        swaps: sources and the faces that they replace, in reading order.
        target: (H, W, 3) sRGB uint8.
        original: what belongs to the target, for the results.
        numbers: of the replaced faces in reading order, from 1.
        people: numbers of the people who replace them, 1 for the first person.
        count: number of faces of the target.
        likeness, blend: options of the pipeline.
        target_key, source_keys: content keys of the photos; those of the sources for the consent.
        key: equal for equal photos and settings, whatever the tier.
    """

    swaps: tuple[Swap, ...]
    target: Photo
    original: Original
    numbers: tuple[int, ...]
    people: tuple[int, ...]
    count: int
    likeness: float
    blend: float
    target_key: bytes
    source_keys: frozenset[bytes]
    key: bytes

    def run(
        self, pipeline: FusionPipeline, tier: str, progress: Progress | None = None
    ) -> Iterator[FusionResult]:
        """Yields a draft and then the result, as `FusionPipeline.stream` does.

        Raises:
            RefusedError: two faces do not go together.
            TooSlowError: it takes longer than `MAX_SECONDS`.
        """
        try:
            yield from pipeline.stream(
                self.swaps,
                self.target,
                tier=Tier(tier),
                likeness=self.likeness,
                blend=self.blend,
                progress=limit_time(MAX_SECONDS, progress),
            )
        except FusionError as error:
            raise RefusedError(error.photo, error) from None


def limit_time(seconds: float, progress: Progress | None = None) -> Progress:
    """Makes a `progress` that stops a fusion when a stage begins after `seconds`.

    Raises (when called):
        TooSlowError: the time is over.
    """
    end = time.monotonic() + seconds

    def stop_or_report(stage: str, share: float) -> None:
        if time.monotonic() > end:
            raise TooSlowError
        if progress is not None:
            progress(stage, share)

    return stop_or_report


@contextmanager
def open_job(pipeline: FusionPipeline, photos: Photos, form: Form, request: Any) -> Iterator[Job]:
    """Makes the job of a form, and holds the pixels of its photos while the context lasts.

    Raises:
        RefusedError: a photo cannot be used.
        TooManyPixelsError, BusyError: the photos are too large, or others are in work.
    """
    with photos.hold(request, form.target, [*form.sources, *form.others.values()]):
        yield make_job(pipeline, photos, form)


def make_job(pipeline: FusionPipeline, photos: Photos, form: Form) -> Job:
    """Reads the photos of a form and selects the faces.

    Args:
        pipeline: finds the faces, with a cache of earlier photos.
        photos: reads the uploads.
        form: a visitor's choices.

    Raises:
        RefusedError: a photo cannot be used.
    """
    people = {YOU: _read_sources(pipeline, photos, form)}
    try:
        target, original = photos.open(form.target, "target")
        faces = in_reading_order(pipeline.find_faces(target, "target"))
    except FusionError as error:
        raise RefusedError("target", error) from None
    assignment = read_assignment(form.assignment, len(faces))
    chosen = [(n, person) for n, person in enumerate(assignment, 1) if person != NOBODY]
    if not chosen:
        raise RefusedError("target", NoChoiceError("target"))
    for person in sorted({person for _, person in chosen} - {YOU}):
        field = f"person{person}"
        people[person] = [_read_source(pipeline, photos, form.others[person], field)]
    used = sorted({person for _, person in chosen})
    target_key = content_key(target)
    source_keys = [content_key(photo) for person in used for photo in people[person]]
    settings = (assignment, form.likeness, form.blend)
    return Job(
        swaps=tuple(Swap(people[person], faces[n - 1]) for n, person in chosen),
        target=target,
        original=original,
        numbers=tuple(n for n, _ in chosen),
        people=tuple(person for _, person in chosen),
        count=len(faces),
        likeness=float(form.likeness),
        blend=float(form.blend),
        target_key=target_key,
        source_keys=frozenset(source_keys),
        key=hashlib.sha256(repr((target_key, source_keys, settings)).encode()).digest(),
    )


def _read_sources(pipeline: FusionPipeline, photos: Photos, form: Form) -> list[Photo]:
    """Reads the photos of the first person; an error names the first one without a number."""
    found = [_read_source(pipeline, photos, form.source, "source")]
    for number, upload in enumerate(form.sources[1:], 2):
        if upload:
            found.append(_read_source(pipeline, photos, upload, f"source{number}", number))
    return found


def _read_source(
    pipeline: FusionPipeline,
    photos: Photos,
    upload: Raw | None,
    field: str,
    number: int | None = None,
) -> Photo:
    try:
        photo = photos.read(upload, "source", number)
        pipeline.find_face(photo, "source", number=number)
    except FusionError as error:
        raise RefusedError(field, error) from None
    return photo
