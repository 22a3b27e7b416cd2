"""Trains IdentityNet by distillation.

First each stage is trained on the teacher's features, then the whole network on its embedding.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.compose.color import match_light
from facefusion.geometry.align import ARCFACE_TEMPLATE, chain, similarity_transform
from facefusion.geometry.mask import face_mask, skin_mask
from facefusion.geometry.topology import five_points
from facefusion.nets.identity import INPUT_SIZE, IdentityNet
from facefusion.training.loop import Batch, to_input
from facefusion.training.samples.augment import camera, light, photometric
from facefusion.training.samples.data import AlignedFaces
from facefusion.training.tasks.mesh import jittered

#: Teacher outputs at the ends of the student's stages: 56, 28, 14, 14 and 7 pixels a side.
TEACHER_TAPS: Final = (
    "/dw_conv/relu_1/Relu_output_0",
    "/features/features.4/Add_output_0",
    "/features/features.8/Add_output_0",
    "/features/features.11/Add_output_0",
    "/features/features.14/Add_output_0",
)
IMAGENET_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD: Final = np.array([0.229, 0.224, 0.225], np.float32)
#: Share of the training in which each stage's input is the teacher's; later it is the student's.
STAGEWISE: Final = 0.25
#: Share of fused faces among the samples of the judge network.
FUSED: Final = 0.5
#: Number of fused val faces that are evaluated.
VAL_FUSED: Final = 280


class Teacher:
    """MobileFaceNet (Chen et al., 2018) with its intermediate features as further outputs."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        model = onnx.load(str(path))
        self.embedding = model.graph.output[0].name
        model.graph.output.extend(
            onnx.helper.make_empty_tensor_value_info(name) for name in TEACHER_TAPS
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0].name
        self.batched = isinstance(self.session.get_inputs()[0].shape[0], str)

    def __call__(self, faces: np.ndarray) -> list[np.ndarray]:
        """Returns one array for each tap, then the unit-length embedding (N, 128).

        Args:
            faces: (N, 112, 112, 3) RGB uint8.
        """
        x = (
            ((faces / np.float32(255) - IMAGENET_MEAN) / IMAGENET_STD)
            .transpose(0, 3, 1, 2)
            .astype(np.float32)
        )
        names = [*TEACHER_TAPS, self.embedding]
        if self.batched:
            outputs = self.session.run(names, {self.input: x})
        else:
            single = [self.session.run(names, {self.input: face[None]}) for face in x]
            outputs = [np.concatenate(parts) for parts in zip(*single, strict=True)]
        outputs[-1] = outputs[-1] / np.linalg.norm(outputs[-1], axis=1, keepdims=True)
        return list(outputs)


def arcface_crop(image: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Cuts the 112 px ArcFace crop of the face with this mesh."""
    matrix = similarity_transform(five_points(mesh), ARCFACE_TEMPLATE)
    return cv2.warpAffine(
        image, matrix, (INPUT_SIZE, INPUT_SIZE), borderMode=cv2.BORDER_REFLECT_101
    )


class IdentityTask:
    """Training of IdentityNet on faces warped to other faces' geometry and blended with others.

    This multiplies the thousand people of the data set.

    Args:
        train, val: aligned faces.
        teacher: MobileFaceNet.
        net: the student; a new IdentityNet by default.
        fused: share of the samples that are fused: one face in another photo.
        stagewise: share of the training in which each stage's input is the teacher's.
    """

    name = "identity"

    def __init__(
        self,
        train: AlignedFaces,
        val: AlignedFaces,
        teacher: Path,
        net: IdentityNet | None = None,
        *,
        fused: float = 0.0,
        stagewise: float = STAGEWISE,
    ) -> None:
        self.net = net or IdentityNet()
        self.fused, self.stagewise = fused, stagewise
        self.faces, self.val = train, val
        self.teacher = Teacher(teacher)
        self.val_crops = np.stack(
            [arcface_crop(c, m) for c, m in zip(val.crops, val.meshes, strict=True)]
        )
        self.val_truth = self.teacher(self.val_crops)[-1]
        draws = [(np.random.default_rng((17, i)), i % len(val)) for i in range(VAL_FUSED)]
        made = [(*self._fused(rng, val, one), one) for rng, one in draws]
        self.val_fused = np.stack([arcface_crop(image, mesh) for image, mesh, _ in made])
        self.val_sources = np.array([one for *_, one in made])
        self.val_fused_truth = self.teacher(self.val_fused)[-1]

    @staticmethod
    def _fused(
        rng: np.random.Generator, faces: AlignedFaces, one: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Puts the face `one` into another photo, as fusion does.

        It takes that photo's light, under a sometimes weak mask, with small changes of the pixels.
        """
        near = np.flatnonzero(np.abs(faces.yaws - faces.yaws[one]) < 25)
        other = int(near[rng.integers(len(near))])
        target, mesh, size = faces.crops[other], faces.meshes[other], faces.crops.shape[1]
        skin, mask = (
            skin_mask(mesh, size),
            face_mask(mesh, size) * float(rng.uniform(0.5, 1.0) if rng.random() < 0.4 else 1),
        )
        off = np.pad(rng.normal(0, 0.8, (468, 2)), ((0, 0), (0, 1)))
        warped = faces.warps[other](faces.crops[one], (faces.meshes[one] + off).astype(np.float32))
        warped = match_light(warped, target, skin)(warped)
        cells = int(rng.choice([6, 12, 24, 48]))
        paint = rng.normal(0, rng.uniform(0, 18), (cells, cells, 1)) + rng.normal(
            0, rng.uniform(0, 6), (cells, cells, 3)
        )
        painted = warped + cv2.resize(
            paint.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
        )
        out = target + mask[..., None] * (painted - target)
        return np.clip(out + 0.5, 0, 255).astype(np.uint8), mesh

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        faces = self.faces
        one = int(rng.integers(len(faces)))
        if rng.random() < self.fused:
            image, mesh = self._fused(rng, faces, one)
            return {"face": self._view(rng, image, mesh)}
        image, mesh = faces.crops[one], faces.meshes[one]
        if rng.random() < 0.6:  # another head's geometry
            other = int(rng.integers(len(faces)))
            if abs(faces.yaws[one] - faces.yaws[other]) < 30:
                image, mesh = faces.warps[other](image, mesh), faces.meshes[other]
                if rng.random() < 0.6:  # and a second person's skin
                    third = int(rng.integers(len(faces)))
                    share = (
                        rng.uniform(0.2, 0.8)
                        if abs(faces.yaws[third] - faces.yaws[other]) < 30
                        else 0.0
                    )
                    blended = faces.warps[other](faces.crops[third], faces.meshes[third])
                    image = cv2.addWeighted(image, 1 - share, blended, share, 0)
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
        stagewise = progress < self.stagewise
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
        relation = functional.mse_loss(embedding @ embedding.T, truth @ truth.T)
        figures["cosine"] = float(cosine.detach().mean())
        return total + 3 * (1 - cosine).mean() + 5 * relation, figures

    @torch.no_grad()
    def embed(self, net: nn.Module, faces: np.ndarray) -> np.ndarray:
        return functional.normalize(net(to_input(torch.from_numpy(faces)))).numpy()

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        mine = self.embed(net, self.val_crops)
        rng = np.random.default_rng(1)
        copies = np.stack(
            [
                augmented_copy(rng, c, m)
                for c, m in zip(self.val.crops, self.val.meshes, strict=True)
            ]
        )
        upper = np.triu_indices(len(mine), 1)
        pairs = np.corrcoef((mine @ mine.T)[upper], (self.val_truth @ self.val_truth.T)[upper])[
            0, 1
        ]
        teacher_copies = self.teacher(copies)[-1]
        fused = self.embed(net, self.val_fused)
        # Cosine of a fused face to the source, to compare the student with the teacher as judges.
        own = (fused * mine[self.val_sources]).sum(1)
        wanted = (self.val_fused_truth * self.val_truth[self.val_sources]).sum(1)
        return {
            "val_cosine": float((mine * self.val_truth).sum(1).mean()),
            "val_pair_correlation": float(pairs),
            "fused_cosine": float((fused * self.val_fused_truth).sum(1).mean()),
            "fused_correlation": float(np.corrcoef(own, wanted)[0, 1]),
            "fused_own": float(own.mean()),
            "fused_teacher": float(wanted.mean()),
            "val_auc": verification_auc(mine, self.embed(net, copies)),
            "teacher_auc": verification_auc(self.val_truth, teacher_copies),
        }

    def picture(self, net: nn.Module) -> np.ndarray:
        """Shows 32 val faces beside their similarity matrices: teacher left, student right."""
        mine = self.embed(net, self.val_crops[:32])
        maps = [cv2.resize((255 * np.clip(e @ e.T, 0, 1)).astype(np.uint8), (448, 448), interpolation=cv2.INTER_NEAREST)
                for e in (self.val_truth[:32], mine)]  # fmt: skip
        faces = np.concatenate(
            [np.concatenate(list(self.val_crops[4 * r : 4 * r + 4]), 1) for r in range(4)], 0
        )
        return np.concatenate(
            [faces, *(cv2.applyColorMap(m, cv2.COLORMAP_VIRIDIS)[..., ::-1] for m in maps)], 1
        )


def augmented_copy(rng: np.random.Generator, crop: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Augments a face and returns its ArcFace crop.

    The copy has other light, blur and compression, is 30 % smaller and turned by 5 degrees.
    """
    centre = crop.shape[0] / 2
    turn = cv2.getRotationMatrix2D((centre, centre), float(rng.choice([-5, 5])), 1.0)
    turned = cv2.warpAffine(crop, turn, crop.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    small = cv2.resize(turned, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    back = cv2.resize(small, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    changed = cv2.GaussianBlur(light(rng, back), (0, 0), 1.0)
    _, data = cv2.imencode(".jpg", camera(rng, changed), [cv2.IMWRITE_JPEG_QUALITY, 50])
    # The crop uses the original face's alignment: the 5 degrees remain, as after a poor detection.
    return arcface_crop(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8), mesh)


def verification_auc(references: np.ndarray, copies: np.ndarray) -> float:
    """Returns the area under the ROC curve of matching copies to references.

    Positives are a copy and its own reference, negatives a copy and any other reference.
    """
    scores = copies @ references.T
    same = np.diag(scores)
    other = scores[~np.eye(len(scores), dtype=bool)]
    ranks = np.searchsorted(np.sort(other), same)
    return float(ranks.mean() / len(other))
