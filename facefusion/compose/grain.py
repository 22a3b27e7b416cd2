"""Noise of a photo's kind: its spectrum, its colours, and its dependence on brightness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from facefusion.compose.bands import FEWEST, Band, robust
from facefusion.compose.pyramid import laplacian
from facefusion.compose.tone import LUMA
from facefusion.types import FloatArray

#: Side in pixels of the noise that is repeated over a face, its seed, and its levels.
SIDE: Final = 512
SEED: Final = 1983
LEVELS: Final = 5
#: Steps of an int8 per standard deviation of the noise: it is cut off at 4.
STEPS: Final = 31
#: Places up to which missing skin texture, too, is made up for by noise, in pixels of a 224 px
#: crop, and the share of its variance: pores are no noise, and more than this looks like grain.
FINE: Final = 1.1
TEXTURE: Final = 0.25
_TINY: Final = 1e-6
#: Standard deviation of noise in grey levels that is not worth the time.
NO_NOISE: Final = 0.15
#: Levels over which noise spreads.
REACH: Final = 4
#: Rounds of the search for deviations that give a spectrum.
ROUNDS: Final = 60
#: Standard deviations in pixels of the Gaussians between which an octave of noise lies: of the
#: finest level, and of the others on the next finer grid; and pixels beyond a tile that they need.
OCTAVES: Final = ((0.0, 1.0), (1.0, 2.2))
_EDGE: Final = 12
#: Bins of brightness, and the range of their standard deviation over the mean one.
BINS: Final = 6
RANGE: Final = (0.2, 2.0)
#: Most that the deviation changes, as a share of it, beyond the darkest and the brightest skin.
BEYOND: Final = 0.6


def grid_of(k: int) -> int:
    """Level on whose grid the noise of level k is made: finer than it, or it would lack detail."""
    return max(k - 1, 0)


@lru_cache(maxsize=1)
def unit_noise() -> tuple[np.ndarray, ...]:
    """Periodic noise for each level, of that level's octave, on the grid of `grid_of`.

    Returns:
        (s, s, 3) int8, finest first; independent channels, `STEPS` a standard deviation.
    """
    rng, tiles = np.random.default_rng(SEED), []
    for k in range(LEVELS):
        white = rng.standard_normal((SIDE >> grid_of(k),) * 2 + (3,), np.float32)
        wide = cv2.copyMakeBorder(white, *(_EDGE,) * 4, cv2.BORDER_WRAP)
        finer, coarser = OCTAVES[min(k, 1)]
        sharp = cv2.GaussianBlur(wide, (0, 0), finer) if finer else wide
        band = (sharp - cv2.GaussianBlur(wide, (0, 0), coarser))[_EDGE:-_EDGE, _EDGE:-_EDGE]
        tiles.append(np.clip(np.rint(STEPS / band.std() * band), -127, 127).astype(np.int8))
        tiles[-1].flags.writeable = False  # shared by all threads
    return tuple(tiles)


@lru_cache(maxsize=1)
def coupling() -> np.ndarray:
    """Coupling of the levels: a Laplacian pyramid is no orthogonal transform.

    Returns:
        (n, n): the variance in level j of the unit noise of level k.
    """
    variances = np.zeros((LEVELS, LEVELS))
    for k, tile in enumerate(unit_noise()):
        grid = grid_of(k)
        first = max(grid - 1, 0)  # nothing of it lies in finer levels
        image: FloatArray = np.asarray(tile / np.float32(STEPS), np.float32)
        image = np.asarray(cv2.copyMakeBorder(image, *(_EDGE,) * 4, cv2.BORDER_WRAP), np.float32)
        for _ in range(grid - first):
            image = np.asarray(cv2.pyrUp(image), np.float32)
        for j, level in enumerate(laplacian(image, min(LEVELS - first, REACH))[:-1], first):
            measured = level if j else level[::2, 1::2]  # the finest as in `Pyramid`
            # Away from the edges, where the pyramids know no periodic border.
            edge = min(_EDGE, len(measured) // 4)
            variances[j, k] = np.mean(measured[edge:-edge, edge:-edge] ** 2)
    return variances


def decoupled(wanted: Sequence[FloatArray]) -> list[FloatArray]:
    """Covariances to put into the levels, so that noise with the wanted ones comes out of them.

    The non-negative solution of Richardson (1972) and Lucy (1974): not every spectrum can be had.
    """
    variances = np.full(LEVELS, _TINY)
    variances[: len(wanted)] += [max(float(np.trace(each)), 0.0) for each in wanted]
    couple, found = coupling(), variances.copy()
    for _ in range(ROUNDS):
        found *= couple.T @ (variances / (couple @ found)) / couple.sum(0)
    shares = found / variances
    return [np.asarray(each * by, np.float32) for each, by in zip(wanted, shares, strict=False)]


def root_of(covariance: FloatArray) -> FloatArray:
    """The symmetric square root of a positive semidefinite (3, 3) matrix."""
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T, np.float32)


def tile_of(covariances: Sequence[FloatArray], grid: int) -> FloatArray | None:
    """Periodic noise of all levels that are made on a grid.

    Args:
        covariances: (3, 3) of the RGB channels for each level, finest first.
        grid: see `grid_of`.

    Returns:
        (s, s, 3) float32; None where there is next to none.
    """
    total: FloatArray | None = None
    for k, covariance in enumerate(covariances):
        if grid_of(k) == grid and float(np.trace(covariance)) > NO_NOISE**2:
            tile = unit_noise()[k].astype(np.float32)
            noise = cv2.transform(tile, root_of(covariance) / np.float32(STEPS))
            total = np.asarray(noise if total is None else cv2.add(total, noise), np.float32)
    return total


def placed(tile: FloatArray, shape: tuple[int, ...], origin: tuple[int, int]) -> FloatArray:
    """A window of periodic noise, which lies still in the photo wherever the window is.

    Args:
        tile: (s, s, 3).
        shape: (h, w, ...) of the window.
        origin: its top and left in the photo, on the tile's grid.
    """
    size = len(tile)
    (top, height), (left, width) = (
        (start % size, length) for start, length in zip(origin, shape[:2], strict=True)
    )
    if top + height <= size:
        tile, top = tile[top : top + height], 0
    repeated = cv2.repeat(tile, -(-(top + height) // len(tile)), -(-(left + width) // size))
    return np.asarray(repeated[top : top + height, left : left + width], np.float32)


def _semidefinite(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 0)) @ vectors.T)


def _noise_colour(theirs: Band, own: Band) -> np.ndarray:
    """(3, 3) covariance of the target's noise over the variance of its luma.

    It is what structure coloured as the new face's does not explain.
    """
    structure = max(theirs.dense**2 - theirs.noise**2, 0.0)
    left = _semidefinite(theirs.dense**2 * theirs.colour - structure * own.colour)
    return np.asarray(left / max(float(LUMA @ left @ LUMA), 1e-6))


def missing(
    target: Sequence[Band], face: Sequence[Band], gains: Sequence[float]
) -> list[FloatArray]:
    """Covariances (3, 3) of the noise that each level lacks once its gain is applied."""
    found: list[FloatArray] = []
    colour, surest = np.zeros((3, 3)), 0.0
    for theirs, own, gain in zip(target[:LEVELS], face[:LEVELS], gains[:LEVELS], strict=True):
        if theirs.noise > surest * theirs.energy:
            colour, surest = _noise_colour(theirs, own), theirs.noise / theirs.energy
        lacking = max(theirs.energy**2 - (gain * own.energy) ** 2, 0.0)
        noise = float(np.clip(theirs.noise**2 - (gain * own.noise) ** 2, 0, lacking))
        texture = 0.0
        if theirs.place <= FINE:
            texture = float(
                np.clip(
                    TEXTURE * (theirs.dense**2 - (gain * own.dense) ** 2) - noise,
                    0,
                    lacking - noise,
                )
            )
        along = theirs.colour @ LUMA
        found.append(np.asarray(noise * colour + texture * np.outer(along, along), np.float32))
    return found


@dataclass(frozen=True)
class Brightness:
    """How the deviation of noise depends on brightness.

    Attributes:
        table: (256,) float32, over the mean deviation on skin.
    """

    table: FloatArray

    @classmethod
    def even(cls) -> Brightness:
        """The same deviation everywhere."""
        return cls(np.ones(256, np.float32))

    @classmethod
    def measured(cls, band: Band, luma: np.ndarray, brightness: np.ndarray) -> Brightness:
        """Measures it on skin, as far as the band is noise.

        Args:
            band: the level with most noise.
            luma: (N,) the level's luma at places on skin.
            brightness: (N,) luma in [0, 255] of a smooth version of the photo there.
        """
        order = np.array_split(np.argsort(brightness, kind="stable"), BINS)
        if len(luma) < BINS * FEWEST or band.noise <= 0:
            return cls.even()
        scales = np.array([robust(luma[bin])[1] for bin in order]) / max(band.dense, 1e-6)
        scales = np.clip(scales, *RANGE) ** (band.noise / max(band.dense, band.noise))
        middles = np.array([np.median(brightness[bin]) for bin in order])
        levels = np.arange(256)
        table = np.interp(levels, middles, scales)
        darker, brighter = np.minimum(levels - middles[0], 0), np.maximum(levels - middles[-1], 0)
        for end, inner, beyond in ((0, 1, darker), (-1, -2, brighter)):
            slope = (scales[end] - scales[inner]) / max(middles[end] - middles[inner], 1.0, key=abs)
            table += np.clip(slope * beyond, -BEYOND * scales[end], BEYOND * scales[end])
        return cls(np.clip(table, *RANGE).astype(np.float32))

    def over(self, luma: np.ndarray) -> FloatArray:
        """Factors for the noise where a smooth face has this luma, of its shape."""
        return np.asarray(self.table[np.clip(luma + 0.5, 0, 255).astype(np.uint8)], np.float32)
