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
from facefusion.training.pictures import tiled
from facefusion.training.samples.data import FaceImage, require_images
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
BOX_WEIGHT: Final = 2.0
#: Weight of the landmark loss against the score's: every alignment depends on the points.
POINT_WEIGHT: Final = 40.0
#: Side in pixels of the val mosaics, as of the second detection pass at serving.
VAL_SIZE: Final = 640
#: Least overlap (IoU) of a face that counts as found.
FOUND_IOU: Final = 0.5
#: Overlap (IoU) with a face that does not count, above which a detection is no false one.
IGNORED_IOU: Final = 0.2


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
        x, y = np.meshgrid(np.arange(cells) * stride, np.arange(cells) * stride)
        for face in np.argsort(-sides):  # smaller faces last, so that they overwrite larger ones
            left, top, right, bottom = mosaic.boxes[face]
            inside = (x > left) & (x < right) & (y > top) & (y < bottom)
            if not mosaic.clear[face]:
                cls[:, inside] = -1
                continue
            off_centre = np.maximum(abs(x - (left + right) / 2), abs(y - (top + bottom) / 2))
            near = inside & (off_centre <= RADIUS * stride)
            edges = np.stack([x - left, y - top, right - x, bottom - y])[:, near] / stride
            points = mosaic.points[face].reshape(10, 1, 1) - np.stack([x, y] * 5)
            for number, anchor in enumerate(anchors):
                if _fits(sides[face], anchor):
                    cls[number, near] = 1
                    box[number][:, near] = edges
                    kps[number][:, near] = points[:, near] / stride
        targets |= {f"cls{level}": cls, f"box{level}": box, f"kps{level}": kps}
    return targets


def _fits(side: float, anchor: int) -> bool:
    """Returns whether a face of `side` pixels is assigned to an anchor of this size.

    The smallest anchor takes all smaller faces as well.
    """
    smallest = ANCHOR_SIZES[0][0]
    is_near = abs(np.log2(max(side, 1) / anchor)) <= OCTAVES
    return bool(is_near or (side < smallest and anchor == smallest))


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
        require_images(self.name, len(self.train), "training images with exactly one face")
        self.val = val
        self.val_mosaics = [
            make_mosaic(np.random.default_rng((7, i)), val, VAL_SIZE, augment=False)
            for i in range(mosaics)
        ]

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        mosaic = make_mosaic(rng, self.train, TRAINING_SIZE)
        return {"image": mosaic.image, **assign(mosaic, TRAINING_SIZE)}

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        x = (batch["image"].permute(0, 3, 1, 2).float() - 127.5) / 128
        with torch.autocast("cpu", torch.bfloat16):
            levels = self.net(x.contiguous(memory_format=torch.channels_last))
        score_loss, box_loss, point_loss = (torch.zeros(()) for _ in range(3))
        positives, iou_sum = 0, 0.0
        for level, maps in enumerate(levels):
            logits, boxes, points = (layer.float() for layer in maps)
            quality = batch[f"cls{level}"].clone()
            assigned = quality > 0
            if assigned.any():
                truth = _chosen(batch[f"box{level}"], assigned)
                loss, iou = giou_loss(_chosen(boxes, assigned), truth)
                quality[assigned] = iou.clamp(min=0.05)
                box_loss = box_loss + loss.sum()
                side = (truth[:, :2] + truth[:, 2:]).amax(1, keepdim=True)
                true_points = _chosen(batch[f"kps{level}"], assigned)
                error = (_chosen(points, assigned) - true_points).abs() / side
                point_loss = point_loss + error.mean(1).sum()
                positives += int(assigned.sum())
                iou_sum += float(iou.sum())
            score_loss = score_loss + quality_focal_loss(logits, quality)
        count = max(positives, 1)
        total = (score_loss + BOX_WEIGHT * box_loss + POINT_WEIGHT * point_loss) / count
        figures = {"score": float(score_loss.detach()) / count, "iou": iou_sum / count}
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
        return tiled(tiles, 3)


def _chosen(values: Tensor, assigned: Tensor) -> Tensor:
    """Returns the values of the assigned anchors, (K, C).

    Args:
        values: (N, anchors * C, h, w) or (N, anchors, C, h, w).
        assigned: (N, anchors, h, w) bool, K of them true.
    """
    height, width = values.shape[-2:]
    by_anchor = values.view(len(values), ANCHORS, -1, height, width)
    return by_anchor.permute(0, 1, 3, 4, 2)[assigned]


def measure(detector: FaceDetector, mosaics: list[Mosaic]) -> dict[str, float]:
    """Measures recall at IoU 0.5, false faces per image and the mean error of the five points.

    The error is in percent of the eye distance.
    """
    found_count, face_count, false_count, errors = 0, 0, 0, []
    for mosaic in mosaics:
        found = np.zeros(len(mosaic.boxes), bool)
        for face in sorted(detector(mosaic.image), key=lambda face: -face.score):
            overlaps = np.array([box_iou(face.box, box) for box in mosaic.boxes])
            overlaps[found] = 0
            if not len(overlaps) or overlaps.max() < FOUND_IOU:
                ignored = mosaic.boxes[~mosaic.clear]
                false_count += not any(box_iou(face.box, box) > IGNORED_IOU for box in ignored)
                continue
            best = int(overlaps.argmax())
            found[best] = True
            if mosaic.clear[best]:
                truth = mosaic.points[best]
                distance = np.linalg.norm(face.points - truth, axis=1).mean()
                errors.append(100 * distance / np.linalg.norm(truth[1] - truth[0]))
        found_count += int((found & mosaic.clear).sum())
        face_count += int(mosaic.clear.sum())
    return {
        "val_recall": found_count / max(face_count, 1),
        "val_false_per_image": false_count / len(mosaics),
        "val_points_pct": float(np.mean(errors)) if errors else 100.0,
    }


def box_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the IoU of two boxes, (4,) left, top, right, bottom each."""
    overlap = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(overlap / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - overlap))
