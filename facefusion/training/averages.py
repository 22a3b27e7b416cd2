"""Averages the weights of a network while it is trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def move_average(averaged: nn.Module, trained: nn.Module, share: float | Tensor) -> None:
    """Moves parameters and buffers of `averaged` a share of the way to those of `trained`.

    Integers are copied.
    """
    pairs = zip(averaged.state_dict().values(), trained.state_dict().values(), strict=True)
    for average, value in pairs:
        if average.dtype.is_floating_point:
            average.lerp_(value, share)
        else:
            average.copy_(value)
