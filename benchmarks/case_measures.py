"""Measures of a fused photo that say whether what was wrong with a case is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image
from skimage.color import rgb2lab

from benchmarks.photos import describe, shown
from facefusion import FusionPipeline
from facefusion.evaluation.measures import cheek_tone, detail, inside_corners
from facefusion.geometry.mask import hull
from facefusion.geometry.topology import FOREHEAD, OUTER_LIPS, OVAL, eye_distance
from facefusion.images.reading import read_photo
from facefusion.perception.boxes import area
from facefusion.types import Face, Mesh

#: Change in lightness (0 to 100) from which a place of the forehead is called darker or lighter.
CONTRAST: Final = 12
#: Standard deviation in pixels of the Gaussian that grain and edges are finer than.
FINE: Final = 1.5
#: Mean change in levels from which a face counts as replaced.
REPLACED: Final = 3.0
#: Mesh points around the lower half of the beard.
CHIN: Final = (172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 17)
#: EXIF tag of the copyright.
COPYRIGHT: Final = 0x8298

#: Box in pixels: left, top, right, bottom.
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Made:
    """Two photos and the result made of them.

    Attributes:
        source, target, result: their files.
        pipeline: finds the faces.
    """

    source: Path
    target: Path
    result: Path
    pipeline: FusionPipeline

    @cached_property
    def before(self) -> np.ndarray:
        """The target as a browser shows it, (H, W, 3) RGB uint8."""
        return shown(self.target)

    @cached_property
    def after(self) -> np.ndarray:
        """The result as a browser shows it."""
        return shown(self.result)

    @cached_property
    def faces(self) -> list[Face]:
        """The faces of the target, the largest first."""
        faces = self.pipeline.find_faces(self.before)
        return sorted(faces, key=lambda face: -area(face.detection.box))

    @property
    def mesh(self) -> Mesh:
        """The mesh of the target's largest face."""
        return self.faces[0].mesh

    def change(self, inside: np.ndarray) -> float:
        """Returns the mean change in levels under a mask (H, W)."""
        return float(cv2.absdiff(self.before, self.after)[inside].mean())

    def inside(self, points: Sequence[int], mesh: Mesh | None = None) -> np.ndarray:
        """Returns the hull of mesh points as a mask (H, W)."""
        corners = hull(self.mesh if mesh is None else mesh, points)
        return inside_corners(corners, self.before.shape)


#: Says what was measured.
Measure = Callable[[Made], str]


def channels(made: Made) -> str:
    """Says how much the channels of a result differ that ought to be grey."""
    return f"{int(np.ptp(made.after, axis=2).max())} levels between the channels"


def replaced(made: Made) -> str:
    """Says how many faces were found and replaced, and who is seen where the face was.

    An upright face in a head that is upside down is nobody there.
    """
    changes = [made.change(made.inside(OVAL, face.mesh)) for face in made.faces]
    count = sum(change > REPLACED for change in changes)
    identity, source = made.pipeline.networks.identity, read_photo(made.source, "source")
    face = made.pipeline.find_faces(source)[0]
    alike = float(identity(source, face.mesh) @ identity(made.after, made.mesh))
    return (
        f"{count} of {len(changes)} faces replaced, {eye_distance(made.mesh):.0f} px between the eyes; "
        f"in its place {alike:.2f} alike"
    )


def lips(made: Made) -> str:
    """Says how much the lips have changed."""
    return f"mean change of the lips {made.change(made.inside(OUTER_LIPS)):.1f} levels"


def untouched(*boxes: Box) -> Measure:
    """Measures how much things in boxes have changed, of which the worst counts."""

    def measure(made: Made) -> str:
        worst = 0.0
        for left, top, right, bottom in boxes:
            inside = np.zeros(made.before.shape[:2], bool)
            inside[top:bottom, left:right] = True
            worst = max(worst, made.change(inside))
        return f"mean change there {worst:.1f} levels"

    return measure


def forehead(made: Made) -> str:
    """Says how much of the forehead is much darker or lighter than it was."""
    inside = made.inside(FOREHEAD)
    change = (rgb2lab(made.after) - rgb2lab(made.before))[..., 0][inside]
    darker, lighter = (change < -CONTRAST).mean(), (change > CONTRAST).mean()
    return f"forehead: {darker:.0%} much darker than it was, {lighter:.0%} much lighter"


def beard(made: Made) -> str:
    """Says how much of the texture at the chin is left."""
    return f"texture at the chin {_detail_ratio(made, made.inside(CHIN)):.2f} of the photo's"


def grain(made: Made) -> str:
    """Says how much fine detail the face has."""
    return f"fine detail of the face {_detail_ratio(made, made.inside(OVAL)):.2f} of the photo's"


def _detail_ratio(made: Made, inside: np.ndarray) -> float:
    return detail(made.after, inside, FINE) / detail(made.before, inside, FINE)


def light(made: Made) -> str:
    """Says how far the cheeks are from the photo's colour, and how much their colour varies."""
    distance = np.linalg.norm(
        cheek_tone(made.after, made.mesh) - cheek_tone(made.before, made.mesh)
    )
    inside = made.inside(OVAL)
    new, old = (_variation(photo, inside) for photo in (made.after, made.before))
    return f"cheeks: dE {distance:.1f}; colour of the face varies by {new:.1f}, the photo's by {old:.1f}"


def _variation(photo: np.ndarray, inside: np.ndarray) -> float:
    """Returns the standard deviation of a* and b* together."""
    return float(np.linalg.norm(rgb2lab(photo)[inside][:, 1:].std(0)))


def kept(made: Made) -> str:
    """Says what the result has of the photo's file."""
    said = [describe(made.target, made.result)]
    with Image.open(made.target) as target, Image.open(made.result) as result:
        said += ["copyright"] * (COPYRIGHT in result.getexif())
        if "transparency" in target.info:
            old, new = (np.asarray(each.convert("RGBA"))[..., 3] for each in (target, result))
            said.append(f"the photo's alpha in {(old == new).mean():.0%} of the pixels")
    return ", ".join(said)
