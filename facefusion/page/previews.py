"""Replaces HEIC uploads by JPEG files, because most browsers cannot show HEIC."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from facefusion.decoding.budget import BusyError, PixelBudget
from facefusion.decoding.headers import BRAND_BYTES, is_heic
from facefusion.decoding.pool import WORKERS, DecoderPool
from facefusion.errors import FusionError
from facefusion.images.saving import save_copy
from facefusion.page.uploads import MAX_FILE_BYTES, UploadRefusedError, Uploads
from facefusion.page.usage import REFUSED, Usage
from facefusion.page.visitors import Allowance

#: Most pixels of one visitor's HEIC files that are converted within a minute: four files of 48
#: megapixels, about 20 s of work.
PIXELS_A_MINUTE: Final = 200_000_000
#: Pixels that a file counts at least, so that many small ones are limited too.
LEAST_PIXELS: Final = 4_000_000


class Previews:
    """Converter of HEIC uploads.

    A file that cannot be converted stays as it is: its box on the page shows no picture, and the
    check of the photo says why, as for every other format.

    Args:
        uploads: reserves room for the JPEG files.
        decoder: decodes the HEIC files.
        budget: limit on the pixels of all photos in work at a time.
        usage: counts the work for each visitor.
    """

    def __init__(
        self, uploads: Uploads, decoder: DecoderPool, budget: PixelBudget, usage: Usage
    ) -> None:
        self._uploads, self._decoder, self._budget, self._usage = uploads, decoder, budget, usage
        self._allowance = Allowance(PIXELS_A_MINUTE)
        self._limiter = anyio.CapacityLimiter(WORKERS)

    async def replace(self, path: str, visitor: str) -> str:
        """Replaces an HEIC file by a JPEG beside it, upright, in its own colours and with its dates, author and copyright.

        Args:
            path: an upload.
            visitor: whose work is counted and limited.

        Returns:
            The path of the JPEG, or `path` for other formats and for what cannot be converted.
        """
        if not await to_thread.run_sync(_holds_heic, path):
            return path
        async with self._limiter:
            try:
                async with self._uploads.reserved(MAX_FILE_BYTES):
                    return await to_thread.run_sync(self._replaced, path, visitor)
            except UploadRefusedError:
                return path

    def _replaced(self, path: str, visitor: str) -> str:
        begin, weight = time.monotonic(), 1.0
        try:
            width, height = self._decoder.size(path, "target")
            pixels = width * height
            if not self._allowance.take(visitor, max(pixels, LEAST_PIXELS)):
                return path
            with self._budget.hold(pixels):
                return self._converted(path)
        except FusionError:
            weight = REFUSED
        except (BusyError, OSError):  # no room now, or deleted meanwhile
            pass
        finally:
            self._usage.add(visitor, weight * (time.monotonic() - begin))
        return path

    def _converted(self, path: str) -> str:
        file = BytesIO()
        save_copy(*self._decoder.stored(path), file)
        if file.getbuffer().nbytes > MAX_FILE_BYTES:
            return path
        preview = Path(path).with_suffix(".jpg")
        preview.write_bytes(file.getbuffer())
        if preview != Path(path):
            Path(path).unlink()
        return str(preview)


def _holds_heic(path: str) -> bool:
    """Returns whether a file is HEIC, whatever its name says."""
    try:
        with open(path, "rb") as file:
            return is_heic(file.read(BRAND_BYTES))
    except OSError:
        return False
