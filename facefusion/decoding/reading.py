"""Decodes photo files to upright RGB, in the worker process and in the calling process.

It imports only Pillow, NumPy and the standard library, and pillow-heif with the first HEIC file.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from facefusion.decoding.boxes import check_heic
from facefusion.decoding.headers import (
    Refusal,
    RefusedPhotoError,
    check_file,
    check_size,
    is_heic,
)
from facefusion.decoding.mending import exif_in, mended, orientation_in

#: Supported formats. Importing a plugin registers it, so `Image.open` never loads Pillow's other
#: forty readers.
READERS: Final = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    GifImagePlugin.GifImageFile,
    TiffImagePlugin.TiffImageFile,
    BmpImagePlugin.BmpImageFile,
    AvifImagePlugin.AvifImageFile,
)
FORMATS: Final = tuple(str(reader.format) for reader in READERS)
#: Several JPEG pictures in one file, as phones write them; opened by the JPEG reader.
MPO: Final = MpoImagePlugin.MpoImageFile.format
#: Pictures of phones, which pillow-heif opens rather than Pillow.
HEIC: Final = "HEIF"
#: Pixels from which on a JPEG source photo is decoded at half its width and height.
HALVED_FROM: Final = 16_000_000
#: Threads that decode the tiles of an HEIC photo: with one, 48 megapixels take half the time limit.
HEIC_THREADS: Final = 2
#: Bytes of pixels that are converted at a time.
STRIP_BYTES: Final = 1 << 20

#: Errors of files that are too large; all others of Pillow's readers mean damage.
_LIMITS: Final = (
    RefusedPhotoError,
    MemoryError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
_ORIENTATION: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Decoded:
    """A decoded photo before the conversion to RGB.

    Attributes:
        width, height: in pixels, upright.
        image: the photo as Pillow decoded it.
        orientation: EXIF orientation, 1 to 8.
    """

    width: int
    height: int
    image: Image.Image
    orientation: int

    def strips(self) -> Iterator[np.ndarray]:
        """Yields the upright photo from top to bottom, each strip (rows, width, 3) RGB uint8."""
        rows = max(1, STRIP_BYTES // (3 * self.width))
        for top in range(0, self.height, rows):
            yield _rgb(self._upright(top, min(top + rows, self.height)))

    def _upright(self, top: int, bottom: int) -> Image.Image:
        """Cuts rows `top` to `bottom` of the upright photo out of the photo as stored."""
        if self.orientation in (3, 4, 7, 8):  # rows are counted from the other end
            top, bottom = self.height - bottom, self.height - top
        sideways = self.orientation >= 5
        box = (top, 0, bottom, self.width) if sideways else (0, top, self.width, bottom)
        part = self.image.crop(box)
        return part.transpose(_TURNS[self.orientation]) if self.orientation in _TURNS else part


def over_white(rgba: np.ndarray) -> np.ndarray:
    """Composites (H, W, 4) RGBA uint8 over white to (H, W, 3), with uint16 intermediates."""
    alpha = rgba[..., 3:].astype(np.uint16)
    return np.asarray(((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8))


def size(data: bytes, *, half: bool = False) -> tuple[int, int]:
    """Reads from the file's header the width and height of the photo that `decode` returns.

    Raises:
        RefusedPhotoError: the file is no supported photo.
    """
    with _refusing(), _opened(data, half) as image:
        # Pillow would decode a PNG to look for EXIF behind the pixels.
        no_exif = isinstance(image, PngImagePlugin.PngImageFile) and "exif" not in image.info
        orientation = 1 if no_exif else _orientation(image, data)
        # Pillow swaps a TIFF's size itself.
        swapped = orientation >= 5 and not isinstance(image, TiffImagePlugin.TiffImageFile)
        return image.size[::-1] if swapped else image.size


def decode(data: bytes, *, half: bool = False) -> Decoded:
    """Decodes a photo: the first picture of its file.

    Args:
        data: the file.
        half: whether to decode a JPEG of more than `HALVED_FROM` pixels at half its width and
            height.

    Raises:
        RefusedPhotoError: the file is no supported photo.
    """
    with _refusing():
        image = _loaded(data, half)
        check_size(*image.size)
        orientation = _orientation(image, data)
        image = image._new(image.im)  # without the decoder, which may hold as much again
        # Refuses modes without a conversion to RGB before the answer begins.
        _rgb(image.crop((0, 0, 1, 1)))
        width, height = image.size[::-1] if orientation >= 5 else image.size
        return Decoded(width, height, image, orientation)


def pixels(data: bytes, *, half: bool = False) -> np.ndarray:
    """Decodes a photo to (H, W, 3) RGB uint8.

    Raises:
        RefusedPhotoError: the file is no supported photo.
    """
    photo = decode(data, half=half)
    with _refusing():
        rgb = np.empty((photo.height, photo.width, 3), np.uint8)
        top = 0
        for strip in photo.strips():
            rgb[top : top + len(strip)] = strip
            top += len(strip)
        return rgb


def _loaded(data: bytes, half: bool) -> Image.Image:
    """Opens and decodes a file; what is damaged beside its pixels is left out."""
    try:
        image = _opened(data, half)
        image.load()
    except _LIMITS:
        raise
    except Exception:
        image = _opened(_mended(data), half)
        image.load()
    return image


def _opened(data: bytes, half: bool) -> Image.Image:
    check_file(data)
    if is_heic(data):
        image: Image.Image = _heic(data)
    else:
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except _LIMITS:
            raise
        except Exception:
            image = Image.open(io.BytesIO(_mended(data)), formats=FORMATS)
    check_size(*image.size)
    if (
        half
        and image.size[0] * image.size[1] > HALVED_FROM
        and isinstance(image, JpegImagePlugin.JpegImageFile)
    ):
        image.draft(None, (image.size[0] // 2, image.size[1] // 2))
    return image


def _heic(data: bytes) -> ImageFile.ImageFile:
    """Opens the primary picture of an HEIC file; its boxes are checked before libheif sees them."""
    check_heic(data)
    import pillow_heif  # takes 30 MB, which a server's process and most visits do without

    options = pillow_heif.options
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    options.DECODE_THREADS = HEIC_THREADS
    return pillow_heif.HeifImageFile(io.BytesIO(data))


def _mended(data: bytes) -> bytes:
    whole = mended(data)
    if whole is None:
        raise RefusedPhotoError(Refusal.UNREADABLE)
    return whole


def _orientation(image: Image.Image, data: bytes) -> int:
    """Returns the EXIF orientation, 1 to 8; damage beside it does not count."""
    if image.format == HEIC:  # libheif turns it by its boxes, which count rather than its EXIF
        return 1
    found = orientation_in(image.info.get("exif") or exif_in(data))
    if found is not None:
        return found
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow raises nearly all kinds on damaged EXIF
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(part: Image.Image) -> np.ndarray:
    if part.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in part.info:
        return over_white(np.asarray(part.convert("RGBA")))
    if part.mode.startswith("I;16"):
        return np.repeat(
            (np.asarray(part).astype(np.uint16) >> 8).astype(np.uint8)[..., None], 3, axis=2
        )
    return np.asarray(part if part.mode == "RGB" else part.convert("RGB"))


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Turns every error of a decoder into a refusal, and drops the data that the error held.

    Warnings of headers reach nobody: they change no photo.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
        return
    except RefusedPhotoError as error:
        reason = error.reason
    except _LIMITS:
        reason = Refusal.TOO_LARGE
    except Exception:  # Pillow's decoders raise nearly all kinds on damaged files
        reason = Refusal.UNREADABLE
    raise RefusedPhotoError(reason)
