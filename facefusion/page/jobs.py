"""Turns the form into pipeline arguments, and maps each error to its form field."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from facefusion import FusionPipeline, FusionResult, Swap, Tier
from facefusion.errors import FusionError
from facefusion.page.photos import Photos, Raw
from facefusion.perception.checks import check_face
from facefusion.pipeline.cache import content_key
from facefusion.pipeline.clock import Progress
from facefusion.types import Face, Photo

#: Longest time of a fusion, in seconds.
SECONDS: Final = 10.0


class TooSlowError(Exception):
    """A fusion ran for longer than `SECONDS`."""


class NoChoiceError(FusionError):
    """Several faces were found, and none was chosen."""

    code = "no_choice"


class RefusedError(Exception):
    """A photo cannot be used.

    Attributes:
        place: its form field: "source", "source2", "source3", "other" or "target".
        error: the reason.
    """

    def __init__(self, place: str, error: FusionError) -> None:
        super().__init__(place)
        self.place, self.error = place, error


def largest(faces: Sequence[Face]) -> Face:
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
        people: content keys of the source photos, for the consent.
        key: equal for equal photos and settings, whatever the tier.
    """

    swaps: tuple[Swap, ...]
    target: Photo
    numbers: tuple[int, ...]
    likeness: float
    blend: float
    people: frozenset[bytes]
    key: bytes

    def run(
        self, pipeline: FusionPipeline, tier: str, progress: Progress | None = None
    ) -> Iterator[FusionResult]:
        """Yields a draft and then the result, as `FusionPipeline.stream` does.

        Raises:
            RefusedError: two faces do not go together.
            TooSlowError: it takes longer than `SECONDS`.
        """
        try:
            yield from pipeline.stream(
                self.swaps,
                self.target,
                tier=Tier(tier),
                likeness=self.likeness,
                blend=self.blend,
                progress=within(SECONDS, progress),
            )
        except FusionError as error:
            raise RefusedError(error.photo, error) from None


def within(seconds: float, progress: Progress | None = None) -> Progress:
    """Returns a `progress` that stops a fusion when a stage begins after `seconds`.

    Raises (when called):
        TooSlowError: the time is over.
    """
    end = time.monotonic() + seconds

    def tell(stage: str, share: float) -> None:
        if time.monotonic() > end:
            raise TooSlowError
        if progress is not None:
            progress(stage, share)

    return tell


def make_job(
    pipeline: FusionPipeline,
    photos: Photos,
    sources: Sequence[Raw | None],
    target: Raw | None,
    faces: Sequence[int],
    other: Raw | None,
    other_faces: Sequence[int],
    likeness: float,
    blend: float,
) -> Job:
    """Reads the photos and selects the faces.

    Args:
        pipeline: finds the faces, with a cache of earlier photos.
        photos: reads the uploads.
        sources: the photos of the first person; the first one is required.
        target: the target photo.
        faces: numbers from 1, from left to right, of the target faces that the first person
            replaces; not needed for a single face.
        other, other_faces: optional second person, and the target faces that they replace.
        likeness, blend: options of the pipeline.

    Raises:
        RefusedError: a photo cannot be used.
    """
    people = [_person(pipeline, photos, sources[0], "source", None)]
    for i, upload in enumerate(sources[1:], 2):
        if upload:
            people.append(_person(pipeline, photos, upload, f"source{i}", i))
    try:
        photo = photos.read(target, "target")
        found = pipeline.find_faces(photo, "target")
    except FusionError as error:
        raise RefusedError("target", error) from None
    numbers = [int(n) for n in faces if 1 <= int(n) <= len(found)]
    others = (
        [int(n) for n in other_faces if 1 <= int(n) <= len(found) and int(n) not in numbers]
        if other
        else []
    )
    if len(found) == 1:
        numbers, others = [1], []
    if not numbers and not others:
        raise RefusedError("target", NoChoiceError("target"))
    swaps = [Swap(people, found[n - 1]) for n in numbers]
    used = [*people] if numbers else []
    if others:
        person = _person(pipeline, photos, other, "other", None)
        swaps += [Swap(person, found[n - 1]) for n in others]
        used.append(person)
    keys = [content_key(each) for each in used]
    digest = hashlib.sha256(
        repr((content_key(photo), keys, numbers, others, likeness, blend)).encode()
    )
    return Job(
        tuple(swaps),
        photo,
        (*numbers, *others),
        float(likeness),
        float(blend),
        frozenset(keys),
        digest.digest(),
    )


def _person(
    pipeline: FusionPipeline, photos: Photos, upload: Raw | None, place: str, number: int | None
) -> Photo:
    try:
        photo = photos.read(upload, "source", number)
        check_face(
            largest(pipeline.find_faces(photo, "source", number=number)), "source", number=number
        )
    except FusionError as error:
        raise RefusedError(place, error) from None
    return photo
