"""Holds the page's own files: the icon, drawn by code, the picture of link previews, a manifest."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

#: Width and height in pixels of the picture of link previews; 1.91 to 1 is what sites crop it to.
PREVIEW_SIZE: Final = (1200, 630)
#: That picture; `python -m benchmarks.preview` makes it.
PREVIEW: Final = Path(__file__).parent / "assets" / "preview.jpg"
#: Sides of the PNG icons: browsers' manifests ask for 192 and 512.
ICON_SIDES: Final = (192, 512)
#: Side of the icon's coordinates.
_SIDE: Final = 64
#: Two heads that overlap: (left, top, right, bottom) of their ovals, and their colours.
_GROUND, _OVERLAP = "#4f46e5", "#312e81"
_LEFT, _RIGHT = ((11, 14, 39, 50), "#ffffff"), ((25, 14, 53, 50), "#a5b4fc")


@dataclass(frozen=True)
class OwnFile:
    """The content of a file, and its media type."""

    media_type: str
    content: bytes


@cache
def own_files(title: str) -> dict[str, OwnFile]:
    """Returns the files by the path of their address.

    Args:
        title: of the page.
    """
    return {
        "/icon.svg": OwnFile("image/svg+xml", icon_svg().encode()),
        **{f"/icon-{side}.png": OwnFile("image/png", icon_png(side)) for side in ICON_SIDES},
        "/favicon.ico": OwnFile("image/png", icon_png(48)),
        "/preview.jpg": OwnFile("image/jpeg", PREVIEW.read_bytes()),
        "/manifest.json": OwnFile("application/manifest+json", _manifest(title)),
    }


def icon_svg() -> str:
    """Returns the icon as SVG."""

    def oval(box: tuple[int, int, int, int], rest: str) -> str:
        left, top, right, bottom = box
        return (
            f'<ellipse cx="{(left + right) / 2:g}" cy="{(top + bottom) / 2:g}" '
            f'rx="{(right - left) / 2:g}" ry="{(bottom - top) / 2:g}" {rest}/>'
        )

    (left, left_color), (right, right_color) = _LEFT, _RIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIDE} {_SIDE}">'
        f'<clipPath id="left">{oval(left, "")}</clipPath>'
        f'<rect width="{_SIDE}" height="{_SIDE}" rx="14" fill="{_GROUND}"/>'
        + oval(left, f'fill="{left_color}"')
        + oval(right, f'fill="{right_color}"')
        + oval(right, f'fill="{_OVERLAP}" clip-path="url(#left)"')
        + "</svg>"
    )


def icon_png(side: int) -> bytes:
    """Returns the icon as PNG, `side` pixels wide and high."""
    scale = 4 * side / _SIDE  # drawn four times as large and shrunk: PIL's edges are not smooth
    size = (4 * side, 4 * side)
    (left, left_color), (right, right_color) = _LEFT, _RIGHT

    def oval(box: tuple[int, int, int, int]) -> Image.Image:
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).ellipse([scale * value for value in box], fill=255)
        return mask

    icon = Image.new("RGBA", size)
    ImageDraw.Draw(icon).rounded_rectangle((0, 0, *size), radius=14 * scale, fill=_GROUND)
    icon.paste(left_color, mask=oval(left))
    icon.paste(right_color, mask=oval(right))
    overlap = Image.new("L", size)
    overlap.paste(oval(right), mask=oval(left))
    icon.paste(_OVERLAP, mask=overlap)
    file = io.BytesIO()
    icon.resize((side, side), Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
    return file.getvalue()


def _manifest(title: str) -> bytes:
    icons = [
        {"src": f"./icon-{side}.png", "sizes": f"{side}x{side}", "type": "image/png"}
        for side in ICON_SIDES
    ]
    content = {
        "name": title,
        "icons": [{"src": "./icon.svg", "sizes": "any", "type": "image/svg+xml"}, *icons],
        "start_url": "./",
        "display": "standalone",
        "theme_color": _GROUND,
    }
    return json.dumps(content, ensure_ascii=False).encode()
