"""Judges identity and expression of fused faces with frozen networks, for the losses."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from facefusion.geometry.align import ARCFACE_TEMPLATE, FUSION_FACE_SHARE, MESH_FACE_SHARE
from facefusion.geometry.shape import EXPRESSION_POINTS
from facefusion.nets.identity import JUDGE_BLOCKS, IdentityNet
from facefusion.nets.mesh import INPUT_SIZE as MESH_SIZE
from facefusion.nets.mesh import MeshNet
from facefusion.nets.segmentation import HairNet, SpectaclesNet
from facefusion.perception.coverings import Coverings
from facefusion.training.loop import to_input
from facefusion.training.losses import arcface_crops, sampled
from facefusion.training.samples.data import AlignedFaces
from facefusion.training.tasks.hair import find_hair
from facefusion.training.tasks.identity import arcface_crop
from facefusion.training.tasks.spectacles import find_spectacles

#: Standard deviation of the landmarks' jitter in shares of the side; without jitter, the residual
#: would overfit one pixel grid.
POINT_JITTER: Final = 0.0055
#: Standard deviations of the jitter of MeshNet's view: radians, log scale, shares of the side.
VIEW_JITTER: Final = (0.06, 0.05, 0.015)
#: Standard deviations of the log gain of a colour, the log contrast, and the noise as a share of
#: the range.
CAMERA_JITTER: Final = (0.06, 0.12, 0.015)

#: Networks that judge, in the order of the arguments of `Judges`.
JUDGING: Final = ("identity", "judge", "mesh", "spectacles", "hair")


class Judges:
    """The project's own networks, frozen; in 16 bits where these are exact enough.

    Identity is judged by a larger network than the one that ships (`serving`): fusion takes the
    latter's embedding as input and would overfit it.

    Args:
        identity: safetensors file of the IdentityNet that ships.
        judge: safetensors file of the larger IdentityNet.
        mesh: safetensors file of MeshNet.
        spectacles: safetensors file of SpectaclesNet.
        hair: safetensors file of HairNet.
    """

    def __init__(
        self, identity: Path, judge: Path, mesh: Path, spectacles: Path, hair: Path
    ) -> None:
        self.serving, self.identity, self.mesh = IdentityNet(), IdentityNet(JUDGE_BLOCKS), MeshNet()
        self.spectacles, self.hair = SpectaclesNet(), HairNet()
        files = {
            self.serving: identity, self.identity: judge, self.mesh: mesh, self.spectacles: spectacles, self.hair: hair,
        }  # fmt: skip
        for net, path in files.items():
            net.load_state_dict(load_file(path))
            net.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        self.template = torch.from_numpy(ARCFACE_TEMPLATE)

    @torch.no_grad()
    def embed(self, faces: AlignedFaces, *, serving: bool = False) -> Tensor:
        """Returns the unit-length embeddings (N, 128) of unchanged faces.

        By the judge or, with `serving`, by the network that ships.
        """
        net = self.serving if serving else self.identity
        crops = np.stack(
            [arcface_crop(c, m) for c, m in zip(faces.crops, faces.meshes, strict=True)]
        )
        parts = [
            net(to_input(torch.from_numpy(crops[i : i + 64]))) for i in range(0, len(crops), 64)
        ]
        return functional.normalize(torch.cat(parts))

    def worn(self, faces: AlignedFaces) -> list[Coverings]:
        """Finds the coverings of each face; glasses only on faces that are labelled as such."""
        glasses, hair = find_spectacles(self.spectacles, faces), find_hair(self.hair, faces)
        return [Coverings(*each) for each in zip(glasses, hair, strict=True)]

    def recognise(self, images: Tensor, points: Tensor, *, jitter: bool = False) -> Tensor:
        """Returns the unit-length embeddings of the faces in `images`, by the judge.

        Args:
            images: (N, 3, S, S) in [0, 1].
            points: (N, 5, 2) eyes, nose, mouth corners in pixels of `images`.
            jitter: whether to vary the view and the camera slightly at random.

        Returns:
            (N, 128).
        """
        if jitter:
            points = points + POINT_JITTER * images.shape[-1] * torch.randn_like(points)
        crops = arcface_crops(images, points, self.template)
        if jitter:
            gain, contrast, noise = CAMERA_JITTER
            level = crops.mean((2, 3), keepdim=True)
            crops = level + (crops - level) * torch.exp(contrast * torch.randn(len(crops), 1, 1, 1))
            crops = crops * torch.exp(
                gain * torch.randn(len(crops), 3, 1, 1)
            ) + noise * torch.randn_like(crops)
        with torch.autocast("cpu", torch.bfloat16):
            found = self.identity((crops * 2 - 1).contiguous(memory_format=torch.channels_last))
        return functional.normalize(found.float())

    def expression_error(
        self, out: Tensor, target: Tensor, points: Tensor, *, jitter: bool = False
    ) -> Tensor:
        """Measures the mean distance of the fused faces' expression from the target's.

        Distances are between MeshNet's expression points, in eye distances.

        Args:
            out, target: (N, 3, S, S) in [0, 1], fusion crops.
            points: (N, 5, 2) of the target in their pixels.
            jitter: whether to vary the view slightly at random.
        """
        size = out.shape[-1]
        views = _mesh_views(len(out), size, jitter)
        with torch.no_grad():
            wanted = self._expression(target, views)
        eyes = (points[:, 0] - points[:, 1]).norm(dim=1) / (
            size * FUSION_FACE_SHARE / MESH_FACE_SHARE
        )
        return ((self._expression(out, views) - wanted).norm(dim=-1).mean(1) / eyes).mean()

    def _expression(self, images: Tensor, views: Tensor) -> Tensor:
        """Returns MeshNet's expression points (N, P, 2) in shares of its crop's side."""
        crops = sampled(images, views, MESH_SIZE) * 2 - 1
        with torch.autocast("cpu", torch.bfloat16):
            features = self.mesh.features(crops.contiguous(memory_format=torch.channels_last))
        return self.mesh.located(features.float())[:, EXPRESSION_POINTS, :2]


def _mesh_views(count: int, size: int, jitter: bool) -> Tensor:
    """Returns transforms (N, 2, 3) from MeshNet's crop to a fusion crop of `size` pixels.

    The fusion crop shows the same face, larger.
    """
    turn, grow, shift = VIEW_JITTER if jitter else (0.0, 0.0, 0.0)
    angle, scale = turn * torch.randn(count), torch.exp(grow * torch.randn(count))
    scale = scale * size / MESH_SIZE * FUSION_FACE_SHARE / MESH_FACE_SHARE
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    linear = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    centre = torch.full((2,), (MESH_SIZE - 1) / 2)
    offset = (size - 1) / 2 + shift * size * torch.randn(count, 2) - linear @ centre
    return torch.cat([linear, offset[..., None]], dim=2)
