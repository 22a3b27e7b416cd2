"""Holds a decoded photo, and converts it strip by strip: to sRGB, and back to what it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from PIL import Image

from facefusion.decoding.belongings import Belongings
from facefusion.decoding.colours import Colours, ProfileError
from facefusion.decoding.headers import Refusal, RefusedPhotoError

#: Bytes of pixels that are converted at a time.
STRIP_BYTES: Final = 1 << 20
#: Alpha (0 to 255) from which on a photo is seen, and its transparency stays with a new face on it.
LEAST_VISIBLE: Final = 64
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
class Patch:
    """A rectangle of a result.

    Attributes:
        left, top: its place in the upright photo, in pixels.
        pixels: (h, w, 3) sRGB uint8.
    """

    left: int
    top: int
    pixels: np.ndarray


#: A rectangle without pixels.
NOTHING: Final = Patch(0, 0, np.empty((0, 0, 3), np.uint8))


@dataclass(frozen=True)
class Decoded:
    """A decoded photo before the conversion to sRGB.

    Attributes:
        width, height: in pixels, upright.
        image: the photo as Pillow decoded it.
        orientation: EXIF orientation, 1 to 8.
        colours: what its profile says, if its pixels are not sRGB.
        belongings: what belongs to it beside the pixels.
    """

    width: int
    height: int
    image: Image.Image
    orientation: int
    colours: Colours | None
    belongings: Belongings

    @classmethod
    def of(cls, image: Image.Image, orientation: int, belongings: Belongings) -> Self:
        """Looks at an image's mode and profile.

        Raises:
            RefusedPhotoError: its numbers have no known scale.
        """
        if image.mode == "I" or (image.mode == "F" and not _is_share(image)):
            raise RefusedPhotoError(Refusal.UNREADABLE)
        mode = _split(image.crop((0, 0, 1, 1)))[0].mode
        colours, notes = None, []
        if belongings.profile:
            try:
                colours = Colours(belongings.profile, mode)
            except ProfileError:
                notes.append("unknown_profile")
        if colours is not None and colours.are_srgb:
            stays, colours = mode == "RGB", None
        else:
            stays = colours is not None and colours.can_return
            if mode == "CMYK" or (colours is not None and not stays):
                notes.append("srgb")
        if _is_transparent(image) and _alpha_is_used(image):
            notes.append("transparent")
        belongings = replace(
            belongings,
            profile=belongings.profile if stays else b"",
            stored=_is_transparent(image) or (stays and colours is not None),
        ).with_notes(*notes)
        width, height = image.size[::-1] if orientation >= 5 else image.size
        return cls(width, height, image, orientation, colours, belongings)

    @property
    def channels(self) -> int:
        """Channels of the stored pixels: 3, or 4 with transparency."""
        return 4 if _is_transparent(self.image) else 3

    def strips(self) -> Iterator[np.ndarray]:
        """Yields the upright photo from top to bottom, each strip (rows, width, 3) sRGB uint8."""
        for part, _ in self._parts():
            yield self._srgb(*_split(part))

    def stored_strips(self, patch: Patch) -> Iterator[np.ndarray]:
        """Yields the upright photo in its own colours with a rectangle of a result.

        A pixel that has not changed keeps its own values, bit for bit.

        Args:
            patch: the rectangle.

        Yields:
            Each strip (rows, width, channels) uint8.
        """
        for part, top in self._parts():
            image, alpha = _split(part)
            strip = self._stored(image, alpha)
            rows = slice(max(top, patch.top), min(top + len(strip), patch.top + len(patch.pixels)))
            if rows.start < rows.stop:
                new = patch.pixels[rows.start - patch.top : rows.stop - patch.top]
                place = (
                    slice(rows.start - top, rows.stop - top),
                    slice(patch.left, patch.left + new.shape[1]),
                )
                box = (patch.left, rows.start - top, place[1].stop, rows.stop - top)
                old = self._srgb(image.crop(box), None if alpha is None else alpha[place])
                strip[place] = self._changed(strip[place], old, new)
            yield strip

    def _changed(self, stored: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Replaces stored pixels where the new sRGB pixels differ from the old ones."""
        differs = old != new
        # `any` over an axis of length 3 takes 9 times longer.
        changed = np.asarray(differs[..., 0] | differs[..., 1] | differs[..., 2])
        if stored.shape[2] == 3:
            stored[changed] = self._from_srgb(new)[changed]
            return stored
        alpha = stored[..., 3:].astype(np.float32)
        # Solves over_white(colour, alpha) = new, in the nearest colour; what can hardly be seen, such
        # as a mark beside a cut-out person, becomes opaque.
        filled = np.where(alpha < LEAST_VISIBLE, np.float32(255), alpha)
        colour = np.clip(255 * (new - (255 - filled)) / filled, 0, 255)
        rgba = np.dstack(
            [self._from_srgb(np.round(colour).astype(np.uint8)), filled.astype(np.uint8)]
        )
        stored[changed] = rgba[changed]
        return stored

    def _stored(self, image: Image.Image, alpha: np.ndarray | None) -> np.ndarray:
        """Returns the pixels that results have: the photo's own, or sRGB if none lead back."""
        if self.colours is not None and not self.colours.can_return:
            image = self.colours.to_srgb(image)
        rgb = np.asarray(image.convert("RGB"))
        return rgb.copy() if alpha is None else np.dstack([rgb, alpha])

    def _from_srgb(self, rgb: np.ndarray) -> np.ndarray:
        returns = self.colours is not None and self.colours.can_return and rgb.size > 0
        return self.colours.from_srgb(rgb) if self.colours is not None and returns else rgb

    def _srgb(self, image: Image.Image, alpha: np.ndarray | None) -> np.ndarray:
        if self.colours is not None:
            image = self.colours.to_srgb(image)
        rgb = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
        return rgb if alpha is None else over_white(np.dstack([rgb, alpha]))

    def _parts(self) -> Iterator[tuple[Image.Image, int]]:
        """Yields upright strips of the stored photo, each with its first row."""
        rows = max(1, STRIP_BYTES // (3 * self.width))
        for top in range(0, self.height, rows):
            yield self._upright(top, min(top + rows, self.height)), top

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


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in image.info


def _alpha_is_used(image: Image.Image) -> bool:
    """Returns whether a pixel may be less than opaque."""
    return image.mode not in ("RGBA", "LA") or bool(np.min(image.getextrema()[-1]) < 255)


def _is_share(image: Image.Image) -> bool:
    """Returns whether floats lie between 0 and 1, which no NaN does."""
    values = np.asarray(image)
    return bool(values.min() >= 0 and values.max() <= 1)


def _split(part: Image.Image) -> tuple[Image.Image, np.ndarray | None]:
    """Splits a part of a photo into its colours, L, RGB or CMYK, and its alpha."""
    if part.mode == "LA":
        return part.getchannel("L"), np.asarray(part.getchannel("A"))
    if _is_transparent(part):
        rgba = part.convert("RGBA")
        return rgba.convert("RGB"), np.asarray(rgba.getchannel("A"))
    if part.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(part).astype(np.uint16) >> 8).astype(np.uint8)), None
    if part.mode == "F":
        return Image.fromarray((np.asarray(part) * 255 + 0.5).astype(np.uint8)), None
    if part.mode == "1":
        return part.convert("L"), None
    return part if part.mode in ("L", "RGB", "CMYK") else part.convert("RGB"), None
