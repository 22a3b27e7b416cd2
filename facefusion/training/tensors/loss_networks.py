"""Runs frozen networks for the losses of fused faces: identity, expression, features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from facefusion.geometry.align import ARCFACE_TEMPLATE, FUSION_FACE_SHARE, MESH_FACE_SHARE
from facefusion.geometry.shape import EXPRESSION_POINTS
from facefusion.nets.identity import INPUT_SIZE as IDENTITY_SIZE
from facefusion.nets.identity import JUDGE_BLOCKS, IdentityNet
from facefusion.nets.mesh import INPUT_SIZE as MESH_SIZE
from facefusion.nets.mesh import MeshNet
from facefusion.training.tensors.discriminators import Lite0
from facefusion.training.tensors.faces import PackedFaces
from facefusion.training.tensors.teacher import Program

#: Standard deviation of the landmarks' jitter in shares of the side; without jitter, the residual
#: would overfit one pixel grid.
POINT_JITTER: Final = 0.0055
#: Standard deviations of MeshNet's view: turn in radians, log scale, shift in shares of the side.
VIEW_TURN: Final = 0.06
VIEW_SCALE: Final = 0.05
VIEW_SHIFT: Final = 0.015
#: Standard deviations of the log contrast, of the log gain of a channel, and of the noise.
CONTRAST: Final = 0.12
CHANNEL_GAIN: Final = 0.06
NOISE: Final = 0.015
#: Faces that are embedded at once.
CHUNK: Final = 64


@dataclass(frozen=True)
class LossFiles:
    """Files of the frozen networks.

    Attributes:
        judge, mesh: safetensors of the project's own networks.
        lite0: state dict of EfficientNet-Lite0.
        teacher: MobileFaceNet as a `Program`, or None to leave it out.
    """

    judge: Path
    mesh: Path
    lite0: Path
    teacher: Path | None = None


class LossNetworks:
    """The frozen networks on a device.

    Args:
        files: their files.
        device: where they run, in bfloat16 where these are exact enough.
    """

    def __init__(self, files: LossFiles, device: torch.device) -> None:
        self.device = device
        judge, mesh = IdentityNet(JUDGE_BLOCKS), MeshNet()
        judge.load_state_dict(load_file(files.judge))
        mesh.load_state_dict(load_file(files.mesh))
        self.mesh = _frozen(mesh, device)
        self.lite0 = _frozen(Lite0(files.lite0), device)
        #: Networks that judge identity; none of them gives the fusion networks their embedding.
        self.judges: list[nn.Module] = [_frozen(judge, device)]
        if files.teacher is not None:
            self.judges.append(_frozen(Program.load(files.teacher), device))
        self._template = torch.from_numpy(ARCFACE_TEMPLATE).to(device)
        self._points = torch.tensor(EXPRESSION_POINTS, device=device)
        self._arcface_steps = torch.arange(IDENTITY_SIZE, device=device, dtype=torch.float32)
        self._mesh_steps = torch.arange(MESH_SIZE, device=device, dtype=torch.float32)

    def autocast(self) -> Any:
        """Returns a context of mixed precision."""
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)

    @torch.no_grad()
    def embed_faces(self, faces: PackedFaces) -> list[Tensor]:
        """Returns the embeddings (N, 128) of all faces by each judge."""
        side = max(faces.crops)
        parts = [
            self.embed(
                faces.crops[side][i : i + CHUNK].float() / 255,
                faces.points[i : i + CHUNK] * side - 0.5,
            )
            for i in range(0, len(faces), CHUNK)
        ]
        return [torch.cat(each) for each in zip(*parts, strict=True)]

    def embed(self, images: Tensor, points: Tensor, *, jitter: bool = False) -> list[Tensor]:
        """Returns the unit-length embeddings (N, 128) of faces by each judge.

        Args:
            images: (N, 3, S, S) in [0, 1].
            points: (N, 5, 2) eyes, nose and corners of the mouth in pixels.
            jitter: whether to vary the view and the camera slightly at random.
        """
        if jitter:
            points = points + POINT_JITTER * images.shape[-1] * torch.randn_like(points)
        crops = self._arcface_crops(images, points)
        if jitter:
            crops = _varied(crops)
        crops = (crops * 2 - 1).contiguous(memory_format=torch.channels_last)
        with self.autocast():
            found = [judge(crops) for judge in self.judges]
        return [functional.normalize(each.float()) for each in found]

    def views(self, count: int, side: int, *, jitter: bool) -> Tensor:
        """Returns transforms (N, 2, 3) from MeshNet's crop to a fusion crop of `side` pixels."""
        strength = 1.0 if jitter else 0.0
        turn = strength * VIEW_TURN * torch.randn(count, device=self.device)
        scale = torch.exp(strength * VIEW_SCALE * torch.randn(count, device=self.device))
        scale = scale * side / MESH_SIZE * FUSION_FACE_SHARE / MESH_FACE_SHARE
        cos, sin = scale * turn.cos(), scale * turn.sin()
        linear = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
        shift = strength * VIEW_SHIFT * side * torch.randn(count, 2, device=self.device)
        offset = (side - 1) / 2 + shift - linear.sum(2) * (MESH_SIZE - 1) / 2
        return torch.cat([linear, offset[..., None]], 2)

    def expression(self, images: Tensor, views: Tensor) -> Tensor:
        """Returns MeshNet's expression points (N, P, 2) in shares of its crop's side."""
        y, x = torch.meshgrid(self._mesh_steps, self._mesh_steps, indexing="ij")
        places = torch.stack([x, y, torch.ones_like(x)], -1).view(1, -1, 3) @ views.mT
        crops = _sampled(images, places.view(-1, MESH_SIZE, MESH_SIZE, 2)) * 2 - 1
        with self.autocast():
            features = self.mesh.features(crops.contiguous(memory_format=torch.channels_last))
        return self.mesh.located(features.float()).index_select(1, self._points)[..., :2]

    def expression_error(
        self, fused: Tensor, target: Tensor, points: Tensor, *, jitter: bool
    ) -> Tensor:
        """Returns the mean distance of expression points, in eye distances.

        Args:
            fused, target: (N, 3, S, S) in [0, 1].
            points: (N, 5, 2) of the targets in pixels.
            jitter: whether to vary the view slightly at random.
        """
        side = fused.shape[-1]
        views = self.views(len(fused), side, jitter=jitter)
        with torch.no_grad():
            wanted = self.expression(target, views)
        share = FUSION_FACE_SHARE / MESH_FACE_SHARE
        eyes = (points[:, 0] - points[:, 1]).norm(dim=1) / (side * share)
        distance = (self.expression(fused, views) - wanted).norm(dim=-1)
        return (distance.mean(1) / eyes).mean()

    def feature_loss(self, found: Tensor, truth: Tensor) -> Tensor:
        """Returns the mean squared distance of EfficientNet-Lite0's unit-length features."""
        with self.autocast():
            own = self.lite0(found)[:4]
            with torch.no_grad():
                wanted = self.lite0(truth)[:4]
        distances = [
            (functional.normalize(a.float(), dim=1) - functional.normalize(b.float(), dim=1))
            .pow(2)
            .sum(1)
            .mean()
            for a, b in zip(own, wanted, strict=True)
        ]
        return torch.stack(distances).mean()

    def _arcface_crops(self, images: Tensor, points: Tensor) -> Tensor:
        """Cuts ArcFace crops (N, 3, 112, 112), differentiably.

        The least-squares similarity from the image to the crop is u = s p with s a complex number;
        sampling needs its inverse.
        """
        template = self._template
        u = template - template.mean(0)
        centre = points.mean(1, keepdim=True)
        p = points - centre
        norm = (p**2).sum((1, 2))
        c = (p * u).sum((1, 2)) / norm
        d = (p[..., 0] * u[:, 1] - p[..., 1] * u[:, 0]).sum(1) / norm
        a, b = c / (c**2 + d**2), -d / (c**2 + d**2)
        steps = self._arcface_steps
        v, h = torch.meshgrid(
            steps - template[:, 1].mean(), steps - template[:, 0].mean(), indexing="ij"
        )
        x = a.view(-1, 1, 1) * h - b.view(-1, 1, 1) * v + centre[:, :, :1]
        y = b.view(-1, 1, 1) * h + a.view(-1, 1, 1) * v + centre[:, :, 1:]
        return _sampled(images, torch.stack([x, y], -1))


def _frozen(net: Any, device: torch.device) -> Any:
    return net.requires_grad_(False).eval().to(device, memory_format=torch.channels_last)


def _sampled(images: Tensor, places: Tensor) -> Tensor:
    """Samples images (N, 3, S, S) at places (N, h, w, 2) in pixels."""
    grid = (2 * places + 1) / images.shape[-1] - 1
    return functional.grid_sample(images, grid, align_corners=False, padding_mode="reflection")


def _varied(crops: Tensor) -> Tensor:
    """Changes contrast, colour gains and noise of crops (N, 3, S, S) at random."""
    count, device = len(crops), crops.device
    level = crops.mean((2, 3), keepdim=True)
    contrast = torch.exp(CONTRAST * torch.randn(count, 1, 1, 1, device=device))
    gains = torch.exp(CHANNEL_GAIN * torch.randn(count, 3, 1, 1, device=device))
    return (level + (crops - level) * contrast) * gains + NOISE * torch.randn_like(crops)
