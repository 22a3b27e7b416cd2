"""Writes results with the metadata of an AI-made picture and what belongs to the target photo.

The metadata is XMP (ISO 16684-1) with the IPTC digital source type of a picture in which a part was
made by a trained model (https://cv.iptc.org/newscodes/digitalsourcetype/).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from facefusion.decoding.belongings import (
    AUTHOR,
    MAIN_TAGS,
    PHOTO_DIRECTORY,
    PHOTO_TAGS,
    RIGHTS,
    Belongings,
)
from facefusion.decoding.decoded import over_white
from facefusion.images.png import write_png
from facefusion.types import Photo

SOURCE_TYPE: Final = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
#: Plain comment in the metadata, for programs without XMP.
COMMENT: Final = "AI-generated with FaceFusion: the face in this picture was replaced by software."
_XMP: Final = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"
    xmp:CreatorTool="FaceFusion">
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{COMMENT}</rdf:li></rdf:Alt></dc:description>%s
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
_CREATOR: Final = "\n   <dc:creator><rdf:Seq><rdf:li>{}</rdf:li></rdf:Seq></dc:creator>"
_RIGHTS: Final = (
    '\n   <dc:rights><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:rights>'
)

#: Metadata of a picture of which nothing else is known.
XMP: Final = (_XMP % "").encode()

#: Least JPEG quality; a target's finer quantisation is taken instead.
QUALITY: Final = 95
#: Pillow's format by extension.
FORMATS: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
#: Extension of a result by the format of its target, where nothing else is asked.
_FOLLOWING: Final = {"JPEG": ".jpg", "MPO": ".jpg", "HEIF": ".jpg", "AVIF": ".jpg", "WEBP": ".webp"}
_INCHES: Final = 2
_METRES: Final = 1 / 0.0254


def extension_for(belongings: Belongings) -> str:
    """Returns the extension of a result in its target's format, or PNG where no loss is expected.

    A transparent AVIF becomes a PNG too, for JPEG has no transparency.
    """
    if belongings.kind in ("AVIF", "HEIF") and belongings.stored and not belongings.profile:
        return ".png"
    return _FOLLOWING.get(belongings.kind, ".png")


def save(
    image: Photo, file: Path | BinaryIO, extension: str, belongings: Belongings | None = None
) -> None:
    """Writes a picture with its metadata.

    Args:
        image: (H, W, 3) RGB uint8, or (H, W, 4) with alpha, which a JPEG has over white; written
            without a visible mark, see `marking.marked`.
        file: path or binary file to write to.
        extension: a key of `FORMATS`.
        belongings: what belongs to the target photo.

    Raises:
        OSError, ValueError: the file cannot be written.
    """
    about = Belongings() if belongings is None else belongings
    file_format = FORMATS[extension]
    if file_format == "PNG":
        with open(file, "wb") if isinstance(file, Path) else nullcontext(file) as out:
            write_png(image, out, _chunks(about))
        return
    options: dict[str, Any] = {"xmp": _xmp(about), "quality": QUALITY}
    if about.profile:
        options["icc_profile"] = about.profile
    if file_format == "JPEG":
        image = over_white(image) if image.shape[2] == 4 else image
        # 4:4:4: at 4:2:0 the colour of lips and eyes bleeds over their edge.
        options |= {"comment": COMMENT.encode(), "subsampling": 0}
        if len(about.tables) in (1, 2):
            del options["quality"]
            options["qtables"] = _finer(about.tables)
        if about.dpi is not None:
            options["dpi"] = tuple(max(1, round(value)) for value in about.dpi)
    if exif := _exif(about, with_dpi=file_format == "WEBP"):
        options["exif"] = exif
    Image.fromarray(image).save(file, file_format, **options)


def save_copy(image: Photo, belongings: Belongings, file: Path | BinaryIO) -> None:
    """Writes a photo that nothing has changed as JPEG, with what belongs to it and no mark."""
    options: dict[str, Any] = {}
    if belongings.profile:
        options["icc_profile"] = belongings.profile
    if exif := _exif(belongings):
        options["exif"] = exif
    image = over_white(image) if image.shape[2] == 4 else image
    Image.fromarray(image).save(file, "JPEG", quality=QUALITY, **options)


def _finer(tables: tuple[tuple[int, ...], ...]) -> list[list[int]]:
    """Returns quantisation tables in no place coarser than a target's and those of `QUALITY`."""
    theirs = [tables[0], tables[-1]]
    return [
        np.minimum(np.array(mine), np.array(their)).clip(1, 255).tolist()
        for mine, their in zip(_own_tables(), theirs, strict=True)
    ]


@lru_cache(maxsize=1)
def _own_tables() -> list[list[int]]:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=QUALITY)
    with Image.open(file) as image:
        tables: dict[int, list[int]] = vars(image)["quantization"]
    return [list(tables[0]), list(tables[1])]


def _exif(about: Belongings, *, with_dpi: bool = False) -> bytes:
    """Encodes the texts as EXIF; empty without any."""
    exif = Image.Exif()
    for tag, text in about.texts.items():
        # Pillow takes bytes for text only in tags that it knows, as those with other letters are.
        raw = text if text.isascii() else text.encode("latin-1", "replace")
        if tag in MAIN_TAGS:
            exif[tag] = raw
        elif tag in PHOTO_TAGS:
            exif.get_ifd(PHOTO_DIRECTORY)[tag] = raw
    if with_dpi and about.dpi is not None:
        exif[0x011A], exif[0x011B] = about.dpi
        exif[0x0128] = _INCHES
    return exif.tobytes() if exif or about.texts else b""


def _xmp(about: Belongings) -> bytes:
    added = "".join(
        form.format(escape(_unicode(about.texts[tag])))
        for tag, form in ((AUTHOR, _CREATOR), (RIGHTS, _RIGHTS))
        if tag in about.texts
    )
    return (_XMP % added).encode()


def _unicode(text: str) -> str:
    """Decodes the bytes of an EXIF text, UTF-8 or Latin-1, without control characters."""
    raw = text.encode("latin-1", "replace")
    try:
        decoded = raw.decode()
    except UnicodeDecodeError:
        decoded = text
    return "".join(each for each in decoded if each.isprintable())


def _chunks(about: Belongings) -> Iterator[tuple[bytes, bytes]]:
    """Yields the chunks of a PNG before its pixels."""
    if about.profile:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(about.profile)
    if about.dpi is not None:
        x, y = (round(value * _METRES) for value in about.dpi)
        yield b"pHYs", struct.pack(">IIB", x, y, 1)
    if exif := _exif(about):
        yield b"eXIf", exif.removeprefix(b"Exif\0\0")
    texts = PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", _xmp(about).decode())
    texts.add_text("Comment", COMMENT)
    for kind, content, *_ in texts.chunks:
        yield kind, content
