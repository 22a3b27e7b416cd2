"""Defines IdentityNet, a 128-dimensional face embedding with ArcFace's input format.

Its stages have output shapes equal to the teacher's, so that each stage can be trained on the
teacher's own features (`training/`). That needs far fewer people than training on the embedding
alone.
"""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

from facefusion.nets.blocks import ConvNormAct, InvertedResidual, ResidualBlock

EMBEDDING_SIZE: Final = 128
INPUT_SIZE: Final = 112


def _stem() -> nn.Sequential:
    return nn.Sequential(
        ConvNormAct(3, 32, stride=2),
        ConvNormAct(32, 32, groups=32),
        ConvNormAct(32, 64, 1, act=False),
        nn.ReLU(inplace=True),
    )


#: Additional residual blocks of each stage in the identity network used as a judge in training.
JUDGE_BLOCKS: Final = (0, 1, 1, 2, 2)


class IdentityNet(nn.Module):
    """Face embedding network.

    Input: (N, 3, 112, 112) RGB in [-1, 1], an ArcFace crop. Output: (N, 128), not normalised.

    Args:
        more: additional residual blocks of each stage. They begin as identities, so the weights of
            a smaller network fit a larger one, which then starts from the same function.
    """

    def __init__(self, more: tuple[int, ...] = (0,) * 5) -> None:
        super().__init__()
        stages = [
            _stem(),  # 56 x 56 x 64
            nn.Sequential(
                ConvNormAct(64, 64, stride=2), ConvNormAct(64, 64, act=False), ResidualBlock(64)
            ),  # 28
            nn.Sequential(
                ConvNormAct(64, 128, stride=2),
                ConvNormAct(128, 128, 1, act=False),
                ResidualBlock(128),
            ),
            nn.Sequential(ResidualBlock(128)),  # 14 x 14 x 128
            nn.Sequential(
                ConvNormAct(128, 128, stride=2), InvertedResidual(128, 128, expand=2)
            ),  # 7 x 7 x 128
        ]
        for stage, channels, count in zip(stages, (64, 64, 128, 128, 128), more, strict=True):
            stage.extend([ResidualBlock(channels, silent=True) for _ in range(count)])
        self.stages = nn.ModuleList(stages)
        self.head = nn.Sequential(
            ConvNormAct(128, 384, 1),
            nn.Conv2d(384, 384, 7, groups=384, bias=False),
            nn.BatchNorm2d(384),
            nn.Conv2d(384, EMBEDDING_SIZE, 1, bias=False),
            nn.BatchNorm2d(EMBEDDING_SIZE),
            nn.Flatten(),
        )

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return self.head(x)
