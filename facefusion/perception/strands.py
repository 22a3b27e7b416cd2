"""Finds strands, edges of hats or cloth and their shadow, beyond the hair network's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facefusion.geometry.mask import fill_points, grown, hull, outline, skin_mask
from facefusion.geometry.topology import LEFT_BROW, RIGHT_BROW
from facefusion.types import FloatArray, Mask, Mesh, Photo

#: Side in pixels of the aligned crop in which strands are found.
CROP_SIZE: Final = 256
#: Largest width of a strand in pixels.
LARGEST_WIDTH: Final = 15
#: Share by which a strand's core is darker than the skin around it.
CORE_DARKER: Final = 0.28
#: Share by which the other pixels of a strand are darker.
EDGE_DARKER: Final = 0.15
#: CIELAB distance from the skin's colour above which a pixel is not skin.
SKIN_DISTANCE: Final = 30.0
#: Factor of the distance of pixels brighter than the skin, which may be gloss.
GLOSS: Final = 0.7
#: Standard deviation in pixels of the Gaussian that averages the skin's colour.
SKIN_SIGMA: Final = 40.0
#: Factor by which the crop is reduced for that average.
SHRINK: Final = 4
#: Opacity of hair at which strands begin.
HAIR_OPACITY: Final = 0.3
#: Largest distance in pixels between that hair and the beginning of a strand.
REACH: Final = 9
#: Growth of the outline within which strands are found: at its rim the face turns dark.
RIM: Final = -0.06
#: Growth of the brows, which are no strands.
BROWS: Final = 0.35
#: Least length of a strand in pixels: shorter spots are moles or pores.
LEAST_LENGTH: Final = 12
#: Distance in pixels at which strands count as one fringe.
JOINED_DISTANCE: Final = 9
#: Standard deviation in pixels of the edge of a fringe.
EDGE_SIGMA: Final = 1.3
#: Diameter in pixels of the dilation that covers a strand's shadow.
SHADOW_SIZE: Final = 3


def find_strands(crop: Photo, mesh: Mesh, hair: Mask, *, wide: bool = True) -> np.ndarray:
    """Finds strands that hang from hair or a hat over the forehead.

    A closing along rows (Serra, "Image Analysis and Mathematical Morphology", 1982) fills dark
    vertical structures, but not the horizontal wrinkles of a forehead. A filled area is a strand if
    it is dark enough, long enough and begins at the hair. Wider coverings are found by their colour
    distance from skin.

    Args:
        crop: (256, 256, 3) RGB uint8, the face upright and 60 % of the side.
        mesh: (468, 3) in the crop's pixels.
        hair: (N, N) float32 in [0, 1], where hair or a hat hides the face in the same crop.
        wide: whether to find coverings wider than a strand as well.

    Returns:
        (256, 256) uint8, 1 on strands.
    """
    forehead = _forehead(mesh)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    closed = without_strands(grey)
    darker = (closed - grey) / np.maximum(closed, 32)
    core = darker > CORE_DARKER
    if wide:
        core |= _distance_from_skin(crop, mesh) > SKIN_DISTANCE
    candidates = (((darker > EDGE_DARKER) | core) & (forehead > 0)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(candidates, connectivity=8)
    if count < 2:
        return np.asarray(candidates, np.uint8)
    hair_map = cv2.resize(hair, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR)
    beginnings = cv2.dilate((hair_map > HAIR_OPACITY).astype(np.uint8), _disc(2 * REACH + 1))
    lengths = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    is_strand = (lengths >= LEAST_LENGTH) & np.isin(np.arange(count), labels[beginnings > 0])
    is_strand &= np.isin(np.arange(count), labels[core])
    is_strand[0] = False
    return np.asarray(cv2.dilate(is_strand[labels].astype(np.uint8), _disc(SHADOW_SIZE)), np.uint8)


def without_strands(crop: np.ndarray) -> np.ndarray:
    """Removes dark thin structures from a crop, (256, 256) or (256, 256, 3)."""
    row = cv2.getStructuringElement(cv2.MORPH_RECT, (LARGEST_WIDTH, 1))
    return np.asarray(cv2.morphologyEx(cv2.GaussianBlur(crop, (0, 0), 0.7), cv2.MORPH_CLOSE, row))


@dataclass(frozen=True)
class Strands:
    """Single strands of a target's hair over its forehead.

    Attributes:
        skin: (256, 256, 3) float32 in [0, 255], the aligned crop without strands.
        opacity: (256, 256) float32 in [0, 1], opacity of the strands.
    """

    skin: Mask
    opacity: Mask

    @classmethod
    def of(cls, crop: Photo, mesh: Mesh, hair: Mask) -> Strands | None:
        """Finds the strands, or None if there are none; arguments as of `find_strands`."""
        strands = find_strands(crop, mesh, hair, wide=False)
        if not strands.any():
            return None
        opacity = cv2.GaussianBlur(strands.astype(np.float32), (0, 0), EDGE_SIGMA)
        return cls(np.asarray(without_strands(crop), np.float32), np.asarray(opacity, np.float32))

    @property
    def nbytes(self) -> int:
        """Bytes of both maps."""
        return self.skin.nbytes + self.opacity.nbytes


def joined(strands: np.ndarray) -> Mask:
    """Joins adjacent strands, (256, 256) uint8, to a fringe, (256, 256) float32 in [0, 1]."""
    closed = cv2.morphologyEx(strands, cv2.MORPH_CLOSE, _disc(JOINED_DISTANCE))
    fringe = np.asarray(
        cv2.morphologyEx(closed, cv2.MORPH_OPEN, _disc(JOINED_DISTANCE)), np.float32
    )
    return np.asarray(cv2.GaussianBlur(fringe, (0, 0), EDGE_SIGMA), np.float32)


def _distance_from_skin(crop: Photo, mesh: Mesh) -> FloatArray:
    """Returns the CIELAB distance (256, 256) to the colour of the nearest skin below the brows."""
    lab = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    skin = skin_mask(mesh, CROP_SIZE)
    skin[: _brow_row(mesh)] = 0
    size, sigma = (CROP_SIZE // SHRINK,) * 2, SKIN_SIGMA / SHRINK
    weight = cv2.resize(skin, size, interpolation=cv2.INTER_AREA)
    total_weight = cv2.GaussianBlur(weight, (0, 0), sigma)
    sums = cv2.GaussianBlur(
        cv2.resize(lab * skin[..., None], size, interpolation=cv2.INTER_AREA), (0, 0), sigma
    )
    mean = cv2.resize(
        sums / np.maximum(total_weight, 1e-6)[..., None],
        (CROP_SIZE, CROP_SIZE),
        interpolation=cv2.INTER_LINEAR,
    )
    distance = np.linalg.norm(lab - mean, axis=-1)
    return np.asarray(np.where(lab[..., 0] > mean[..., 0], GLOSS * distance, distance), np.float32)


def _forehead(mesh: Mesh) -> np.ndarray:
    """Returns (256, 256) uint8, 1 on the forehead, above the brows."""
    mask = np.zeros((CROP_SIZE, CROP_SIZE), np.uint8)
    fill_points(mask, outline(mesh, RIM), 1)
    for brow in (LEFT_BROW, RIGHT_BROW):
        fill_points(mask, grown(hull(mesh, brow), BROWS), 0)
    mask[_brow_row(mesh) :] = 0
    return mask


def _brow_row(mesh: Mesh) -> int:
    """Returns the mean row of the brows in pixels."""
    return round(float(mesh[list(LEFT_BROW + RIGHT_BROW), 1].mean()))


def _disc(size: int) -> np.ndarray:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
