"""Defines MeshNet, a regressor of 468 face-mesh points."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from facefusion.nets.blocks import ConvNormAct, InvertedResidual, ResidualBlock

INPUT_SIZE: Final = 192
POINTS: Final = 468
#: Dimensions of the linear shape space between the image features and the points.
SHAPE_DIMENSIONS: Final = 112


class MeshNet(nn.Module):
    """Regressor of face-mesh points through a linear shape space.

    Input: (N, 3, 192, 192) RGB in [-1, 1], the face about two thirds of the crop. Output:
    (N, 468, 3) points in units of the crop's side: x and y in [0, 1] inside it, z relative to the
    face's centre.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNormAct(3, 16, stride=2),  # 96
            ConvNormAct(16, 32, stride=2),  # 48
            ResidualBlock(32),
            InvertedResidual(32, 32, expand=2),
            ConvNormAct(32, 64, stride=2),  # 24
            ResidualBlock(64),
            ResidualBlock(64),
            ConvNormAct(64, 96, stride=2),  # 12
            InvertedResidual(96, 96),
            InvertedResidual(96, 96),
            InvertedResidual(96, 96, expand=4),
            InvertedResidual(96, 96, expand=4),
            ConvNormAct(96, 128, stride=2),  # 6
            InvertedResidual(128, 128, expand=2),
            InvertedResidual(128, 128),
            ConvNormAct(128, 32, 1),
            nn.Flatten(),
        )
        self.shape = nn.Linear(32 * 6 * 6, SHAPE_DIMENSIONS)
        self.points = nn.Linear(SHAPE_DIMENSIONS, POINTS * 3)

    def start_from(self, mean: Tensor, basis: Tensor) -> None:
        """Initialises the last layer with the principal components of face meshes.

        Args:
            mean: (1404,) mean mesh.
            basis: (1404, 112) components, scaled.
        """
        with torch.no_grad():
            self.points.bias.copy_(mean)
            self.points.weight.copy_(basis)

    def located(self, features: Tensor) -> Tensor:
        """Regresses the points from the image features (N, 1152)."""
        return self.points(self.shape(features)).view(-1, POINTS, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.located(self.features(x))
