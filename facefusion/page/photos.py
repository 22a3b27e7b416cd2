"""Visitors' photos: from an upload to pixels, each within the memory that the server has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facefusion.decoding.budget import PixelBudget
from facefusion.decoding.pool import DecoderPool
from facefusion.errors import EmptyPhotoError, FusionError, UnreadablePhotoError
from facefusion.errors import Photo as Which
from facefusion.page.uploads import Uploads
from facefusion.page.visitors import visitor_at
from facefusion.types import Photo

#: An upload as Gradio hands it over: a "path" into its directory, and what the browser said of it.
Raw = dict[str, Any]


class DeletedPhotoError(FusionError):
    """The visitor came back to a photo that was deleted, or names one that is not theirs."""

    code = "deleted"


class Photos:
    """Reads uploads.

    Args:
        uploads: which files a visitor may name.
        decoder: decodes them.
        budget: pixels of all photos that are in work at once.
    """

    def __init__(self, uploads: Uploads, decoder: DecoderPool, budget: PixelBudget) -> None:
        self.uploads, self._decoder, self._budget = uploads, decoder, budget

    def read(self, upload: Raw | None, which: Which, number: int | None = None) -> Photo:
        """The photo of an upload, (H, W, 3) RGB uint8.

        Raises:
            FusionError: there is none, it is gone or not the visitor's, or it is no picture.
        """
        if not upload:
            raise EmptyPhotoError(which, number=number)
        if not isinstance(upload, dict) or not upload.get("path"):
            raise UnreadablePhotoError(which, number=number)
        path = self.uploads.find(upload["path"])
        if path is None:
            raise DeletedPhotoError(which, number=number)
        return self._decoder.read(path, which, number)

    def results(self, request: Any) -> Path:
        """Where results for whoever asks are put.

        Args:
            request: Gradio's, or None where the page calls itself.
        """
        client = getattr(request, "client", None)
        return self.uploads.folder_of(visitor_at(getattr(client, "host", None) or ""))

    @contextmanager
    def room(self, uploads: Iterable[Raw | None]) -> Iterator[None]:
        """Holds the pixels of uploads while the context lasts; large photos wait for each other.

        Raises:
            BusyError: there was no room for too long.
        """
        with self._budget.hold(sum(map(self._pixels, uploads))):
            yield

    def _pixels(self, upload: Raw | None) -> int:
        """Pixels of an upload; 0 where it cannot be read, which `read` says beside the photo."""
        path = self.uploads.find(upload.get("path")) if isinstance(upload, dict) else None
        if path is None:
            return 0
        try:
            width, height = self._decoder.size(path, "target")
        except FusionError:
            return 0
        return width * height

    def close(self) -> None:
        """Ends what decodes photos."""
        self._decoder.close()
