"""Measures what lies in front of a face and past it, its beard and the opening of its mouth, from its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from facefusion.geometry.mask import fill_points, hull, widened
from facefusion.geometry.ramps import ramp
from facefusion.geometry.topology import LEFT_EYE, OUTER_LIPS, RIGHT_EYE, eye_distance
from facefusion.perception.face_parser import CROP_SIZE, NEAR, FaceParts
from facefusion.perception.face_parts import FacePart
from facefusion.types import Mask

#: Probabilities at which a pixel begins to count as a thing or a beard, and at which it counts
#: fully.
EDGE: Final = (0.3, 0.6)
#: Least probability of some pixel of a thing: less is a shadow or make-up.
CONFIDENT: Final = 0.85
#: Probability of hair that counts as a thing's, as a multiple of the thing's own.
BESIDE_HAIR: Final = 2.0
#: Probability from which on a pixel is certainly hidden: a refusal needs more than a warning. A
#: very blurred face looks like a thing to the parser, but not certainly.
CERTAIN: Final = 0.9
#: Least area of a thing inside of the face, as a share of the face.
LEAST_THING: Final = 0.006
#: Least area of background inside of the outline, as a share of the face.
LEAST_BACKGROUND: Final = 0.001
#: Probabilities at which a pixel begins to count as hair, and at which it counts fully: the rest of
#: a hairline is skin, and carries likeness.
HAIR_EDGE: Final = (0.5, 0.8)
#: Pixels by which things are widened: their edges are mixed with skin.
MIXED: Final = 2
#: Pixels at the photo's edge that count as cut off too.
CUT_MARGIN: Final = 8
#: Standard deviation in pixels of the soft edge of things and beards.
SOFT: Final = 1.0
#: Growths of the face's outline between which a beard lies along the jaw.
JAW: Final = (-0.1, 0.04)
#: Least mean probability of a beard there, below the mouth.
LEAST_BEARD: Final = 0.5
#: Mesh points of the corners of the mouth.
MOUTH_CORNERS: Final = (61, 291)
#: Mesh points at the lower ends of the nostrils.
NOSTRILS: Final = (98, 327)
#: Mesh points in the middle of the inner lips' edges.
INNER_EDGES: Final = (13, 14)
#: Distance of the lips' inner edges, as a share of the eyes' distance, over the opening that a mouth so
#: wide has at most.
GAP: Final = 0.4
#: Opening of a mouth (`mouth_opening`) below which it is closed, and above which it shows teeth.
CLOSED, SHOWS_TEETH = 0.2, 0.28
#: Standard deviation in pixels of the soft edge of a beard, which ends on skin.
BEARD_SOFT: Final = 2.5


def things(parts: FaceParts) -> Mask | None:
    """Returns where cloth, hands and other things hide a face.

    The networks often doubt between hair and a cloth over it: what may be either counts as cloth.

    Returns:
        (256, 256) float32 in [0, 1] over the aligned crop, or None if nothing does.
    """
    probability = parts.of(FacePart.CLOTH, FacePart.HAND, FacePart.THING)
    with_hair = probability + np.minimum(parts.of(FacePart.HAIR), BESIDE_HAIR * probability)
    near = parts.face(NEAR)
    opacity = np.asarray(ramp(with_hair, *EDGE), np.float32) * near
    _, labels = cv2.connectedComponents((opacity > 0).astype(np.uint8))
    face = parts.face() > 0
    areas = np.bincount(labels[face], minlength=labels.max() + 1) / max(int(face.sum()), 1)
    sure = np.zeros(len(areas), bool)
    sure[np.unique(labels[(probability > CONFIDENT) & (near > 0)])] = True
    kept = sure & (areas >= LEAST_THING)
    kept[0] = False
    if not kept.any():
        return None
    return widened(opacity * kept[labels], MIXED, SOFT)


def cut_off(parts: FaceParts) -> Mask | None:
    """Returns what the photo's edge cuts off, with a margin: a strip of hair there is not told.

    Returns:
        (256, 256) float32 in [0, 1] over the aligned crop, or None if the crop is all photo.
    """
    if parts.outside is None:
        return None
    return widened(parts.outside, CUT_MARGIN, CUT_MARGIN / 4)


def behind(parts: FaceParts) -> Mask | None:
    """Returns what is seen past a cheek or the jaw, where a mesh reaches too far.

    Returns:
        (256, 256) float32 in [0, 1] over the aligned crop, or None if it is hardly any of the face.
    """
    opacity = np.asarray(ramp(parts.of(FacePart.BACKGROUND), *EDGE), np.float32)
    face = parts.face()
    if (opacity * face).sum() < LEAST_BACKGROUND * face.sum():
        return None
    return widened(opacity * parts.face(NEAR), MIXED, SOFT)


def hair_in_front(parts: FaceParts) -> Mask | None:
    """Returns where hair of the head certainly hangs over a face, or hair or a thing does.

    Between a headcloth and the hair under it neither is certain, but that it is no skin.

    Returns:
        (256, 256) float32 in [0, 1] over the aligned crop, or None if it does nowhere.
    """
    probability = parts.of(FacePart.HAIR, FacePart.CLOTH, FacePart.HAND, FacePart.THING)
    opacity = np.asarray(ramp(probability, *HAIR_EDGE), np.float32) * parts.face(NEAR)
    if not (opacity * parts.face()).any():
        return None
    return np.asarray(cv2.GaussianBlur(opacity, (0, 0), SOFT), np.float32)


def beard(parts: FaceParts) -> Mask | None:
    """Returns where a full beard is, with what it surrounds.

    A beard that goes on beyond the face mask, along the jaw, cannot be exchanged: a ring would stay.
    Another mouth does not fit into it either: below the nose, its convex hull counts as a whole,
    with lips and moustache.

    Returns:
        (256, 256) float32 in [0, 1] over the aligned crop, or None without a full beard.
    """
    jaw = parts.face(JAW[1]) - parts.face(JAW[0])
    jaw[: round(float(parts.mesh[list(MOUTH_CORNERS), 1].mean()))] = 0
    along = float((parts.of(FacePart.BEARD) * jaw).sum() / max(float(jaw.sum()), 1.0))
    if along < LEAST_BEARD:
        return None
    opacity = np.asarray(ramp(parts.of(FacePart.BEARD), *EDGE), np.float32)
    opacity *= parts.face(NEAR)
    nose = round(float(parts.mesh[list(NOSTRILS), 1].mean()))
    below = opacity[nose:] > 0.5
    points = cv2.findNonZero(below.astype(np.uint8))
    if points is not None:
        whole = np.zeros(below.shape, np.uint8)
        cv2.fillConvexPoly(whole, cv2.convexHull(points), 1)
        opacity[nose:] = np.maximum(opacity[nose:], whole)
    return np.asarray(cv2.GaussianBlur(opacity, (0, 0), BEARD_SOFT), np.float32)


@dataclass(frozen=True)
class HiddenShares:
    """Shares of a face that are hidden, in [0, 1].

    Attributes:
        hand, thing, hair: by hands, by other things, and by hair.
        mouth: share of the face below the nose that cloth hides.
        whole: certainly, by all but hair and the frame of glasses.
        outside: cut off by the photo's edge, of the face between eyes and lips.
    """

    hand: float = 0.0
    thing: float = 0.0
    hair: float = 0.0
    mouth: float = 0.0
    whole: float = 0.0
    outside: float = 0.0

    @classmethod
    def of(cls, parts: FaceParts) -> Self:
        """Measures the shares of a face."""
        lower = parts.face()
        lower[: round(float(parts.mesh[list(NOSTRILS), 1].mean()))] = 0
        cloth, face = parts.of(FacePart.CLOTH), parts.face()
        hiding = (
            parts.of(FacePart.CLOTH, FacePart.HAND, FacePart.THING, FacePart.DARK_GLASS) > CERTAIN
        )
        return cls(
            hand=parts.share(FacePart.HAND),
            thing=parts.share(FacePart.THING),
            hair=parts.share(FacePart.HAIR),
            mouth=float((cloth * lower).sum() / max(float(lower.sum()), 1.0)),
            whole=float((hiding * face).sum() / max(float(face.sum()), 1.0)),
            outside=_share_outside(parts),
        )


def _share_outside(parts: FaceParts) -> float:
    if parts.outside is None:
        return 0.0
    inner = np.zeros(parts.outside.shape, np.uint8)
    fill_points(inner, hull(parts.mesh, LEFT_EYE + RIGHT_EYE + OUTER_LIPS), 1)
    return float(parts.outside[inner > 0].mean()) if inner.any() else 1.0


NOTHING_HIDDEN: Final = HiddenShares()


def mouth_opening(parts: FaceParts) -> float | None:
    """Measures the inside of the mouth as a share of mouth and lips, in [0, 1].

    The mesh limits it where no teeth are seen: dark lips that are closed look like the inside of a
    mouth to the parser.

    Returns:
        The share, or None where lips are hidden.
    """
    inside, lips = parts.of(FacePart.MOUTH), parts.of(FacePart.LIPS)
    area = float(inside.sum() + lips.sum())
    if area <= LEAST_THING * CROP_SIZE**2 / 4:
        return None
    opening = float(inside.sum()) / area
    upper, lower = parts.mesh[list(INNER_EDGES), :2]
    gap = float(np.linalg.norm(upper - lower)) / eye_distance(parts.mesh)
    return opening if opening > SHOWS_TEETH else min(opening, gap / GAP)


def stays_closed(source: float | None, target: float | None) -> bool:
    """Returns whether the target keeps its lips: they are closed, and the source's show teeth.

    Teeth cannot be warped into closed lips: they end as a white line.

    Args:
        source, target: `mouth_opening` of both faces.
    """
    return source is not None and target is not None and source > SHOWS_TEETH and target < CLOSED
