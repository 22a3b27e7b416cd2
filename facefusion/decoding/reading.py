"""Decodes photo files to upright RGB, in the worker process and in the calling process.

It imports only Pillow, NumPy and the standard library, and pillow-heif with the first HEIC file.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
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

from facefusion.decoding import belongings
from facefusion.decoding.belongings import Belongings
from facefusion.decoding.boxes import check_heic
from facefusion.decoding.decoded import Decoded, Patch
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

#: Formats of the JPEG reader.
_JPEGS: Final = ("JPEG", MPO)
#: Columns of a JPEG that are coded together at most, in pixels.
_BLOCK: Final = 16
#: Errors of files that are too large; all others of Pillow's readers mean damage.
_LIMITS: Final = (
    RefusedPhotoError,
    MemoryError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
_ORIENTATION: Final = 0x0112


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
        image, found = _loaded(data, half)
        check_size(*image.size)
        orientation = _orientation(image, data)
        image = image._new(image.im)  # without the decoder, which may hold as much again
        # Refuses modes without a conversion to RGB before the answer begins.
        return Decoded.of(image, orientation, found)


def pixels(data: bytes, *, half: bool = False) -> np.ndarray:
    """Decodes a photo to (H, W, 3) sRGB uint8.

    Raises:
        RefusedPhotoError: the file is no supported photo.
    """
    return pixels_of(decode(data, half=half))


def pixels_of(photo: Decoded) -> np.ndarray:
    """Converts a decoded photo to (H, W, 3) sRGB uint8.

    Raises:
        RefusedPhotoError: it is damaged.
    """
    return _joined(photo, 3, photo.strips())


def restored(data: bytes, patch: Patch) -> np.ndarray:
    """Decodes a photo in its own colours, with a rectangle of a result.

    Returns:
        (H, W, 3) uint8, or (H, W, 4) with transparency; see `Decoded.stored_strips`.

    Raises:
        RefusedPhotoError: the file is no supported photo.
    """
    photo = decode(data)
    return _joined(photo, photo.channels, photo.stored_strips(patch))


def _joined(photo: Decoded, channels: int, strips: Iterator[np.ndarray]) -> np.ndarray:
    with _refusing():
        joined = np.empty((photo.height, photo.width, channels), np.uint8)
        top = 0
        for strip in strips:
            joined[top : top + len(strip)] = strip
            top += len(strip)
        return joined


def _loaded(data: bytes, half: bool) -> tuple[Image.Image, Belongings]:
    """Opens and decodes a file, and reads what belongs to it.

    What is damaged beside the pixels is left out.
    """
    try:
        image = _opened(data, half)
        # Before the pixels: once they are there, Pillow finds no second picture or directory.
        found = belongings.read(image)
        image.load()
    except _LIMITS:
        raise
    except Exception:
        image = _opened(_mended(data), half)
        found = belongings.read(image)
        image.load()
        if image.format in _JPEGS and _ends_blank(image):
            found = found.with_notes("cut_short")
    return image, found


def _ends_blank(image: Image.Image) -> bool:
    """Returns whether the last pixels have one colour, as those have that a file lacks."""
    last = image.crop((max(0, image.width - _BLOCK), image.height - 1, *image.size))
    extrema = np.reshape(last.getextrema(), (-1, 2))
    return bool((extrema[:, 1] - extrema[:, 0] <= 1).all())


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
