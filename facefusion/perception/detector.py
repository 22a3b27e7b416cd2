"""Faces and their five points, through insightface's SCRFD runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from insightface.model_zoo import get_model

from facefusion.geometry.align import crop_photo
from facefusion.runtime import session_options
from facefusion.types import Detection, Photo

#: Longest side in pixels that the network sees.
DETECTION_SIZE: Final = 640
#: A second look at this size finds faces that fill the frame, larger than the network's view at
#: 640.
CLOSE_UP_SIZE: Final = 192
#: Only faces larger than this share of the photo's longer side are taken from that look: its points
#: are coarser.
CLOSE_UP_SHARE: Final = 0.45
#: A glance looks at this size for faces that are this share of the longer side or more, of which
#: none other has this share of the largest one's area.
GLANCE_SIZE: Final = 384
GLANCE_SHARE: Final = 0.12
RIVAL: Final = 0.7
THRESHOLD: Final = 0.5
#: Detections with a lower score than this are looked at again, at this share of the frame, and must
#: reach this score then.
SURE: Final = 0.9
SECOND_LOOK_SHARE: Final = 0.35
CONFIRMED: Final = 0.6
#: Turned photos are rare and three more chances to be wrong: there the network must be surer.
TURNED_SCORE: Final = 0.8
#: A detection is doubtful when its score is this much below the best one's.
DOUBT: Final = 0.2
#: Padding of a retry, as a share of the longer side: faces cut by the frame, and very tight crops.
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
        """How many outputs the network has."""
        return len(self._net.session.get_outputs())

    def __call__(self, photo: Photo) -> list[Detection]:
        """Finds upright faces, turned by about 30 degrees at most.

        Args:
            photo: (H, W, 3) RGB uint8, any size.

        Returns:
            Faces by size, the largest first; behind them, by size too, what the network is much
            less sure of. Coordinates are the photo's pixels.
        """
        return self._faces(_shrunk(photo, DETECTION_SIZE), photo.shape)

    def _faces(self, small: Photo, shape: tuple[int, ...]) -> list[Detection]:
        """The faces of a photo of `shape` that was shrunk to `small`, in its pixels."""
        ratio = np.array([shape[1] / small.shape[1], shape[0] / small.shape[0]], np.float32)
        bgr = _padded(small)
        side = min(DETECTION_SIZE, -(-max(small.shape[:2]) // 32) * 32)
        large = [
            face
            for face in self._look(bgr, CLOSE_UP_SIZE)
            if _side(face.box) > CLOSE_UP_SHARE * max(bgr.shape[:2])
        ]
        # At full size only fragments of such faces are seen: the look from afar speaks for them.
        rest = [
            face
            for face in self._look(bgr, side)
            if not any(_covers(other.box, face.box) for other in large)
        ]
        faces = [
            Detection(face.box * np.tile(ratio, 2), face.score, face.points * ratio)
            for face in large + rest
            if face.score >= SURE or self._confirmed(bgr, face)
        ]
        sure = max((face.score for face in faces), default=0.0) - DOUBT
        return sorted(faces, key=lambda face: (face.score < sure, -_area(face.box)))

    def glance(self, photo: Photo) -> list[Detection]:
        """The largest face, where it is large enough to be found at a third of the cost, and
        clearly the largest.

        What is sure at a small size needs no closer look; in all other cases there is no answer.

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
        close = self._look(bgr, CLOSE_UP_SIZE)
        face = _largest(close)
        if face is None or face.score < SURE or _side(face.box) <= CLOSE_UP_SHARE * frame:
            face = _largest(self._look(bgr, GLANCE_SIZE))
            if face is None or _side(face.box) < GLANCE_SHARE * frame:
                return []
            if face.score < SURE and not any(
                same_face(face.box, again.box) for again in close if again.score >= SURE
            ):
                return []
        ratio = np.array(
            [photo.shape[1] / small.shape[1], photo.shape[0] / small.shape[0]], np.float32
        )
        return [Detection(face.box * np.tile(ratio, 2), face.score, face.points * ratio)]

    def _look(self, bgr: np.ndarray, side: int) -> list[Detection]:
        boxes, points = self._net.detect(bgr, input_size=(side, side), det_thresh=THRESHOLD)
        return [
            Detection(box[:4], float(box[4]), five) for box, five in zip(boxes, points, strict=True)
        ]

    def _confirmed(self, bgr: np.ndarray, face: Detection) -> bool:
        """Whether the detection stands when it is looked at again, small and in the middle, with
        its surroundings.

        A true face scores alike at every size; a pattern that happened to look like one at one size
        does not.
        """
        scale = SECOND_LOOK_SHARE * CLOSE_UP_SIZE / max(_side(face.box), 1.0)
        shift = CLOSE_UP_SIZE / 2 - scale * face.box.reshape(2, 2).mean(0)
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        crop = crop_photo(bgr, matrix, CLOSE_UP_SIZE, cv2.BORDER_CONSTANT)
        expected = face.box * scale + np.tile(shift, 2)
        return any(
            again.score >= CONFIRMED and same_face(again.box, expected)
            for again in self._look(crop, CLOSE_UP_SIZE)
        )

    def attempts(self, photo: Photo) -> Iterator[list[Detection]]:
        """Looks again in other ways, each only when asked for: as it is, padded, turned by 90, 270
        and 180 degrees.

        Args:
            photo: (H, W, 3) RGB uint8.

        Yields:
            The faces of each look, in the photo's own pixels; an empty list for a look that found
            none.
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
        """The faces of the photo with a margin of `PADDING` around it, in the photo's pixels."""
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
        """The faces of the first of the `attempts` that finds any."""
        return next((faces for faces in self.attempts(photo) if faces), [])


def _shrunk(photo: Photo, longest: int) -> Photo:
    """A photo whose longer side has `longest` pixels at most, by areas; the photo itself where it
    is no larger.
    """
    height, width = photo.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return photo
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def _padded(small: Photo) -> np.ndarray:
    """BGR. insightface keeps the aspect ratio: at 192, a line of a few pixels would become one of 0
    pixels.
    """
    missing = np.maximum(max(small.shape[:2]) // 16 - np.array(small.shape[:2]), 0)
    padded = np.pad(small, ((0, missing[0]), (0, missing[1]), (0, 0))) if missing.any() else small
    return np.asarray(cv2.cvtColor(padded, cv2.COLOR_RGB2BGR))


def _largest(faces: list[Detection]) -> Detection | None:
    """The face that is clearly larger than all others."""
    ordered = sorted(faces, key=lambda face: -_area(face.box))
    if not ordered or (len(ordered) > 1 and _area(ordered[1].box) > RIVAL * _area(ordered[0].box)):
        return None
    return ordered[0]


def same_face(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two boxes, (4,) left, top, right, bottom, are of one face."""
    return _covers(a, b) and _covers(b, a)


def _side(box: np.ndarray) -> float:
    return float((box[2:] - box[:2]).max())


def _area(box: np.ndarray) -> float:
    return float((box[2:] - box[:2]).prod())


def _covers(large: np.ndarray, small: np.ndarray) -> bool:
    """Whether at least half of the box `small` lies in the box `large`."""
    overlap = np.clip(
        np.minimum(large[2:], small[2:]) - np.maximum(large[:2], small[:2]), 0, None
    ).prod()
    return bool(overlap >= 0.5 * _area(small))


def _turned_back(points: np.ndarray, quarter_turns: int, width: int, height: int) -> np.ndarray:
    """Points found in `np.rot90(photo, quarter_turns)` in the pixels of the photo (`width` x
    `height`).
    """
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
