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
from facefusion.nets.identity import JUDGE_BLOCKS, IdentityNet
from facefusion.nets.mesh import INPUT_SIZE as MESH_SIZE
from facefusion.nets.mesh import MeshNet
from facefusion.training.loss_views import POINT_JITTER, mesh_views, vary_camera
from facefusion.training.losses import arcface_crops, sampled
from facefusion.training.tensors.discriminators import Lite0
from facefusion.training.tensors.faces import PackedFaces
from facefusion.training.tensors.teacher import Program

#: Faces that are embedded at once.
CHUNK: Final = 64


@dataclass(frozen=True)
class LossFiles:
    """Files of the frozen networks.

    Attributes:
        judge, mesh: safetensors of the project's own networks.
        lite0: state dict of EfficientNet-Lite0, or None to do without its features.
        teacher: MobileFaceNet as a `Program`, or None to leave it out.
    """

    judge: Path
    mesh: Path
    lite0: Path | None = None
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
        #: Network of features, or None.
        self.lite0 = None if files.lite0 is None else _frozen(Lite0(files.lite0), device)
        #: Networks that judge identity; none of them gives the fusion networks their embedding.
        self.judges: list[nn.Module] = [_frozen(judge, device)]
        if files.teacher is not None:
            self.judges.append(_frozen(Program.load(files.teacher), device))
        self._template = torch.from_numpy(ARCFACE_TEMPLATE).to(device)
        self._points = torch.tensor(EXPRESSION_POINTS, device=device)

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
        crops = arcface_crops(images, points, self._template)
        if jitter:
            crops = vary_camera(crops)
        crops = (crops * 2 - 1).contiguous(memory_format=torch.channels_last)
        with self.autocast():
            found = [judge(crops) for judge in self.judges]
        return [functional.normalize(each.float()) for each in found]

    def expression(self, images: Tensor, views: Tensor) -> Tensor:
        """Returns MeshNet's expression points (N, P, 2) in shares of its crop's side."""
        crops = sampled(images, views, MESH_SIZE) * 2 - 1
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
        views = mesh_views(len(fused), side, self.device, jitter=jitter)
        with torch.no_grad():
            wanted = self.expression(target, views)
        share = FUSION_FACE_SHARE / MESH_FACE_SHARE
        eyes = (points[:, 0] - points[:, 1]).norm(dim=1) / (side * share)
        distance = (self.expression(fused, views) - wanted).norm(dim=-1)
        return (distance.mean(1) / eyes).mean()

    def feature_loss(self, lite0: Lite0, found: Tensor, truth: Tensor) -> Tensor:
        """Returns the mean squared distance of EfficientNet-Lite0's unit-length features."""
        with self.autocast():
            own = lite0(found)[:4]
            with torch.no_grad():
                wanted = lite0(truth)[:4]
        distances = [
            (functional.normalize(a.float(), dim=1) - functional.normalize(b.float(), dim=1))
            .pow(2)
            .sum(1)
            .mean()
            for a, b in zip(own, wanted, strict=True)
        ]
        return torch.stack(distances).mean()


def _frozen(net: Any, device: torch.device) -> Any:
    return net.requires_grad_(False).eval().to(device, memory_format=torch.channels_last)
