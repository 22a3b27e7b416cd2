"""Trains IdentityNet by distillation.

First each stage is trained on the teacher's features, then the whole network on its embedding.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.geometry.align import ARCFACE_TEMPLATE, chain, similarity_transform
from facefusion.geometry.topology import five_points
from facefusion.nets.identity import INPUT_SIZE, IdentityNet
from facefusion.training.identity_teacher import IdentityTeacher
from facefusion.training.loop import Batch, to_input
from facefusion.training.pictures import tiled
from facefusion.training.samples.augment import jittered, photometric
from facefusion.training.samples.data import AlignedFaces
from facefusion.training.samples.identity_faces import (
    arcface_crop,
    arcface_crops,
    augmented_copies,
    fuse_faces,
    warp_and_blend,
)

#: Share of the training in which each stage's input is the teacher's; later it is the student's.
STAGEWISE: Final = 0.25
#: Share of fused faces among the samples of the judge network.
FUSED_SHARE: Final = 0.5
#: Number of fused val faces that are evaluated.
VAL_FUSED: Final = 280


class IdentityTask:
    """Training of IdentityNet on faces warped to other faces' geometry and blended with others.

    This multiplies the thousand people of the data set.

    Args:
        train, val: aligned faces.
        teacher: file of MobileFaceNet.
        net: the student; a new IdentityNet by default.
    """

    name = "identity"
    #: Share of the samples that are fused: one face in another photo.
    fused_share = 0.0
    #: Share of the training in which each stage's input is the teacher's.
    stagewise_share = STAGEWISE

    def __init__(
        self,
        train: AlignedFaces,
        val: AlignedFaces,
        teacher: Path,
        net: IdentityNet | None = None,
    ) -> None:
        self.net = net or IdentityNet()
        self.faces, self.val = train, val
        self.teacher = IdentityTeacher(teacher)
        self.val_crops = arcface_crops(val)
        self.val_truth = self.teacher(self.val_crops)[-1]
        self.val_sources = np.arange(VAL_FUSED) % len(val)
        fused = [
            fuse_faces(np.random.default_rng((17, i)), val, int(source))
            for i, source in enumerate(self.val_sources)
        ]
        self.val_fused = np.stack([arcface_crop(image, mesh) for image, mesh in fused])
        self.val_fused_truth = self.teacher(self.val_fused)[-1]

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        source = int(rng.integers(len(self.faces)))
        if rng.random() < self.fused_share:
            image, mesh = fuse_faces(rng, self.faces, source)
        else:
            image, mesh = warp_and_blend(rng, self.faces, source)
        return {"face": self._view(rng, image, mesh)}

    @staticmethod
    def _view(rng: np.random.Generator, image: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        matrix = similarity_transform(five_points(mesh), ARCFACE_TEMPLATE)
        matrix = chain(jittered(rng, INPUT_SIZE, 3.5, 0.05, 2 / INPUT_SIZE), matrix)
        face = cv2.warpAffine(
            image, matrix, (INPUT_SIZE, INPUT_SIZE), borderMode=cv2.BORDER_REFLECT_101
        )
        if rng.random() < 0.5:
            face = face[:, ::-1]
        return np.ascontiguousarray(photometric(rng, face, 0.8))

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        *taps, truth = (torch.from_numpy(output) for output in self.teacher(batch["face"].numpy()))
        stagewise = progress < self.stagewise_share
        x = to_input(batch["face"])
        total, figures = torch.zeros(()), {}
        for number, (stage, tap) in enumerate(zip(self.net.stages, taps, strict=True)):
            with torch.autocast("cpu", torch.bfloat16):
                out = stage(x)
            error = functional.mse_loss(out.float(), tap) / tap.var()
            total = total + error * (1.0 if stagewise else 0.3)
            figures[f"stage{number}"] = float(error.detach())
            x = tap.contiguous(memory_format=torch.channels_last) if stagewise else out
        embedding = functional.normalize(self.net.head(x.float()))
        cosine = (embedding * truth).sum(1)
        # Also the similarities between faces, which verification depends on.
        similarities = functional.mse_loss(embedding @ embedding.T, truth @ truth.T)
        figures["cosine"] = float(cosine.detach().mean())
        return total + 3 * (1 - cosine).mean() + 5 * similarities, figures

    @torch.no_grad()
    def embed(self, net: nn.Module, faces: np.ndarray) -> np.ndarray:
        return functional.normalize(net(to_input(torch.from_numpy(faces)))).numpy()

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        found = self.embed(net, self.val_crops)
        copies = augmented_copies(np.random.default_rng(1), self.val)
        fused = self.embed(net, self.val_fused)
        # Cosine of a fused face to the source, to compare the student with the teacher as judges.
        student_cosines = (fused * found[self.val_sources]).sum(1)
        teacher_cosines = (self.val_fused_truth * self.val_truth[self.val_sources]).sum(1)
        return {
            "val_cosine": float((found * self.val_truth).sum(1).mean()),
            "val_pair_correlation": pair_correlation(found, self.val_truth),
            "fused_cosine": float((fused * self.val_fused_truth).sum(1).mean()),
            "fused_correlation": float(np.corrcoef(student_cosines, teacher_cosines)[0, 1]),
            "fused_student": float(student_cosines.mean()),
            "fused_teacher": float(teacher_cosines.mean()),
            "val_auc": verification_auc(found, self.embed(net, copies)),
            "teacher_auc": verification_auc(self.val_truth, self.teacher(copies)[-1]),
        }

    def picture(self, net: nn.Module) -> np.ndarray:
        """Shows 16 val faces beside similarity matrices of 32: teacher left, student right."""
        found = self.embed(net, self.val_crops[:32])
        panels = [tiled(self.val_crops[:16], 4)]
        for embeddings in (self.val_truth[:32], found):
            levels = (255 * np.clip(embeddings @ embeddings.T, 0, 1)).astype(np.uint8)
            levels = cv2.resize(levels, (448, 448), interpolation=cv2.INTER_NEAREST)
            panels.append(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1])
        return np.concatenate([_padded(panel, 448) for panel in panels], 1)


class JudgeTask(IdentityTask):
    """Training of the larger identity network: half of its samples are fused faces."""

    name = "judge"
    fused_share = FUSED_SHARE
    stagewise_share = 0.0


def _padded(picture: np.ndarray, height: int) -> np.ndarray:
    """Adds black rows at the bottom up to `height`."""
    return np.pad(picture, ((0, height - picture.shape[0]), (0, 0), (0, 0)))


def pair_correlation(found: np.ndarray, truth: np.ndarray) -> float:
    """Returns the correlation of the similarities of all pairs, for two sets of embeddings."""
    upper = np.triu_indices(len(found), 1)
    return float(np.corrcoef((found @ found.T)[upper], (truth @ truth.T)[upper])[0, 1])


def verification_auc(references: np.ndarray, copies: np.ndarray) -> float:
    """Returns the area under the ROC curve of matching copies to references.

    Positives are a copy and its own reference, negatives a copy and any other reference.
    """
    scores = copies @ references.T
    same = np.diag(scores)
    other = scores[~np.eye(len(scores), dtype=bool)]
    ranks = np.searchsorted(np.sort(other), same)
    return float(ranks.mean() / len(other))
