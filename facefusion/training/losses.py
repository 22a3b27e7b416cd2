"""Losses of the fusion networks; images (N, 3, H, W) in [0, 1], weights and masks (N, 1, H, W)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from facefusion.nets.coarse import fuse

#: Standard deviation, as a share of the side, of the blur that separates low-frequency from fine
#: colour of a residual: about a cheek's width, the scale on which light and its colour change.
SLOW_COLOUR: Final = 0.12
#: Side in pixels of the cells that are averaged before that much wider blur: 16 times faster.
SLOW_COLOUR_CELL: Final = 4
#: Cosine similarity to the target's person that a fusion may gain over the plain warp: the cost of
#: the target's light and of the mask's edge.
GAIN_MARGIN: Final = 0.03
#: Cosine similarity to the source's person that it may lose where glasses are worn, for the same
#: reason.
LOSS_MARGIN: Final = 0.05


def blur(x: Tensor, sigma: float) -> Tensor:
    """Blurs with a separable Gaussian; borders are reflected."""
    radius = int(2.5 * sigma + 0.5)
    t = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (t / sigma) ** 2)
    kernel = kernel / kernel.sum()
    channels = x.shape[1]
    x = functional.pad(x, (radius,) * 4, mode="reflect")
    x = functional.conv2d(x, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
    return functional.conv2d(
        x, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels
    )


def weighted_l1(found: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Returns the weighted mean absolute difference."""
    return ((found - truth).abs() * weight).sum() / (3 * weight.sum()).clamp(min=1)


def fine_chroma(delta: Tensor, weight: Tensor) -> Tensor:
    """Returns the weighted mean absolute fine chroma of a residual.

    Chroma is RGB minus its mean; fine is what a blur of `SLOW_COLOUR` removes. Without this loss
    the residual gains identity similarity by red noses and lips; the low-frequency colour of light
    is not penalised.

    Args:
        delta: (N, 3, H, W) RGB; H and W multiples of 4.
        weight: (N, 1, H, W).
    """
    chroma = delta - delta.mean(1, keepdim=True)
    small = functional.avg_pool2d(chroma, SLOW_COLOUR_CELL)
    slow = blur(small, SLOW_COLOUR * small.shape[-1])
    slow = functional.interpolate(slow, size=delta.shape[-2:], mode="bilinear", align_corners=False)
    return weighted_l1(chroma, slow, weight)


def identity_leak(
    fused: Tensor, plain: Tensor, target: Tensor, source: Tensor, no_glasses: Tensor
) -> Tensor:
    """Returns the similarity gained to the target's person plus that lost to the source's.

    Mean cosine similarities, relative to the plain warp. Glasses dominate an identity embedding, so
    the identity loss leaves out pairs with glasses; for those, this loss alone prevents the
    residual from drawing the target's own face.

    Args:
        fused, plain: (N, D) unit-length embeddings of the fused faces, and of the warped sources
            under the face masks.
        target, source: (N, D) of the two people.
        no_glasses: (N,) 1 where neither wears glasses: the identity loss covers those pairs.
    """

    def similarity(face: Tensor, person: Tensor) -> Tensor:
        return (face * person).sum(1)

    gained = functional.relu(similarity(fused, target) - similarity(plain, target) - GAIN_MARGIN)
    lost = functional.relu(similarity(plain, source) - similarity(fused, source) - LOSS_MARGIN)
    return (gained + lost * (1 - no_glasses)).mean()


def coarse_distance(
    images: Mapping[str, Tensor], fused: Tensor, mask: Tensor, delta: Tensor
) -> Tensor:
    """Returns how far the coarse answer is from the averaged refined one, which is not trained by it.

    Args:
        images: `warped`, `target` (N, 3, S, S) and `face` (N, 1, S, S).
        fused: (N, 3, S, S), the refined answer's crop.
        mask, delta: the coarse answer, (N, 1 and 3, s, s).
    """
    size = mask.shape[-2:]
    warped, target, face, wanted = (
        functional.interpolate(each, size=size, mode="area")
        for each in (images["warped"], images["target"], images["face"], fused.detach())
    )
    return weighted_l1(fuse(warped, target, mask, delta), wanted, face)


def overlap(found: Tensor, truth: Tensor) -> Tensor:
    """Returns the soft Dice coefficients (N,) of pairs of maps (N, H, W) in [0, 1].

    Milletari et al., 3DV 2016.
    """
    return (2 * (found * truth).sum((1, 2)) + 1) / (found.sum((1, 2)) + truth.sum((1, 2)) + 1)


def gradient_l1(found: Tensor, truth: Tensor, weight: Tensor, scales: int = 3) -> Tensor:
    """Returns the mean absolute difference of image gradients at several halved scales."""
    total = found.new_zeros(())
    for scale in range(scales):
        if scale:
            found, truth, weight = (functional.avg_pool2d(x, 2) for x in (found, truth, weight))
        difference = found - truth
        across = (difference[..., :, 1:] - difference[..., :, :-1]).abs() * weight[..., :, 1:]
        down = (difference[..., 1:, :] - difference[..., :-1, :]).abs() * weight[..., 1:, :]
        total = total + (across.sum() + down.sum()) / (3 * weight.sum()).clamp(min=1)
    return total / scales


def sampled(images: Tensor, matrices: Tensor, size: int) -> Tensor:
    """Cuts crops, differentiably.

    Args:
        images: (N, 3, S, S).
        matrices: (N, 2, 3) transforms from crop pixels to pixels of `images`.
        size: side of the crops in pixels.

    Returns:
        (N, 3, size, size).
    """
    steps = torch.arange(size, dtype=images.dtype, device=images.device)
    v, h = torch.meshgrid(steps, steps, indexing="ij")
    places = torch.stack([h, v, torch.ones_like(h)], dim=-1).view(1, -1, 3) @ matrices.transpose(
        1, 2
    )
    grid = (2 * places + 1) / images.shape[-1] - 1
    return functional.grid_sample(
        images, grid.view(-1, size, size, 2), align_corners=False, padding_mode="reflection"
    )


def arcface_crops(images: Tensor, points: Tensor, template: Tensor, size: int = 112) -> Tensor:
    """Cuts ArcFace crops, differentiably.

    Args:
        images: (N, 3, S, S).
        points: (N, 5, 2) eyes, nose, mouth corners in pixels of `images`.
        template: (5, 2) the points' positions in the crop, in pixels.
        size: side of the crops in pixels.

    Returns:
        (N, 3, size, size).
    """
    count, side = len(images), images.shape[-1]
    # Least-squares similarity from the image to the crop, u = s p, s = (c, d) as a complex number,
    # as `align` fits it; sampling needs its inverse, p = u / s.
    u = template - template.mean(0)
    centre = points.mean(1, keepdim=True)
    p = points - centre
    norm = (p**2).sum((1, 2))
    c = (p * u).sum((1, 2)) / norm
    d = (p[..., 0] * u[:, 1] - p[..., 1] * u[:, 0]).sum(1) / norm
    a, b = c / (c**2 + d**2), -d / (c**2 + d**2)
    steps = torch.arange(size, dtype=images.dtype, device=images.device)
    v, h = torch.meshgrid(
        steps - template[:, 1].mean(), steps - template[:, 0].mean(), indexing="ij"
    )
    x = a.view(-1, 1, 1) * h - b.view(-1, 1, 1) * v + centre[:, :, 0:1]
    y = b.view(-1, 1, 1) * h + a.view(-1, 1, 1) * v + centre[:, :, 1:2]
    grid = torch.stack([(2 * x + 1) / side - 1, (2 * y + 1) / side - 1], dim=-1)
    return functional.grid_sample(
        images, grid.view(count, size, size, 2), align_corners=False, padding_mode="reflection"
    )
