"""Receives uploads, and decides which files a visitor may name."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from anyio import to_thread
from gradio import route_utils
from gradio.routes import file_upload_statuses
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from facefusion.page.directory import delete
from facefusion.page.files import Sweeper, new_folder, remove
from facefusion.page.visitors import MAX_VISITORS

#: Most files of one request: the page's four photo fields, and one to spare.
MAX_FILES: Final = 5
#: Most bytes of one file, twice a 48-megapixel photo of a phone.
MAX_FILE_BYTES: Final = 30 * 1024 * 1024
#: Parts of the path of a visitor's file below the directory: the visitor, a folder, the file.
VISITORS_DEPTH: Final = 3
#: File name extensions that are kept, for the content type that a browser is told.
EXTENSIONS: Final = frozenset(
    (".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)


class UploadRefusedError(Exception):
    """An upload is refused.

    Attributes:
        key: of the sentence in `words`.
        status: HTTP status code.
    """

    def __init__(self, key: str, status: int) -> None:
        super().__init__(key)
        self.key, self.status = key, status


class Uploads:
    """The directory of uploads and results, and the example photos.

    Args:
        directory: the sweeper's directory.
        examples: files of the example photos, which every visitor may name.

    Attributes:
        sweeper: deletes old files.
        forgotten: called after a visitor has deleted files, to drop what was measured in them.
    """

    def __init__(self, directory: str | Path, examples: Iterable[str | Path] = ()) -> None:
        self.directory = Path(directory).resolve()
        self.examples = frozenset(Path(path).resolve() for path in examples)
        self.sweeper = Sweeper(self.directory)
        self.forgotten: Callable[[], None] = lambda: None
        self._folders: OrderedDict[str, str] = OrderedDict()
        self._reserved = self._since_swept = 0  # bytes, used by the event loop only
        self._lock = threading.Lock()

    def folder_of(self, visitor: str) -> Path:
        """Returns the directory of a visitor's files; its name does not reveal the visitor."""
        with self._lock:
            name = self._folders.pop(visitor, None) or secrets.token_hex(8)
            self._folders[visitor] = name
            if len(self._folders) > MAX_VISITORS:
                self._folders.popitem(last=False)
        return self.directory / name

    @asynccontextmanager
    async def reserved(self, size: int) -> AsyncIterator[None]:
        """Frees room for an upload of `size` bytes, and reserves it while the context lasts.

        Raises:
            UploadRefusedError: too many bytes are being uploaded at this moment.
        """
        if self._reserved + size > self.sweeper.max_bytes // 2:
            raise UploadRefusedError("error.many_uploads", 503)
        self._reserved += size
        self._since_swept += size
        unswept = self.sweeper.max_share // 2  # bytes that may come until the next sweep
        try:
            if self._since_swept > unswept:
                self._since_swept = 0
                await to_thread.run_sync(self.sweeper.sweep, self._reserved + unswept)
            yield
        finally:
            self._reserved -= size

    def find(self, path: object) -> Path | None:
        """Resolves the path of a file that a visitor names, links included.

        Returns:
            None if the file is not the visitor's or does not exist; the two look the same.
        """
        if not isinstance(path, str) or "\0" in path:
            return None
        try:
            found = Path(path).resolve()
            allowed = found in self.examples or found.is_relative_to(self.directory)
            return found if allowed and found.is_file() else None
        except (OSError, RuntimeError, ValueError):  # a name too long, or a loop of links
            return None

    def forget(self, paths: Iterable[str], *, known: bool = False) -> int:
        """Deletes the files that a visitor names, and what was measured in them; examples stay.

        Who knows the path of a file, which is unguessable, may read it, and so may delete it.

        Args:
            paths: of the files.
            known: whether measurements go even if the files are gone already.

        Returns:
            The number of files deleted.
        """
        found = {self.find(path) for path in paths} - self.examples
        own = [path for path in found if path is not None and self._is_visitors(path)]
        deleted = sum(map(remove, own))
        if deleted or known:
            self.forgotten()
        return deleted

    def _is_visitors(self, path: Path) -> bool:
        """Returns whether a file lies in a folder of a visitor's folder, as all of theirs do."""
        return len(path.relative_to(self.directory).parts) == VISITORS_DEPTH

    async def receive(self, request: Request, visitor: str, upload_id: str | None) -> list[str]:
        """Saves the files of a multipart request under names that do not depend on theirs.

        An upload that is interrupted or refused leaves no files.

        Returns:
            The paths of the files, in their order.

        Raises:
            UploadRefusedError: there are too many files, one is too large, or it is no upload.
        """
        folder = new_folder(self.directory)
        try:
            paths = await _received(request, folder, upload_id)
            if not paths:
                raise UploadRefusedError("error.malformed", 400)
            if len(paths) > MAX_FILES:
                raise UploadRefusedError("error.too_many_files", 413)
            return [_renamed(Path(path), self.folder_of(visitor)) for path in paths]
        except FileNotFoundError:  # deleted by the sweeper for others
            raise UploadRefusedError("error.many_uploads", 503) from None
        finally:
            delete(folder)


async def _received(request: Request, folder: Path, upload_id: str | None) -> list[str]:
    progress = file_upload_statuses if upload_id else None
    take: Callable[..., Awaitable[Any]] = route_utils.upload_fn
    try:
        paths, *_ = await take(
            request, folder, MAX_FILE_BYTES, upload_id, force_move=True, upload_progress=progress
        )
    except MultiPartException as error:
        if "maximum allowed size" in error.message and "File" in error.message:
            raise UploadRefusedError("error.file_too_large", 413) from None
        raise UploadRefusedError("error.malformed", 400) from None
    except (HTTPException, TypeError, ValueError, KeyError, AttributeError):  # malformed parts
        raise UploadRefusedError("error.malformed", 400) from None
    return [str(path) for path in paths]


def _renamed(path: Path, directory: Path) -> str:
    suffix = path.suffix.lower()
    new = new_folder(directory) / f"photo{suffix if suffix in EXTENSIONS else ''}"
    path.rename(new)
    return str(new)
