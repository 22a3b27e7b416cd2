"""Offers to bring places of the photo back in a result: the tools, and parts of the faces by name.

`scripts/repair.js` paints, in the browser alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from facefusion.geometry.topology import LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_EYE
from facefusion.types import Mesh

#: Lines by the name of a part, in pixels of the photo: half of the width, and x and y of each point.
Parts = dict[str, list[list[float]]]

#: Corners of an eye and of the mouth, as places in their outlines.
_EYE_ENDS: Final = (0, 8)
_MOUTH_ENDS: Final = (0, 10)
#: Half of a line's width over the eye's: eyelids and lashes belong to the eye, brows do not.
_EYE: Final = 0.38
#: Half of a line's width over half of the lips' height, with a rim for their edge.
_LIPS: Final = 1.3
#: Points of the oval around the forehead, and half of a line's width over their
#: distance: fringe and hairline.
_HAIRLINE: Final = OVAL[-4:] + OVAL[:5]
_HAIR: Final = 0.17
#: Values of the sliders for width and softness of the brush: smallest, largest, first.
_SIZE: Final = (2, 40, 10)
_EDGE: Final = (0, 100, 50)


def parts(meshes: Iterable[Mesh]) -> Parts:
    """Lays lines over eyes, mouth and hairline of faces.

    Args:
        meshes: (468, 3) of each face in the photo.
    """
    found: Parts = {"eyes": [], "mouth": [], "hair": []}
    for mesh in meshes:
        points = np.asarray(mesh, np.float64)[:, :2]
        for eye in (LEFT_EYE, RIGHT_EYE):
            ends = points[[eye[i] for i in _EYE_ENDS]]
            found["eyes"].append(_line(ends, _EYE * _length(ends)))
        lips = points[list(OUTER_LIPS)]
        ends = lips[list(_MOUTH_ENDS)]
        found["mouth"].append(_line(ends, _LIPS * _height(lips, ends)))
        hair = points[list(_HAIRLINE)]
        found["hair"].append(_line(hair, _HAIR * _length(hair[[0, -1]])))
    return found


def _length(ends: np.ndarray) -> float:
    return float(np.linalg.norm(ends[1] - ends[0]))


def _height(outline: np.ndarray, ends: np.ndarray) -> float:
    """Returns the largest distance of an outline from the line between its ends."""
    (dx, dy), away = ends[1] - ends[0], outline - ends[0]
    return float(np.abs(away[:, 0] * dy - away[:, 1] * dx).max() / max(_length(ends), 1e-6))


def _line(points: np.ndarray, width: float) -> list[float]:
    return [round(float(value), 1) for value in (width, *points.ravel())]


def tools() -> str:
    """Renders the tools of `scripts/repair.js`, hidden until the brush is taken."""
    named = "".join(
        _press(key, f'data-part="{name}"')
        for name, key in (
            ("eyes", "repair.eyes"),
            ("mouth", "repair.mouth"),
            ("hair", "repair.hair"),
        )
    )
    sliders = _slider("repair.size", *_SIZE) + _slider("repair.edge", *_EDGE)
    presses = "".join(_press(key) for key in ("repair.undo", "repair.clear", "repair.leave"))
    return (
        '<div class="repair" role="group" data-name="repair">'
        f'<p class="parts"><span data-say="repair.parts"></span>{named}</p>'
        f"{sliders}{presses}{_press('repair.done', kind='press main')}"
        '<p id="repair-keys" class="keys" data-say="repair.keys"></p></div>'
    )


def _press(key: str, more: str = "", kind: str = "press") -> str:
    name = key.replace(".", "-")
    return f'<button id="{name}" class="{kind}" type="button" data-say="{key}" {more}></button>'


def _slider(key: str, least: int, most: int, value: int) -> str:
    return (
        f'<label><span data-say="{key}"></span><input id="{key.replace(".", "-")}" type="range" '
        f'min="{least}" max="{most}" value="{value}"></label>'
    )
