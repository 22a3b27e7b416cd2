"""Marks pictures as AI-generated: visibly in a corner, and in their metadata.

The metadata is XMP (ISO 16684-1) with the IPTC digital source type of a picture in which a part was
made by a trained model (https://cv.iptc.org/newscodes/digitalsourcetype/).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from facefusion.images.lettering import ENGLISH, lettering
from facefusion.images.png import write_png
from facefusion.types import Photo

SOURCE_TYPE: Final = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
#: Plain comment in the metadata, for programs without XMP.
COMMENT: Final = "AI-generated with FaceFusion: the face in this picture was replaced by software."
XMP: Final = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"
    xmp:CreatorTool="FaceFusion">
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{COMMENT}</rdf:li></rdf:Alt></dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>""".encode()

#: Height of a capital letter as a share of the photo's shorter side.
TEXT_SHARE: Final = 0.052
#: Least height of a capital letter in pixels that is legible.
LEAST_TEXT: Final = 8
#: Padding around the letters on their plate, in text heights.
PADDING: Final = 0.32
#: Margin between the plate and the photo's edge, in text heights.
MARGIN: Final = 0.4
#: Opacity of the black plate behind the letters.
PLATE: Final = 0.62

#: Pillow's format and options by extension. 4:4:4 JPEG: at 4:2:0 the colour of lips and eyes bleeds
#: over their edge.
FORMATS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
}


def marked(
    image: Photo, text: str = ENGLISH, *, faces: Iterable[np.ndarray] = (), in_place: bool = False
) -> Photo:
    """Writes "Made by AI" into the corner of a picture that hides the least of the faces.

    Args:
        image: (H, W, 3) RGB uint8.
        text: one of the texts of `lettering`.
        faces: (4,) boxes left, top, right, bottom in pixels that should stay visible.
        in_place: whether to write to the picture itself instead of a copy.

    Returns:
        (H, W, 3) RGB uint8. The letters are at least 5 % of the shorter side high and their plate
        about a fifth of it wide; they are cut off in a picture narrower than the text.
    """
    plate, (top, left) = _plate(image.shape[:2], text, faces)
    window = slice(top, top + plate.shape[0]), slice(left, left + plate.shape[1])
    ink = plate[..., None].astype(np.float32) / 255
    result = image if in_place else image.copy()
    result[window] = np.round(image[window] * (1 - PLATE) * (1 - ink) + 255 * ink).astype(np.uint8)
    return result


def mark_box(
    shape: tuple[int, int], text: str = ENGLISH, *, faces: Iterable[np.ndarray] = ()
) -> tuple[int, int, int, int]:
    """Returns where `marked` writes: left, top, right and bottom in pixels.

    Args:
        shape: height and width of the picture.
        text, faces: as for `marked`.
    """
    plate, (top, left) = _plate(shape, text, faces)
    return left, top, left + plate.shape[1], top + plate.shape[0]


def _plate(
    shape: tuple[int, int], text: str, faces: Iterable[np.ndarray]
) -> tuple[np.ndarray, tuple[int, int]]:
    """Draws the letters on their plate, uint8, and chooses its top and left."""
    height, width = shape
    size = max(LEAST_TEXT, int(np.ceil(TEXT_SHARE * min(height, width))))
    letters = lettering(text, size)
    pad, margin = round(PADDING * size), round(MARGIN * size)
    plate = np.pad(letters, pad)[:height, :width]
    margin = max(0, min(margin, height - plate.shape[0], width - plate.shape[1]))
    return plate, _corner((height, width), plate.shape, margin, list(faces))


def _corner(
    photo: tuple[int, int], plate: tuple[int, ...], margin: int, faces: list[np.ndarray]
) -> tuple[int, int]:
    """Returns top and left of the plate in the corner that hides the least of the faces.

    Among equals the order is bottom right, bottom left, top right, top left.
    """
    low, right = photo[0] - plate[0] - margin, photo[1] - plate[1] - margin
    corners = [(low, right), (low, margin), (margin, right), (margin, margin)]

    def hidden(corner: tuple[int, int]) -> float:
        begin = np.array([corner[1], corner[0]], float)
        end = begin + [plate[1], plate[0]]
        return float(
            sum(
                np.clip(np.minimum(face[2:], end) - np.maximum(face[:2], begin), 0, None).prod()
                for face in faces
            )
        )

    return min(corners, key=hidden)


def save(image: Photo, file: Path | BinaryIO, extension: str) -> None:
    """Writes a picture with its metadata.

    Args:
        image: (H, W, 3) RGB uint8, written without a visible mark; see `marked`.
        file: path or binary file to write to.
        extension: a key of `FORMATS`.

    Raises:
        OSError, ValueError: the file cannot be written.
    """
    file_format, options = FORMATS[extension]
    if file_format == "PNG":
        metadata = PngInfo()
        metadata.add_itxt("XML:com.adobe.xmp", XMP.decode())
        metadata.add_text("Comment", COMMENT)
        with open(file, "wb") if isinstance(file, Path) else nullcontext(file) as out:
            write_png(image, out, ((kind, content) for kind, content, *_ in metadata.chunks))
        return
    options = {**options, "xmp": XMP}
    if file_format == "JPEG":
        options["comment"] = COMMENT.encode()
    Image.fromarray(image).save(file, file_format, **options)
