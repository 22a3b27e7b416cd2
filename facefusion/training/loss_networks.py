"""Computes losses of fused faces with frozen networks: identity and expression."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from facefusion.geometry.align import ARCFACE_TEMPLATE, FUSION_FACE_SHARE, MESH_FACE_SHARE
from facefusion.geometry.shape import EXPRESSION_POINTS
from facefusion.nets.identity import JUDGE_BLOCKS, IdentityNet
from facefusion.nets.mesh import INPUT_SIZE as MESH_SIZE
from facefusion.nets.mesh import MeshNet
from facefusion.nets.parser import FaceParserNet
from facefusion.perception.coverings import Coverings
from facefusion.training.loop import to_input
from facefusion.training.loss_views import POINT_JITTER, mesh_views, vary_camera
from facefusion.training.losses import LOSS_NETWORKS, arcface_crops, sampled
from facefusion.training.samples.data import AlignedFaces
from facefusion.training.tasks.identity import arcface_crop
from facefusion.training.tasks.parser import find_coverings


class LossNetworks:
    """The project's own networks, frozen; in 16 bits where these are exact enough.

    Identity is judged by a larger network (`judge`) than the one that ships (`identity`): fusion
    takes the latter's embedding as input and would overfit it.

    Args:
        files: safetensors file of each of `LOSS_NETWORKS`; others are ignored.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.identity, self.judge = IdentityNet(), IdentityNet(JUDGE_BLOCKS)
        self.mesh = MeshNet()
        self.parser = FaceParserNet()
        for name in LOSS_NETWORKS:
            net: nn.Module = getattr(self, name)
            net.load_state_dict(load_file(files[name]))
            net.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        self.template = torch.from_numpy(ARCFACE_TEMPLATE)

    @classmethod
    def from_folder(cls, checkpoints: Path) -> Self:
        """Loads the networks from the folder that training exports them to."""
        return cls({name: checkpoints / f"{name}.safetensors" for name in LOSS_NETWORKS})

    @torch.no_grad()
    def embed_faces(self, faces: AlignedFaces, *, shipped: bool = False) -> Tensor:
        """Returns the unit-length embeddings (N, 128) of unchanged faces.

        By the judge or, with `shipped`, by the network that ships.
        """
        net = self.identity if shipped else self.judge
        crops = np.stack(
            [arcface_crop(crop, mesh) for crop, mesh in zip(faces.crops, faces.meshes, strict=True)]
        )
        parts = [
            net(to_input(torch.from_numpy(crops[i : i + 64]))) for i in range(0, len(crops), 64)
        ]
        return functional.normalize(torch.cat(parts))

    def find_coverings(self, faces: AlignedFaces) -> list[Coverings]:
        """Finds the coverings of each face; glasses only on faces that are labelled as such."""
        return find_coverings(self.parser, faces)

    def embed_images(self, images: Tensor, points: Tensor, *, jitter: bool = False) -> Tensor:
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
            crops = vary_camera(crops)
        with torch.autocast("cpu", torch.bfloat16):
            embeddings = self.judge((crops * 2 - 1).contiguous(memory_format=torch.channels_last))
        return functional.normalize(embeddings.float())

    def expression_error(
        self, fused: Tensor, target: Tensor, points: Tensor, *, jitter: bool = False
    ) -> Tensor:
        """Measures the mean distance of the fused faces' expression from the target's.

        Distances are between MeshNet's expression points, in eye distances.

        Args:
            fused, target: (N, 3, S, S) in [0, 1], fusion crops.
            points: (N, 5, 2) of the target in their pixels.
            jitter: whether to vary the view slightly at random.
        """
        size = fused.shape[-1]
        views = mesh_views(len(fused), size, fused.device, jitter=jitter)
        with torch.no_grad():
            truth = self._expression_points(target, views)
        eyes = (points[:, 0] - points[:, 1]).norm(dim=1) / (
            size * FUSION_FACE_SHARE / MESH_FACE_SHARE
        )
        error = (self._expression_points(fused, views) - truth).norm(dim=-1)
        return (error.mean(1) / eyes).mean()

    def _expression_points(self, images: Tensor, views: Tensor) -> Tensor:
        """Returns MeshNet's expression points (N, P, 2) in shares of its crop's side."""
        crops = sampled(images, views, MESH_SIZE) * 2 - 1
        with torch.autocast("cpu", torch.bfloat16):
            features = self.mesh.features(crops.contiguous(memory_format=torch.channels_last))
        return self.mesh.located(features.float())[:, EXPRESSION_POINTS, :2]
