"""Trains DetectorNet on mosaics of portraits."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facefusion.export.onnx import CONTRACTS, export_onnx
from facefusion.nets.detector import ANCHORS, STRIDES, DetectorNet
from facefusion.perception.detector import FaceDetector
from facefusion.training.loop import Batch
from facefusion.training.samples.data import FaceImage
from facefusion.training.samples.mosaics import Mosaic, make_mosaic

#: Side of the training mosaics in pixels; their faces have 16 to 400 px, as in the two detection
#: passes at serving (192 and 640 px).
TRAINING_SIZE: Final = 320
#: Anchor sizes of SCRFD in pixels; a face is assigned to those nearest on a logarithmic scale.
ANCHOR_SIZES: Final = ((16, 32), (64, 128), (256, 512))
#: Octaves between a face and its anchors: slightly over half an octave overlap, so that a face may
#: have two neighbouring anchors.
OCTAVES: Final = 0.75
#: Radius in strides around the face's centre of the locations that predict it.
RADIUS: Final = 1.5
#: Weight of the box loss against the score's.
BOX: Final = 2.0
#: Weight of the landmark loss against the score's: every alignment depends on the points.
POINTS: Final = 40.0


def assign(mosaic: Mosaic, size: int) -> dict[str, np.ndarray]:
    """Assigns the training targets of each level.

    `cls` (2, h, w) is 1, 0 or -1 (ignored); `box` is (2, 4, h, w), `kps` (2, 10, h, w).
    """
    targets: dict[str, np.ndarray] = {}
    sides = (mosaic.boxes[:, 2:] - mosaic.boxes[:, :2]).max(1) if len(mosaic.boxes) else np.zeros(0)
    for level, (stride, anchors) in enumerate(zip(STRIDES, ANCHOR_SIZES, strict=True)):
        cells = size // stride
        cls = np.zeros((ANCHORS, cells, cells), np.float32)
        box = np.zeros((ANCHORS, 4, cells, cells), np.float32)
        kps = np.zeros((ANCHORS, 10, cells, cells), np.float32)
        grid = np.arange(cells) * stride
        x, y = np.meshgrid(grid, grid)
        for face in np.argsort(-sides):  # smaller faces last, so that they overwrite larger ones
            left, top, right, bottom = mosaic.boxes[face]
            near = (
                np.maximum(abs(x - (left + right) / 2), abs(y - (top + bottom) / 2))
                <= RADIUS * stride
            )
            near &= (x > left) & (x < right) & (y > top) & (y < bottom)
            if not mosaic.clear[face]:
                cls[:, (x > left) & (x < right) & (y > top) & (y < bottom)] = -1
                continue
            for a, anchor in enumerate(anchors):
                if abs(np.log2(max(sides[face], 1) / anchor)) > OCTAVES and not (
                    sides[face] < 16 and anchor == 16
                ):
                    continue
                cls[a, near] = 1
                edges = np.stack([x - left, y - top, right - x, bottom - y])[:, near] / stride
                box[a][:, near] = edges
                steps = (mosaic.points[face].reshape(10, 1, 1) - np.stack([x, y] * 5))[
                    :, near
                ] / stride
                kps[a][:, near] = steps
        targets |= {f"cls{level}": cls, f"box{level}": box, f"kps{level}": kps}
    return targets


def giou_loss(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the generalised IoU loss and the IoU of (N, 4) distances from a common point.

    Rezatofighi et al., CVPR 2019.
    """
    overlap = (
        (torch.minimum(found[:, :2], truth[:, :2]) + torch.minimum(found[:, 2:], truth[:, 2:]))
        .clamp(min=0)
        .prod(1)
    )
    area_f, area_t = (found[:, :2] + found[:, 2:]).prod(1), (truth[:, :2] + truth[:, 2:]).prod(1)
    union = area_f + area_t - overlap
    iou = overlap / union.clamp(min=1e-6)
    hull = (
        torch.maximum(found[:, :2], truth[:, :2]) + torch.maximum(found[:, 2:], truth[:, 2:])
    ).prod(1)
    return 1 - iou + (hull - union) / hull.clamp(min=1e-6), iou.detach()


def quality_focal_loss(logits: Tensor, quality: Tensor) -> Tensor:
    """Returns the summed quality focal loss with beta 2 (Li et al., NeurIPS 2020).

    Targets below 0 are ignored.
    """
    probability = logits.sigmoid()
    loss = functional.binary_cross_entropy_with_logits(
        logits, quality.clamp(min=0), reduction="none"
    )
    return (loss * (quality.clamp(min=0) - probability).abs().pow(2) * (quality >= 0)).sum()


class DetectorTask:
    """Training of the detector on mosaics with targets for each level."""

    name = "detector"

    def __init__(self, train: list[FaceImage], val: list[FaceImage], mosaics: int = 60) -> None:
        self.net = DetectorNet()
        # A second, unlabelled face in an image would train the network to miss faces.
        self.train = [face for face in train if face.faces_found == 1]
        self.val = val
        self.val_mosaics = [
            make_mosaic(np.random.default_rng((7, i)), val, 640, augment=False)
            for i in range(mosaics)
        ]

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        mosaic = make_mosaic(rng, self.train, TRAINING_SIZE)
        return {"image": mosaic.image, **assign(mosaic, TRAINING_SIZE)}

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        x = (batch["image"].permute(0, 3, 1, 2).float() - 127.5) / 128
        with torch.autocast("cpu", torch.bfloat16):
            levels = self.net(x.contiguous(memory_format=torch.channels_last))
        score, box_loss, point_loss = torch.zeros(()), torch.zeros(()), torch.zeros(())
        positives, quality_sum = 0, 0.0
        for level, maps in enumerate(levels):
            logits, boxes, points = (m.float() for m in maps)
            quality = batch[f"cls{level}"].clone()
            where = quality > 0
            if where.any():
                n, _, h, w = logits.shape
                found = boxes.view(n, ANCHORS, 4, h, w).permute(0, 1, 3, 4, 2)[where]
                truth = batch[f"box{level}"].permute(0, 1, 3, 4, 2)[where]
                loss, iou = giou_loss(found, truth)
                quality[where] = iou.clamp(min=0.05)
                box_loss = box_loss + loss.sum()
                found = points.view(n, ANCHORS, 10, h, w).permute(0, 1, 3, 4, 2)[where]
                side = (truth[:, :2] + truth[:, 2:]).amax(1, keepdim=True)
                error = (found - batch[f"kps{level}"].permute(0, 1, 3, 4, 2)[where]).abs() / side
                point_loss = point_loss + error.mean(1).sum()
                positives += int(where.sum())
                quality_sum += float(iou.sum())
            score = score + quality_focal_loss(logits, quality)
        count = max(positives, 1)
        total = (score + BOX * box_loss + POINTS * point_loss) / count
        figures = {"score": float(score.detach()) / count, "iou": quality_sum / count}
        return total, figures | {"points": float(point_loss.detach()) / count}

    def _detector(self, net: nn.Module) -> FaceDetector:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "detector.onnx"
            export_onnx(net, CONTRACTS["detector"], path)
            net.to(memory_format=torch.channels_last)
            return FaceDetector(path, threads=1)

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        return measure(self._detector(net), self.val_mosaics)

    def picture(self, net: nn.Module) -> np.ndarray:
        """Draws the boxes and points found in six val mosaics."""
        detector, tiles = self._detector(net), []
        for mosaic in self.val_mosaics[:6]:
            tile = mosaic.image.copy()
            for face in detector(tile):
                x0, y0, x1, y1 = (int(v) for v in face.box)
                cv2.rectangle(tile, (x0, y0), (x1, y1), (0, 255, 0), 2)
                for px, py in face.points:
                    cv2.circle(tile, (int(px), int(py)), 2, (255, 60, 60), -1)
            tiles.append(cv2.resize(tile, (384, 384), interpolation=cv2.INTER_AREA))
        return np.concatenate([np.concatenate(tiles[:3], 1), np.concatenate(tiles[3:], 1)], 0)


def measure(detector: FaceDetector, mosaics: list[Mosaic]) -> dict[str, float]:
    """Measures recall at IoU 0.5, false faces per image and the mean error of the five points.

    The error is in percent of the eye distance.
    """
    found_faces, all_faces, false_faces, errors = 0, 0, 0, []
    for mosaic in mosaics:
        used = np.zeros(len(mosaic.boxes), bool)
        for face in sorted(detector(mosaic.image), key=lambda f: -f.score):
            overlaps = np.array([box_iou(face.box, box) for box in mosaic.boxes])
            overlaps[used] = 0
            if not len(overlaps) or overlaps.max() < 0.5:
                false_faces += not any(
                    box_iou(face.box, box) > 0.2 for box in mosaic.boxes[~mosaic.clear]
                )
                continue
            best = int(overlaps.argmax())
            used[best] = True
            if mosaic.clear[best]:
                eyes = np.linalg.norm(mosaic.points[best][1] - mosaic.points[best][0])
                errors.append(
                    100 * np.linalg.norm(face.points - mosaic.points[best], axis=1).mean() / eyes
                )
        found_faces += int((used & mosaic.clear).sum())
        all_faces += int(mosaic.clear.sum())
    return {
        "val_recall": found_faces / max(all_faces, 1),
        "val_false_per_image": false_faces / len(mosaics),
        "val_points_pct": float(np.mean(errors)) if errors else 100.0,
    }


def box_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the IoU of two boxes, (4,) left, top, right, bottom each."""
    overlap = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(overlap / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - overlap))
