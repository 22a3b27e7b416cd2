"""Detects faces and their five points with insightface's SCRFD runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from insightface.model_zoo import get_model

from facefusion.engines.sessions import session_options
from facefusion.geometry.align import crop_photo
from facefusion.types import Detection, Photo

#: Longer side in pixels of the network's input.
DETECTION_SIZE: Final = 640
#: Side in pixels of a second pass, for faces that fill the frame, which are too large at 640.
CLOSE_UP_SIZE: Final = 192
#: Smallest face taken from the second pass, as a share of the longer side: its points are coarser.
CLOSE_UP_SHARE: Final = 0.45
#: Side in pixels of the pass that `FaceDetector.glance` makes for smaller faces.
GLANCE_SIZE: Final = 384
#: Smallest face that `FaceDetector.glance` returns, as a share of the longer side.
GLANCE_SHARE: Final = 0.12
#: Area of the second largest face, as a share of the largest one's, above which the largest is not
#: clear.
RIVAL_AREA: Final = 0.7
#: Least score of a detection.
SCORE_THRESHOLD: Final = 0.5
#: Score below which a detection is checked in a crop of its own.
CONFIDENT_SCORE: Final = 0.9
#: Side of the face in that crop, as a share of the crop's side.
CONFIRMATION_SHARE: Final = 0.35
#: Least score of a face in that crop.
CONFIRMED_SCORE: Final = 0.6
#: Least score in turned photos: they are rare, and three more passes may give false detections.
TURNED_SCORE: Final = 0.8
#: Difference to the best score beyond which a detection is sorted behind the others.
SCORE_MARGIN: Final = 0.2
#: Margin of a retry as a share of the longer side, for faces cut by the frame and very tight crops.
PADDING: Final = 0.35


class FaceDetector:
    """SCRFD-format detector (Guo et al., ICLR 2022).

    Args:
        path: ONNX file with SCRFD's nine outputs.
        threads: intra-op threads.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self._net = get_model(
            str(path),
            model_task="detection",
            model_metadata={"preprocessing": {"mean": 127.5, "std": 128.0}},
            providers=["CPUExecutionProvider"],
            sess_options=session_options(threads),
            static_shape_sessions=False,
        )

    @property
    def outputs(self) -> int:
        """Number of the network's outputs."""
        return len(self._net.session.get_outputs())

    def __call__(self, photo: Photo) -> list[Detection]:
        """Finds upright faces, turned by about 30 degrees at most.

        Args:
            photo: (H, W, 3) RGB uint8, any size.

        Returns:
            Faces in the photo's pixels, the largest first; those with much lower scores come last,
            also by size.
        """
        return self._faces(_shrunk(photo, DETECTION_SIZE), photo.shape)

    def _faces(self, small: Photo, shape: tuple[int, ...]) -> list[Detection]:
        """Detects faces in `small`, in the pixels of the original photo of this `shape`."""
        ratio = np.array([shape[1] / small.shape[1], shape[0] / small.shape[0]], np.float32)
        bgr = _padded(small)
        side = min(DETECTION_SIZE, -(-max(small.shape[:2]) // 32) * 32)
        large = [
            face
            for face in self._detect(bgr, CLOSE_UP_SIZE)
            if _side(face.box) > CLOSE_UP_SHARE * max(bgr.shape[:2])
        ]
        # At full size such faces give only fragments, which are dropped.
        others = [
            face
            for face in self._detect(bgr, side)
            if not any(_covers(larger.box, face.box) for larger in large)
        ]
        faces = [
            Detection(face.box * np.tile(ratio, 2), face.score, face.points * ratio)
            for face in large + others
            if face.score >= CONFIDENT_SCORE or self._confirmed(bgr, face)
        ]
        least_score = max((face.score for face in faces), default=0.0) - SCORE_MARGIN
        return sorted(faces, key=lambda face: (face.score < least_score, -_area(face.box)))

    def glance(self, photo: Photo) -> list[Detection]:
        """Detects the largest face at a third of the cost, if it is large and clearly the largest.

        A face with a high score at a small size needs no second pass; in all other cases the list
        is empty.

        Args:
            photo: (H, W, 3) RGB uint8, any size.

        Returns:
            One face, in the photo's pixels, or none.
        """
        small = photo
        while max(small.shape[:2]) > DETECTION_SIZE:
            half = (max(1, small.shape[1] // 2), max(1, small.shape[0] // 2))
            small = np.asarray(cv2.resize(small, half, interpolation=cv2.INTER_AREA))
        bgr = _padded(small)
        frame = max(bgr.shape[:2])
        close_ups = self._detect(bgr, CLOSE_UP_SIZE)
        face = _largest(close_ups)
        if (
            face is None
            or face.score < CONFIDENT_SCORE
            or _side(face.box) <= CLOSE_UP_SHARE * frame
        ):
            face = _largest(self._detect(bgr, GLANCE_SIZE))
            if face is None or _side(face.box) < GLANCE_SHARE * frame:
                return []
            if face.score < CONFIDENT_SCORE and not any(
                same_face(face.box, close_up.box)
                for close_up in close_ups
                if close_up.score >= CONFIDENT_SCORE
            ):
                return []
        ratio = np.array(
            [photo.shape[1] / small.shape[1], photo.shape[0] / small.shape[0]], np.float32
        )
        return [Detection(face.box * np.tile(ratio, 2), face.score, face.points * ratio)]

    def _detect(self, bgr: np.ndarray, side: int) -> list[Detection]:
        boxes, points = self._net.detect(bgr, input_size=(side, side), det_thresh=SCORE_THRESHOLD)
        return [
            Detection(box[:4], float(box[4]), five) for box, five in zip(boxes, points, strict=True)
        ]

    def _confirmed(self, bgr: np.ndarray, face: Detection) -> bool:
        """Returns whether a detection is found again in a small crop around it.

        A true face scores alike at every size; a pattern that resembles a face at one size does
        not.
        """
        scale = CONFIRMATION_SHARE * CLOSE_UP_SIZE / max(_side(face.box), 1.0)
        shift = CLOSE_UP_SIZE / 2 - scale * face.box.reshape(2, 2).mean(0)
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        crop = crop_photo(bgr, matrix, CLOSE_UP_SIZE, cv2.BORDER_CONSTANT)
        expected = face.box * scale + np.tile(shift, 2)
        return any(
            candidate.score >= CONFIRMED_SCORE and same_face(candidate.box, expected)
            for candidate in self._detect(crop, CLOSE_UP_SIZE)
        )

    def attempts(self, photo: Photo) -> Iterator[list[Detection]]:
        """Detects faces in several passes: as it is, padded, turned by 90, 270 and 180 degrees.

        Each pass runs only when it is requested.

        Args:
            photo: (H, W, 3) RGB uint8.

        Yields:
            The faces of each pass in the photo's own pixels; an empty list if there are none.
        """
        small, (height, width) = _shrunk(photo, DETECTION_SIZE), photo.shape[:2]
        yield self._faces(small, photo.shape)
        yield self._faces_of_padded(photo)
        for turns in (1, 3, 2):
            turn_back = partial(_turned_back, quarter_turns=turns, width=width, height=height)
            turned = np.ascontiguousarray(np.rot90(small, turns))
            faces = self._faces(turned, (width, height) if turns % 2 else (height, width))
            yield [_moved(face, turn_back) for face in faces if face.score >= TURNED_SCORE]

    def _faces_of_padded(self, photo: Photo) -> list[Detection]:
        """Detects faces in the photo with a margin of `PADDING`, in the photo's pixels."""
        longest = max(photo.shape[:2])
        share = longest / (longest + 2 * round(longest * PADDING))
        small = _shrunk(photo, round(DETECTION_SIZE * share))
        margin = round(max(small.shape[:2]) * PADDING)
        grey = (127, 127, 127)
        padded = cv2.copyMakeBorder(
            small, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=grey
        )
        ratio = np.array(
            [photo.shape[1] / small.shape[1], photo.shape[0] / small.shape[0]], np.float32
        )
        faces = self._faces(np.asarray(padded, np.uint8), padded.shape)
        return [_moved(face, lambda xy: (xy - margin) * ratio) for face in faces]

    def with_retries(self, photo: Photo) -> list[Detection]:
        """Returns the faces of the first of the `attempts` that finds any."""
        return next((faces for faces in self.attempts(photo) if faces), [])


def _shrunk(photo: Photo, longest: int) -> Photo:
    """Reduces a photo to a longer side of at most `longest` pixels, by area averages."""
    height, width = photo.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return photo
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def _padded(small: Photo) -> np.ndarray:
    """Converts to BGR, and pads very narrow photos to an aspect ratio of 16.

    insightface keeps the aspect ratio: at 192, a side of a few pixels would become 0 pixels.
    """
    missing = np.maximum(max(small.shape[:2]) // 16 - np.array(small.shape[:2]), 0)
    padded = np.pad(small, ((0, missing[0]), (0, missing[1]), (0, 0))) if missing.any() else small
    return np.asarray(cv2.cvtColor(padded, cv2.COLOR_RGB2BGR))


def _largest(faces: list[Detection]) -> Detection | None:
    """Returns the face that is clearly larger than all others, or None."""
    ordered = sorted(faces, key=lambda face: -_area(face.box))
    if not ordered or (
        len(ordered) > 1 and _area(ordered[1].box) > RIVAL_AREA * _area(ordered[0].box)
    ):
        return None
    return ordered[0]


def same_face(a: np.ndarray, b: np.ndarray) -> bool:
    """Returns whether two boxes, (4,) left, top, right, bottom, show the same face."""
    return _covers(a, b) and _covers(b, a)


def _side(box: np.ndarray) -> float:
    return float((box[2:] - box[:2]).max())


def _area(box: np.ndarray) -> float:
    return float((box[2:] - box[:2]).prod())


def _covers(large: np.ndarray, small: np.ndarray) -> bool:
    """Returns whether at least half of the box `small` lies in the box `large`."""
    overlap = np.clip(
        np.minimum(large[2:], small[2:]) - np.maximum(large[:2], small[:2]), 0, None
    ).prod()
    return bool(overlap >= 0.5 * _area(small))


def _turned_back(points: np.ndarray, quarter_turns: int, width: int, height: int) -> np.ndarray:
    """Maps points of `np.rot90(photo, quarter_turns)` to the photo, `width` x `height` pixels."""
    x, y = points[:, 0], points[:, 1]
    if quarter_turns == 1:
        return np.stack([width - 1 - y, x], axis=1)
    if quarter_turns == 3:
        return np.stack([y, height - 1 - x], axis=1)
    return np.stack([width - 1 - x, height - 1 - y], axis=1)


def _moved(face: Detection, move: Callable[[np.ndarray], np.ndarray]) -> Detection:
    corners = move(face.box.reshape(2, 2))
    box = np.concatenate([corners.min(0), corners.max(0)])
    return Detection(box.astype(np.float32), face.score, move(face.points).astype(np.float32))
