"""Tone curves of a batch, as formulas (`compose.tone`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from facefusion.compose.tone import GAMMA_RANGE, TONE_RANGE
from facefusion.training.tensors.filters import constant

#: Linear sRGB to CIE XYZ over the white of D65, by rows.
_TO_XYZ: Final = (
    (0.412453 / 0.950456, 0.357580 / 0.950456, 0.180423 / 0.950456),
    (0.212671, 0.715160, 0.072169),
    (0.019334 / 1.088754, 0.119193 / 1.088754, 0.950227 / 1.088754),
)
#: CIE XYZ over the white of D65 to linear sRGB, by rows.
_FROM_XYZ: Final = (
    (3.240479 * 0.950456, -1.53715, -0.498535 * 1.088754),
    (-0.969256 * 0.950456, 1.875991, 0.041556 * 1.088754),
    (0.055648 * 0.950456, -0.204043, 1.057311 * 1.088754),
)
#: Relative luminance up to which L* is linear, and L* there.
_LINEAR_Y: Final = 0.008856
_LINEAR_L: Final = 8.0


@dataclass(frozen=True)
class Curve:
    """A gain times a power of levels in [0, 1], for each batch item and channel.

    Attributes:
        gamma, gain: (B, 3), or (B, 1) for all channels.
    """

    gamma: Tensor
    gain: Tensor

    def __call__(self, image: Tensor) -> Tensor:
        """Applies the curves to images (B, 3, S, S) in [0, 1]."""
        powered = image ** self.gamma[..., None, None]
        return (powered * self.gain[..., None, None]).clamp(0, 1)

    def weakened(self, share: Tensor) -> Self:
        """Interpolates in the logarithm between no change, at a share (B or 1, 1) of 0, and this."""
        return type(self)(self.gamma**share, self.gain**share)


def tone_curve(source: Tensor, target: Tensor) -> Curve:
    """Makes the curves that map tones (B, 3) in [0, 1] to others by a gamma for each channel."""
    _, _, gamma = _gammas(source, target)
    return Curve(gamma, torch.ones_like(gamma))


def scaled_curve(source: Tensor, target: Tensor) -> Curve:
    """Extends `tone_curve` by a gain where the largest gamma does not reach a darker tone.

    The channel that needs most decides for all (`facefusion.compose.tone.scaled_curve`).
    """
    low, high, gamma = _gammas(source, target)
    common = (high / low**gamma).clamp(max=1).amin(1, keepdim=True)
    reached = (high / common).clamp(max=TONE_RANGE[1])
    again = (reached.log() / low.log()).clamp(*GAMMA_RANGE)
    gamma = torch.where(common < 1, again, gamma)
    return Curve(gamma, (high / low**gamma).clamp(max=1))


def gain_curve(source: Tensor, target: Tensor) -> Curve:
    """Makes the curves that map tones (B, 3) to darker ones by a gain, to brighter by a gamma."""
    low, high = source.clamp(*TONE_RANGE), target.clamp(*TONE_RANGE)
    darker, one = high <= low, torch.ones_like(low)
    return Curve(
        torch.where(darker, one, high.log() / low.log()), torch.where(darker, high / low, one)
    )


def lab(colour: Tensor) -> Tensor:
    """Converts sRGB colours (B, 3) in [0, 1] to CIELAB (D65)."""
    linear = torch.where(
        colour <= 0.04045, colour / 12.92, ((colour.clamp(min=0) + 0.055) / 1.055) ** 2.4
    )
    xyz = _multiplied(_TO_XYZ, linear)
    root = torch.where(xyz > _LINEAR_Y, xyz.clamp(min=_LINEAR_Y) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = root.unbind(1)
    luminance = torch.where(xyz[:, 1] > _LINEAR_Y, 116 * y - 16, 903.3 * xyz[:, 1])
    return torch.stack([luminance, 500 * (x - y), 200 * (y - z)], 1)


def from_lab(colour: Tensor) -> Tensor:
    """Converts CIELAB (D65) to the nearest sRGB colours (B, 3) in [0, 1]."""
    luminance, a, b = colour.unbind(1)
    dark = luminance <= _LINEAR_L
    root = torch.where(dark, 7.787 * luminance / 903.3 + 16 / 116, (luminance + 16) / 116)
    ends = torch.stack([a / 500 + root, root, root - b / 200], 1)
    xyz = torch.where(ends > 7.787 * _LINEAR_Y + 16 / 116, ends**3, (ends - 16 / 116) / 7.787)
    linear = _multiplied(_FROM_XYZ, xyz).clamp(0, 1)
    return torch.where(
        linear <= 0.0031308,
        12.92 * linear,
        1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055,
    )


def _multiplied(rows: tuple[tuple[float, ...], ...], colour: Tensor) -> Tensor:
    """Multiplies colours (B, 3) by a matrix, in full precision."""
    sums = [(colour * constant(row, colour.device)).sum(1) for row in rows]
    return torch.stack(sums, 1)


def _gammas(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns both tones in the range of tones, and the clipped gamma between them."""
    low, high = source.clamp(*TONE_RANGE), target.clamp(*TONE_RANGE)
    return low, high, (high.log() / low.log()).clamp(*GAMMA_RANGE)
