"""Draws slightly different views of aligned crops, as inexact detections give them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor
from torch.nn import functional

#: Standard deviation of a view's turn in radians.
TURN: Final = math.radians(1.5)
#: Standard deviation of a view's log scale.
SCALE: Final = 0.03
#: Standard deviation of a view's shift, as a share of the crop's side.
SHIFT: Final = 0.01
#: Order of eyes, nose and corners of the mouth in a mirrored image.
MIRRORED_POINTS: Final = (1, 0, 2, 4, 3)


@dataclass(frozen=True)
class Views:
    """Views of crops: similarities from a view to its crop, in shares of the sides.

    Attributes:
        linear: (N, 2, 2).
        shift: (N, 2), the crop's position of the view's centre.
        sign: (N,) -1 for mirrored views, else 1.
    """

    linear: Tensor
    shift: Tensor
    sign: Tensor

    def __getitem__(self, rows: slice) -> Self:
        return type(self)(self.linear[rows], self.shift[rows], self.sign[rows])

    @classmethod
    def plain(cls, count: int, device: torch.device) -> Self:
        """Returns views that are the crops themselves."""
        linear = torch.eye(2, device=device).expand(count, 2, 2)
        shift = torch.full((count, 2), 0.5, device=device)
        return cls(linear, shift, torch.ones(count, device=device))

    @classmethod
    def drawn(cls, count: int, mirrored: float, device: torch.device) -> Self:
        """Draws views, mirrored with a probability."""
        turn = torch.randn(count, device=device) * TURN
        scale = torch.exp(torch.randn(count, device=device) * SCALE)
        sign = 1 - 2 * (torch.rand(count, device=device) < mirrored).float()
        cos, sin = scale * turn.cos(), scale * turn.sin()
        linear = torch.stack([cos * sign, -sin, sin * sign, cos], 1).view(count, 2, 2)
        shift = 0.5 + torch.randn(count, 2, device=device) * SHIFT
        return cls(linear, shift, sign)

    def grid(self, side: int) -> Tensor:
        """Returns the crops' positions (N, side, side, 2) of the views' pixels."""
        steps = (torch.arange(side, device=self.shift.device) + 0.5) / side - 0.5
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        places = torch.stack([x, y], -1).view(1, -1, 2) @ self.linear.transpose(1, 2)
        return (places + self.shift[:, None]).view(len(self.shift), side, side, 2)

    def points(self, points: Tensor) -> Tensor:
        """Returns eyes, nose and corners of the mouth (N, 5, 2) of the crops in the views."""
        # The inverse of a similarity, mirrored or not, is its transpose over its squared scale.
        scale = (self.linear**2).sum((1, 2), keepdim=True) / 2
        placed = (points - self.shift[:, None]) @ self.linear / scale + 0.5
        mirrored = torch.stack([placed[:, i] for i in MIRRORED_POINTS], 1)
        return torch.where(self.sign.view(-1, 1, 1) < 0, mirrored, placed)


def placed(
    images: Tensor, grid: Tensor, *, cubic: bool = False, outside: str = "reflection"
) -> Tensor:
    """Samples images (N, C, H, W) at positions (N, h, w, 2) in shares of their sides."""
    return functional.grid_sample(
        images,
        grid * 2 - 1,
        mode="bicubic" if cubic else "bilinear",
        padding_mode=outside,
        align_corners=False,
    )
