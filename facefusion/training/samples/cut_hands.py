"""Cuts hands out of a data set's images, to be put in front of faces.

`python -m facefusion.training.samples.cut_hands --data DIR --teachers DIR --out FILE` finds palms and
hand landmarks (MediaPipe Hands, Zhang et al., 2020) and keeps hands that the skin parser confirms.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np
from tqdm import tqdm

from facefusion.training.samples.data import FaceImage, load_faces
from facefusion.training.samples.part_maps import TEACHER_SIZE, Teachers

#: Side in pixels of the palm detector's input, and of the landmark network's.
PALM_SIZE, HAND_SIZE = 192, 224
#: Strides of the palm detector's maps, and anchors at each place of them.
STRIDES: Final = ((8, 2), (16, 6))
#: Least scores of a palm and of a hand.
LEAST_PALM, LEAST_HAND = 0.5, 0.8
#: Side of the region around a palm in palm sizes, and its shift towards the fingers.
REGION, SHIFT = 2.6, 0.25
#: Side in pixels of a cut-out.
CUT_SIZE: Final = 224
#: Landmarks of the fingers from wrist or root to tip.
FINGERS: Final = (
    (0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (0, 17, 18, 19, 20),
)  # fmt: skip
#: Landmarks around the palm.
PALM: Final = (0, 1, 5, 9, 13, 17)
#: Width of a finger as a share of the palm's width.
FINGER_WIDTH: Final = 0.3
#: Least share of a hand that the parser calls skin.
LEAST_SKIN: Final = 0.75
#: Images whose cut-out is no good hand, by eye.
BAD: Final = ("sfhq/0516.jpg", "sfhq/0835.jpg", "sfhq/0863.jpg", "sfhq/1132.jpg")
#: Standard deviation in pixels of a cut-out's edge.
EDGE: Final = 1.0


@dataclass(frozen=True)
class CutHands:
    """Cut-out hands.

    Attributes:
        hands: (N, 224, 224, 4) uint8, RGB and opacity.
        names: (N,) names of the images.
        is_val: (N,) bool, whether the image is of the val split.
    """

    hands: np.ndarray
    names: np.ndarray
    is_val: np.ndarray

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a file that `main` wrote, without the cut-outs that are no good hands."""
        with np.load(path) as archive:
            found = cls(**{name: archive[name] for name in archive.files})
        good = ~np.isin(found.names, BAD)
        return cls(found.hands[good], found.names[good], found.is_val[good])


class _Model:
    """A TFLite network with one image as its input."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(str(path), num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.outputs = [each["index"] for each in self.interpreter.get_output_details()]

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """Runs on (H, W, 3) RGB uint8."""
        self.interpreter.set_tensor(self.input, (image[None] / 255).astype(np.float32))
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(index) for index in self.outputs]


class HandFinder:
    """Finds hands in images.

    Args:
        folder: holds `palm_detection_full.tflite` and `hand_landmark_full.tflite`.
    """

    def __init__(self, folder: Path) -> None:
        self.palm = _Model(folder / "palm_detection_full.tflite")
        self.hand = _Model(folder / "hand_landmark_full.tflite")
        centres = [
            np.repeat(
                np.stack(np.meshgrid(*[np.arange(n)] * 2), -1).reshape(-1, 2) / n + 0.5 / n, k, 0
            )
            for n, k in ((PALM_SIZE // stride, anchors) for stride, anchors in STRIDES)
        ]
        self.anchors = np.concatenate(centres)

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """Returns the landmarks (21, 2) of each hand in pixels of (H, W, 3) RGB uint8."""
        found: list[np.ndarray] = []
        for wrist, middle, size in self._palms(image):
            points = self._landmarks(image, wrist, middle, size)
            near = (
                [np.hypot(*(points.mean(0) - other.mean(0))) < size for other in found]
                if points is not None
                else []
            )
            if points is not None and not any(near):
                found.append(points)
        return found

    def _palms(self, image: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """Returns wrist, root of the middle finger, and side in pixels, best first."""
        side = max(image.shape[:2])
        square = np.zeros((side, side, 3), np.uint8)
        square[: image.shape[0], : image.shape[1]] = image
        small = cv2.resize(square, (PALM_SIZE, PALM_SIZE), interpolation=cv2.INTER_AREA)
        values, scores = sorted(self.palm(small), key=lambda each: -each.shape[-1])
        scores = 1 / (1 + np.exp(-np.clip(scores[0, :, 0], -80, 80)))
        palms = []
        for i in np.argsort(-scores)[:12]:
            if scores[i] < LEAST_PALM:
                break
            points = values[0, i, 4:].reshape(7, 2) / PALM_SIZE + self.anchors[i]
            palms.append(
                (points[0] * side, points[2] * side, float(values[0, i, 2]) / PALM_SIZE * side)
            )
        return palms

    def _landmarks(
        self, image: np.ndarray, wrist: np.ndarray, middle: np.ndarray, size: float
    ) -> np.ndarray | None:
        """Returns the landmarks (21, 2) in pixels of the image, or None if it is no hand."""
        direction = (middle - wrist) / max(float(np.hypot(*(middle - wrist))), 1e-6)
        angle = np.degrees(np.arctan2(direction[0], -direction[1]))
        centre = (wrist + middle) / 2 + SHIFT * size * direction
        matrix = cv2.getRotationMatrix2D(
            tuple(float(v) for v in centre), float(angle), HAND_SIZE / (REGION * size)
        )
        matrix[:, 2] += HAND_SIZE / 2 - centre
        crop = cv2.warpAffine(image, matrix, (HAND_SIZE, HAND_SIZE))
        outputs = self.hand(crop)
        points = next(each for each in outputs if each.size == 63).reshape(21, 3)[:, :2]
        score = next(float(each[0, 0]) for each in outputs if each.size == 1)
        if score < LEAST_HAND:
            return None
        inverse = cv2.invertAffineTransform(matrix)
        return np.asarray(points @ inverse[:, :2].T + inverse[:, 2])


def _anchors(cells: int, number: int) -> np.ndarray:
    """Returns the centres of a map's anchors, `number` a cell, (N, 2) in shares of the image."""
    axis = (np.arange(cells) + 0.5) / cells
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    return np.repeat(grid, number, axis=0)


def hand_shape(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Draws the shape of a hand with landmarks (21, 2): (H, W) uint8, 255 inside."""
    mask = np.zeros(shape[:2], np.uint8)
    path = np.round(points).astype(np.int32)
    cv2.fillPoly(mask, [cv2.convexHull(path[list(PALM)])], 255)
    width = float(np.hypot(*(points[5] - points[17])))
    thickness = max(1, round(FINGER_WIDTH * max(width, 0.35 * float(np.ptp(points, axis=0).max()))))
    for finger in FINGERS:
        cv2.polylines(mask, [path[list(finger)]], False, 255, thickness)
    return mask


def cut(face: FaceImage, points: np.ndarray, teachers: Teachers) -> np.ndarray | None:
    """Cuts out a hand: (224, 224, 4) uint8, or None where the parser does not see skin.

    Args:
        face: the image.
        points: (21, 2) landmarks in its pixels.
        teachers: parser and matte.
    """
    low, high = points.min(0), points.max(0)
    side = 1.5 * float((high - low).max())
    scale = CUT_SIZE / side
    matrix = np.array([[scale, 0, 0], [0, scale, 0]])
    matrix[:, 2] = CUT_SIZE / 2 - scale * (low + high) / 2
    size = (CUT_SIZE, CUT_SIZE)
    image = cv2.warpAffine(
        face.image, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    height, width = face.image.shape[:2]
    whole = cv2.resize(face.image, (TEACHER_SIZE, TEACHER_SIZE), interpolation=cv2.INTER_AREA)
    answer = cv2.resize(teachers(whole), (width, height), interpolation=cv2.INTER_LINEAR)
    skin = cv2.warpAffine(answer[..., 0] * answer[..., 3], matrix, size)
    shape = hand_shape(points @ matrix[:, :2].T + matrix[:, 2], size)
    inside = cv2.erode(shape, np.ones((9, 9), np.uint8)) > 0
    if not inside.any() or skin[inside].mean() < LEAST_SKIN:
        return None
    opacity = np.minimum(cv2.GaussianBlur(shape, (0, 0), EDGE) / 255, skin)
    return np.dstack([image, np.round(255 * opacity).astype(np.uint8)])


def find_hands(
    faces: list[FaceImage], finder: HandFinder, teachers: Teachers, *, is_val: bool
) -> list[tuple[np.ndarray, str, bool]]:
    """Returns cut-out, name and split of each hand of a list of images."""
    hands = []
    for face in tqdm(faces, unit="image"):
        for points in finder(face.image):
            found = cut(face, points, teachers)
            if found is not None:
                hands.append((found, face.name, is_val))
    return hands


def main() -> None:
    """Cuts out the hands of both splits of a data folder."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training.samples.cut_hands", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="data folder, see docs/data.md")
    parser.add_argument("--teachers", type=Path, required=True, help="folder of the teachers")
    parser.add_argument("--out", type=Path, required=True, help="NPZ file to write")
    args = parser.parse_args()
    finder, teachers = HandFinder(args.teachers / "mediapipe"), Teachers(args.teachers, 2)
    hands: list[tuple[np.ndarray, str, bool]] = []
    for split in ("train", "val"):
        faces = load_faces(args.data, split)
        hands += find_hands(faces, finder, teachers, is_val=split == "val")
    images, names, is_val = zip(*hands, strict=True)
    np.savez_compressed(
        args.out, hands=np.stack(images), names=np.array(names), is_val=np.array(is_val)
    )


if __name__ == "__main__":
    main()
