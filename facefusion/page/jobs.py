"""Turns the form into pipeline arguments, and maps each error to its form field."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from facefusion import FusionPipeline, FusionResult, Swap, Tier
from facefusion.errors import FusionError
from facefusion.page.form import Form
from facefusion.page.photos import Photos, Raw
from facefusion.perception.checks import check_face
from facefusion.pipeline.cache import content_key
from facefusion.pipeline.clock import Progress
from facefusion.types import Face, Photo

#: Longest time of a fusion, in seconds.
MAX_SECONDS: Final = 10.0


class TooSlowError(Exception):
    """A fusion ran for longer than `MAX_SECONDS`."""


class NoChoiceError(FusionError):
    """Several faces were found, and none was chosen."""

    code = "no_choice"


class RefusedError(Exception):
    """A photo cannot be used.

    Attributes:
        field: name of its form field: "source", "source2", "source3", "other" or "target".
        error: the reason.
    """

    def __init__(self, field: str, error: FusionError) -> None:
        super().__init__(field)
        self.field, self.error = field, error


def largest_face(faces: Sequence[Face]) -> Face:
    """Returns the face with the largest area."""
    return max(
        faces, key=lambda face: float((face.detection.box[2:] - face.detection.box[:2]).prod())
    )


@dataclass(frozen=True)
class Job:
    """One validated fusion.

    Attributes:
        swaps: sources and the faces that they replace.
        target: (H, W, 3) RGB uint8.
        numbers: of the replaced faces, from 1, from left to right.
        likeness, blend: options of the pipeline.
        target_key, source_keys: content keys of the photos; those of the sources for the consent.
        key: equal for equal photos and settings, whatever the tier.
    """

    swaps: tuple[Swap, ...]
    target: Photo
    numbers: tuple[int, ...]
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
    with photos.hold(request, form.target, [*form.sources, form.other]):
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
    sources = _read_sources(pipeline, photos, form)
    try:
        target = photos.read(form.target, "target")
        faces = pipeline.find_faces(target, "target")
    except FusionError as error:
        raise RefusedError("target", error) from None
    numbers, other_numbers = _choose_faces(form, len(faces))
    if not numbers and not other_numbers:
        raise RefusedError("target", NoChoiceError("target"))
    swaps = [Swap(sources, faces[n - 1]) for n in numbers]
    used = sources if numbers else []
    if other_numbers:
        other = _read_source(pipeline, photos, form.other, "other")
        swaps += [Swap(other, faces[n - 1]) for n in other_numbers]
        used = [*used, other]
    target_key, source_keys = content_key(target), [content_key(photo) for photo in used]
    settings = (numbers, other_numbers, form.likeness, form.blend)
    return Job(
        swaps=tuple(swaps),
        target=target,
        numbers=(*numbers, *other_numbers),
        likeness=float(form.likeness),
        blend=float(form.blend),
        target_key=target_key,
        source_keys=frozenset(source_keys),
        key=hashlib.sha256(repr((target_key, source_keys, settings)).encode()).digest(),
    )


def _choose_faces(form: Form, count: int) -> tuple[list[int], list[int]]:
    """Returns the numbers of the faces that the first and the second person replace."""
    if count == 1:
        return [1], []
    numbers = [int(n) for n in form.faces if 1 <= int(n) <= count]
    if not form.other:
        return numbers, []
    others = [int(n) for n in form.other_faces if 1 <= int(n) <= count and int(n) not in numbers]
    return numbers, others


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
        faces = pipeline.find_faces(photo, "source", number=number)
        check_face(largest_face(faces), "source", number=number)
    except FusionError as error:
        raise RefusedError(field, error) from None
    return photo
