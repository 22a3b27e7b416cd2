"""Changes light, tone and sharpness of images at random, as lamps, skins and cameras do."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from facefusion.training.tensors.draws import Draws, mix
from facefusion.training.tensors.filters import gaussian_blur

#: Least factor of a lamp's light, in the deepest shade.
DARKEST: Final = 0.08
#: Side in pixels at which lamps are computed; light is smooth.
LAMP_SIDE: Final = 64


class Light:
    """Random changes of images (N, 3, S, S) in [0, 1].

    Args:
        draws: random numbers.
        side: S, a multiple of 128.
    """

    def __init__(self, draws: Draws, side: int) -> None:
        self.draws, self.side = draws, side
        self._across = torch.linspace(-1, 1, side, device=draws.device)
        self._front = torch.tensor([0.0, 0.0, 1.0], device=draws.device)

    def photometric(self, images: Tensor, strength: float) -> Tensor:
        """Changes exposure, white balance, contrast, direction of light and saturation."""
        n, draws = len(images), self.draws
        gain = torch.exp(draws.normal(n, 0.12 * strength, 3) + draws.normal(n, 0.2 * strength))
        gamma = torch.exp(draws.normal(n, 0.25 * strength))
        images = (gain * images.clamp(1e-4, 1) ** gamma).clamp(0, 1)
        angle = draws.uniform(n, 0, 2 * math.pi)
        places = angle.cos() * self._across.view(1, 1, 1, -1)
        places = places + angle.sin() * self._across.view(1, 1, -1, 1)
        ramp = torch.tanh(draws.uniform(n, 1, 3) * (places + draws.uniform(n, -0.4, 0.4)))
        depth = draws.uniform(n, 0.2, 0.8) * strength * draws.chance(n, 0.4)
        tint = depth * (torch.rand(n, 3, 1, 1, device=draws.device) * 0.5 + 0.6)
        images = images * (1 + 0.5 * ramp * tint)
        grey = images.mean(1, keepdim=True)
        amount = mix(draws.chance(n, 0.25), torch.ones_like(angle), draws.uniform(n, -0.4, 0.8))
        return (images + amount * draws.chance(n, 0.2) * (grey - images)).clamp(0, 1)

    def camera(self, images: Tensor) -> Tensor:
        """Blurs, shrinks and roughens some of the images, as worse lenses and sensors do."""
        n, draws = len(images), self.draws
        images = mix(draws.chance(n, 0.2), gaussian_blur(images, self.side / 128), images)
        half = functional.interpolate(
            functional.avg_pool2d(images, 2), scale_factor=2, mode="bilinear", align_corners=False
        )
        images = mix(draws.chance(n, 0.2), half, images)
        noise = draws.uniform(n, 2 / 255, 12 / 255) * draws.chance(n, 0.15)
        return (images + noise * torch.randn_like(images)).clamp(0, 1)

    def lamp(self, normals: Tensor) -> tuple[Tensor, Tensor]:
        """Draws a lamp for each face (Lambert's law; gloss: Blinn-Phong, SIGGRAPH 1977).

        Args:
            normals: (N, 2, s, s), x and y of the surface's normals.

        Returns:
            Factors of the levels and levels of gloss to add, (N, 3, S, S) each.
        """
        n, draws = len(normals), self.draws
        turn, height = draws.uniform(n, 0, 2 * math.pi), draws.uniform(n, 0.15, 0.95)
        aside = (1 - height**2).sqrt()
        light = functional.normalize(
            torch.cat([aside * turn.cos(), 0.7 * aside * turn.sin(), height], 1), dim=1
        )
        length = normals.norm(dim=1, keepdim=True)
        flat = normals / length.clamp(min=1)
        front = (1 - (flat**2).sum(1, keepdim=True)).clamp(min=0).sqrt()
        surface = torch.cat([flat, front], 1)
        cosine = (surface * light).sum(1, keepdim=True)
        edge = (cosine - draws.uniform(n, 0.1, 0.7)) / draws.uniform(n, 0.02, 0.2)
        lit = mix(draws.chance(n, 0.5), torch.sigmoid(edge), cosine.clamp(0, 1))
        depth = draws.uniform(n, 0.3, 1 - DARKEST)
        colour = (1 + draws.uniform(n, 0, 0.35) * draws.normal(n, 0.5, 3)).clamp(0.5, 1.5)
        gain = 1 - depth + depth * lit * colour
        inside = (length < 0.95).float()
        level = (gain * inside).sum((1, 2, 3), keepdim=True)
        level = level / (3 * inside.sum((1, 2, 3), keepdim=True)).clamp(min=1)
        gain = (gain / level.clamp(min=0.1)).clamp(min=1e-3).sqrt()
        halfway = functional.normalize(light + self._front.view(1, 3, 1, 1), dim=1)
        gloss = (surface * halfway).sum(1, keepdim=True).clamp(1e-4, 1) ** draws.uniform(n, 8, 60)
        shine = draws.uniform(n, 0, 120 / 255) * draws.chance(n, 0.5) * gloss * colour
        both = functional.interpolate(
            torch.cat([gain, shine], 1),
            size=(self.side, self.side),
            mode="bilinear",
            align_corners=False,
        )
        return both[:, :3], both[:, 3:]

    def mottle(self, images: Tensor) -> Tensor:
        """Changes skin as matching its tone to another person's does: the truth of it is known.

        Shading gets more or less contrast, gloss is left or greyed, blotches appear, and a gamma is
        too strong.
        """
        n, draws = len(images), self.draws
        small = functional.avg_pool2d(images, 4)
        shading = gaussian_blur(small, 0.02 * self.side / 4) - gaussian_blur(
            small, 0.09 * self.side / 4
        )
        shading = functional.interpolate(
            shading, scale_factor=4, mode="bilinear", align_corners=False
        )
        contrast = torch.exp(draws.normal(n, 0.45)) - 1
        images = images + shading * contrast * draws.chance(n, 0.6)
        grey = images.mean(1, keepdim=True)
        start = draws.uniform(n, 0.5, 0.8)
        gloss = ((grey - start) / (1 - start)).clamp(0, 1)
        images = images + draws.uniform(n, -0.5, 0.9) * draws.chance(n, 0.4) * gloss * (1 - grey)
        for cells, low, high, probability in ((6, 0.05, 0.3, 0.35), (14, 0.03, 0.15, 0.2)):
            strength = draws.uniform(n, low, high) * draws.chance(n, probability)
            images = images * torch.exp(strength * draws.field(n, cells, self.side))
        gamma = torch.exp(draws.normal(n, 0.35) * draws.chance(n, 0.35))
        return images.clamp(1e-4, 1) ** gamma
