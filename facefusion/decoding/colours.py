"""Converts pixels between the colour space of an embedded profile (ICC.1) and sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any, Final

import numpy as np
from PIL import Image

#: Colour space of a profile by the mode of the pixels that it describes.
_SPACES: Final = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
#: Largest difference in levels of a colour space that counts as sRGB: rounding in the many profiles
#: of sRGB.
_SAME: Final = 2
#: Values of each channel that are compared.
_STEPS: Final = 9


class ProfileError(Exception):
    """A profile is damaged, or describes other pixels."""


class Colours:
    """Conversions between stored pixels and sRGB, relative colorimetric with black point.

    Args:
        profile: ICC profile.
        mode: of the stored pixels: "L", "RGB" or "CMYK".

    Attributes:
        are_srgb: whether the stored pixels are sRGB, so that nothing is to be converted.
        can_return: whether sRGB can be converted to stored pixels.

    Raises:
        ProfileError: the profile cannot be used.
    """

    def __init__(self, profile: bytes, mode: str) -> None:
        self._mode = mode
        try:
            opened = _cms().ImageCmsProfile(io.BytesIO(profile))
            if opened.profile.xcolor_space.strip() != _SPACES[mode]:
                raise ProfileError
            self._there = _transform(opened, _srgb(), mode, "RGB")
        except Exception:  # littlecms's errors, and Pillow's of its attributes
            raise ProfileError from None
        self._back: Any = None
        if mode == "RGB":
            try:
                self._back = _transform(_srgb(), opened, "RGB", "RGB")
            except Exception:  # profiles of scanners lead one way
                self._back = None
        self.can_return = self._back is not None
        self.are_srgb = mode != "CMYK" and self._changes_little()

    def to_srgb(self, image: Image.Image) -> Image.Image:
        """Converts stored pixels, an image of the mode, to RGB."""
        return _applied(self._there, image)

    def from_srgb(self, rgb: np.ndarray) -> np.ndarray:
        """Converts (h, w, 3) sRGB uint8 to stored pixels."""
        return np.asarray(_applied(self._back, Image.fromarray(np.ascontiguousarray(rgb))))

    def _changes_little(self) -> bool:
        steps = np.linspace(0, 255, _STEPS).astype(np.uint8)
        if self._mode == "L":
            tried, plain = Image.fromarray(steps[None]), np.stack([steps[None]] * 3, 2)
        else:
            plain = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
            tried = Image.fromarray(plain)
        return bool(np.abs(np.asarray(self.to_srgb(tried)).astype(int) - plain).max() <= _SAME)


def _cms() -> Any:
    from PIL import ImageCms  # loads littlecms, which most photos do without

    return ImageCms


@lru_cache(maxsize=1)
def _srgb() -> Any:
    return _cms().ImageCmsProfile(_cms().createProfile("sRGB"))


def _transform(source: Any, target: Any, source_mode: str, target_mode: str) -> Any:
    cms = _cms()
    return cms.buildTransform(
        source,
        target,
        source_mode,
        target_mode,
        cms.Intent.RELATIVE_COLORIMETRIC,
        cms.Flags.BLACKPOINTCOMPENSATION,
    )


def _applied(transform: Any, image: Image.Image) -> Image.Image:
    converted: Image.Image = _cms().applyTransform(image, transform)
    return converted
