"""Reads visitors' uploads to pixels, within the memory of the server."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from facefusion.decoding.budget import JOB_PIXELS, PixelBudget, TooManyPixelsError
from facefusion.decoding.pool import DecoderPool
from facefusion.decoding.reading import HALVED_FROM
from facefusion.errors import EmptyPhotoError, FusionError, PhotoRole, UnreadablePhotoError
from facefusion.images.original import Original
from facefusion.page.previews import Previews
from facefusion.page.uploads import Uploads
from facefusion.page.usage import REFUSED, Usage
from facefusion.page.visitors import visitor_at
from facefusion.types import Photo

#: Number of files whose sizes are cached; file names are never used again.
MAX_SIZES: Final = 1000
#: An upload as Gradio passes it: a "path" into its directory, and data sent by the browser.
Raw = dict[str, Any]


class DeletedPhotoError(FusionError):
    """The photo was deleted meanwhile, or is not the visitor's."""

    code = "deleted"


class RefusedError(Exception):
    """A photo cannot be used.

    Attributes:
        field: name of its form field, such as "source2", "person2" or "target".
        error: the reason.
    """

    def __init__(self, field: str, error: FusionError) -> None:
        super().__init__(field)
        self.field, self.error = field, error


class Photos:
    """Reader of uploads.

    Args:
        uploads: files that a visitor may name.
        decoder: decodes them.
        budget: limit on the pixels of all photos in work at a time.

    Attributes:
        usage: counts the work for each visitor.
        previews: replaces HEIC uploads.
    """

    def __init__(self, uploads: Uploads, decoder: DecoderPool, budget: PixelBudget) -> None:
        self.uploads, self._decoder, self._budget = uploads, decoder, budget
        self.usage = Usage()
        self.previews = Previews(uploads, decoder, budget, self.usage)
        self._sizes: OrderedDict[tuple[Path, PhotoRole], int] = OrderedDict()

    def read(self, upload: Raw | None, role: PhotoRole, number: int | None = None) -> Photo:
        """Reads the photo of an upload, (H, W, 3) sRGB uint8.

        Raises:
            FusionError: there is no photo, it is deleted or not the visitor's, or it is no picture.
        """
        return self.open(upload, role, number)[0]

    def open(
        self, upload: Raw | None, role: PhotoRole, number: int | None = None
    ) -> tuple[Photo, Original]:
        """Reads the photo of an upload, and what belongs to it.

        Raises:
            FusionError: see `read`.
        """
        if not upload:
            raise EmptyPhotoError(role, number=number)
        if not isinstance(upload, dict) or not upload.get("path"):
            raise UnreadablePhotoError(role, number=number)
        path = self.uploads.find(upload["path"])
        if path is None:
            raise DeletedPhotoError(role, number=number)
        photo, belongings = self._decoder.open(path, role, number)
        return photo, Original(belongings, lambda patch: self._decoder.stored(path, patch)[0])

    def are_examples(self, uploads: Iterable[Raw | None]) -> bool:
        """Returns whether all photos that were given are examples; whose people need not agree."""
        given = [self.uploads.find(each.get("path")) for each in uploads if each]
        return bool(given) and all(path in self.uploads.examples for path in given)

    def results(self, request: Any) -> Path:
        """Returns the directory for a visitor's results.

        Args:
            request: Gradio's, or None if the page calls itself.
        """
        return self.uploads.folder_of(_visitor(request))

    @contextmanager
    def hold(
        self, request: Any, target: Raw | None, sources: Iterable[Raw | None] = ()
    ) -> Iterator[None]:
        """Holds the pixels of uploads while the context lasts; large photos wait for each other.

        The time of a refused photo counts as more work for the visitor; that of a fusion that was
        stopped, took too long or failed does not.

        Args:
            request: Gradio's.
            target, sources: the photos of a job.

        Raises:
            TooManyPixelsError: they exceed the limit of one job.
            BusyError: the pixels were not free in time.
        """
        pixels = self.pixels(_paths(target)) + self.pixels(_paths(*sources), "source")
        if pixels > JOB_PIXELS:
            raise TooManyPixelsError
        with self._budget.hold(pixels):
            begun = time.monotonic()
            try:
                yield
            except (FusionError, RefusedError):
                self.usage.add(_visitor(request), REFUSED * (time.monotonic() - begun))
                raise

    def pixels(self, paths: Iterable[str], role: PhotoRole = "target") -> int:
        """Counts the pixels of all files; an unreadable one counts 0, and `read` reports it later."""
        return sum(self._pixels(path, role) for path in paths)

    def _pixels(self, named: str, role: PhotoRole) -> int:
        path = self.uploads.find(named)
        if path is None:
            return 0
        if role == "source" and (full := self._pixels(named, "target")) <= HALVED_FROM:
            return full
        known = self._sizes.get((path, role))
        if known is None:
            try:
                width, height = self._decoder.size(path, role)
            except FusionError:
                width = height = 0
            known = self._sizes[path, role] = width * height
            if len(self._sizes) > MAX_SIZES:
                self._sizes.popitem(last=False)
        return known

    def close(self) -> None:
        """Ends the decoder's processes."""
        self._decoder.close()


def _paths(*uploads: Raw | None) -> list[str]:
    return [str(each.get("path")) for each in uploads if isinstance(each, dict)]


def _visitor(request: Any) -> str:
    client = getattr(request, "client", None)
    return visitor_at(getattr(client, "host", None) or "")
