"""Detects faces and their five points with insightface's SCRFD runtime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from insightface.model_zoo import get_model

from facefusion.engines.sessions import session_options
from facefusion.geometry.align import transform_points
from facefusion.perception import second_look
from facefusion.perception.boxes import (
    covers,
    largest,
    longer_side,
    moved,
    moved_turned,
    ordered,
    overlapping,
    same_face,
)
from facefusion.perception.reductions import (
    as_input,
    halved,
    is_blank,
    ratio,
    reduced,
    tiles,
    turned,
    with_margin,
)
from facefusion.types import Detection, Face, Photo

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
#: Least score of a detection.
SCORE_THRESHOLD: Final = 0.5
#: Least score of a face in that crop.
CONFIRMED_SCORE: Final = 0.6
#: The same in turned photos: they are rare, and seven more passes may give false detections.
TURNED_SCORE: Final = 0.74
#: The same for faces that only a part of a large photo shows: there are many parts.
SMALL_SCORE: Final = 0.74
#: Longer side of the largest such face, as a share of the photo's: 24 px at `DETECTION_SIZE`.
SMALL_SHARE: Final = 24 / DETECTION_SIZE
#: Least score of such a face before it is looked at again: at 8 px between the eyes it is low.
SMALL_THRESHOLD: Final = 0.35
#: Least reduction at which a large photo is searched again: faces of 28 px between the eyes, 84 px
#: wide, have 8 and 24 px then.
SMALL_REDUCTION: Final = 3.5
#: Angles in degrees by which a photo without an upright face is turned, the likeliest first.
TURNS: Final = (90, 270, 180, 45, 315, 135, 225)
#: The same for the parts of a large photo in which no face was found: it lies on its side.
RIGHT_ANGLES: Final = TURNS[:3]


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
        return self._faces(reduced(photo, DETECTION_SIZE), photo.shape)

    def _faces(self, small: Photo, shape: tuple[int, ...]) -> list[Detection]:
        """Detects faces in `small`, in the pixels of the original photo of this `shape`."""
        scale = ratio(shape, small)
        bgr = as_input(small)
        height, width = (-(-length // 32) * 32 for length in bgr.shape[:2])
        large = [
            face
            for face in self._detect(bgr, CLOSE_UP_SIZE)
            if longer_side(face.box) > CLOSE_UP_SHARE * max(bgr.shape[:2])
        ]
        # At full size such faces give only fragments, which are dropped.
        others = [
            face
            for face in self._detections(bgr, (width, height), SCORE_THRESHOLD)
            if not any(covers(larger.box, face.box) for larger in large)
        ]
        return ordered(
            moved(face, lambda xy: xy * scale)
            for face in large + others
            if face.score >= second_look.SURE_SCORE
            or second_look.confirmed(self._detect, bgr, face, CONFIRMED_SCORE)
        )

    def passes(self, photo: Photo) -> Iterator[list[Detection]]:
        """Yields the faces of `glance`, then of `attempts`, each on request; none of a blank photo."""
        if is_blank(photo):
            return
        half = halved(photo) if _has_tiles(photo) else None
        seen = self.glance(photo, half)
        yield seen
        yield from self.attempts(photo, half, has_large=bool(seen))

    def glance(self, photo: Photo, half: Photo | None = None) -> list[Detection]:
        """Detects the largest face at a third of the cost, if it is large and clearly the largest.

        A face with a high score at a small size needs no second pass; in all other cases the list
        is empty.

        Args:
            photo: (H, W, 3) RGB uint8, any size.
            half: the photo, `halved`, if it is there already.

        Returns:
            One face, in the photo's pixels, or none.
        """
        small = photo if half is None else half
        while max(small.shape[:2]) > DETECTION_SIZE:
            small = halved(small)
        bgr = as_input(small)
        frame = max(bgr.shape[:2])
        close_ups = self._detect(bgr, CLOSE_UP_SIZE)
        face = largest(close_ups)
        if (
            face is None
            or face.score < second_look.SURE_SCORE
            or longer_side(face.box) <= CLOSE_UP_SHARE * frame
        ):
            face = largest(self._detect(bgr, GLANCE_SIZE))
            if face is None or longer_side(face.box) < GLANCE_SHARE * frame:
                return []
            if face.score < second_look.SURE_SCORE and not any(
                same_face(face.box, close_up.box)
                for close_up in close_ups
                if close_up.score >= second_look.SURE_SCORE
            ):
                return []
        scale = ratio(photo.shape, small)
        return [moved(face, lambda xy: xy * scale)]

    def _detect(self, bgr: np.ndarray, side: int) -> list[Detection]:
        return self._detections(bgr, (side, side), SCORE_THRESHOLD)

    def _detections(
        self, bgr: np.ndarray, size: tuple[int, int], threshold: float
    ) -> list[Detection]:
        """Runs the network on a picture fitted into `size`, width and height in pixels."""
        boxes, points = self._net.detect(bgr, input_size=size, det_thresh=threshold)
        return [
            Detection(box[:4], float(box[4]), five) for box, five in zip(boxes, points, strict=True)
        ]

    def right_way_up(self, photo: Photo, face: Face) -> second_look.Look | None:
        """Looks at a measured face from both sides (`second_look.right_way_up`).

        Args:
            photo: (H, W, 3) RGB uint8.
            face: the face, in the photo's pixels.
        """
        return second_look.right_way_up(self._detect, photo, face)

    def attempts(
        self, photo: Photo, half: Photo | None = None, *, has_large: bool = False
    ) -> Iterator[list[Detection]]:
        """Detects faces in several passes: as it is, in its parts, padded, turned, in turned parts.

        Each pass runs only when it is requested.

        Args:
            photo: (H, W, 3) RGB uint8.
            half: the photo, `halved`, if it is there already.
            has_large: whether `glance` found a face: the first pass over a large photo is smaller
                then, for its parts show the smaller faces.

        Yields:
            The faces of each pass in the photo's own pixels; an empty list if there are none.
        """
        has_tiles = _has_tiles(photo)
        larger = _for_tiles(photo, half) if has_tiles else photo
        size = GLANCE_SIZE if has_large and has_tiles else DETECTION_SIZE
        upright = self._faces(reduced(larger, size), photo.shape)
        yield upright
        yield self._small_faces(photo, larger, upright) if has_tiles else []
        yield self._faces_of_padded(photo)
        small = reduced(larger, DETECTION_SIZE)
        for degrees in TURNS:
            yield self._turned_faces(photo, small, degrees)
        for degrees in RIGHT_ANGLES if has_tiles else ():
            yield self._small_faces(photo, larger, (), degrees)

    def _small_faces(
        self, photo: Photo, small: Photo, known: Sequence[Detection], degrees: int = 0
    ) -> list[Detection]:
        """Detects the faces of a large photo that are too small at `DETECTION_SIZE`.

        The photo is searched in tiles, at half its last size each time.

        Args:
            photo: (H, W, 3) RGB uint8.
            small: the photo, reduced as far as its smallest faces allow.
            known: faces that were found before.
            degrees: right angle by which the photo is turned counterclockwise.

        Returns:
            Faces in the photo's pixels that overlap none of the known ones, the largest first.
        """
        found: list[Detection] = []
        image, back = turned(small, degrees)
        shape, scale = image.shape, ratio(photo.shape, small)
        while max(image.shape[:2]) > DETECTION_SIZE:
            for seen in self._faces_of_tiles(image, shape):
                face = moved(seen, lambda xy: transform_points(xy, back) * scale)
                if any(overlapping(face.box, other.box) for other in (*known, *found)):
                    continue
                is_small = longer_side(face.box) < SMALL_SHARE * max(photo.shape[:2])
                least = SMALL_SCORE if is_small or face.score < SCORE_THRESHOLD else CONFIRMED_SCORE
                again = second_look.again(self._detect, photo, face, least)
                found += [] if again is None else [again]
            image = reduced(image, max(image.shape[:2]) // 2)
        return ordered(found)

    def _faces_of_tiles(self, small: Photo, shape: tuple[int, ...]) -> Iterator[Detection]:
        """Detects faces in tiles of `small`, in the pixels of the photo of this `shape`."""
        scale = ratio(shape, small)
        for tile, corner in tiles(small):
            bgr = np.asarray(cv2.cvtColor(tile, cv2.COLOR_RGB2BGR))
            size = (tile.shape[1], tile.shape[0])
            for face in self._detections(bgr, size, SMALL_THRESHOLD):
                yield moved(face, partial(_placed, corner=corner, scale=scale))

    def _turned_faces(self, photo: Photo, small: Photo, degrees: int) -> list[Detection]:
        """Detects faces in the photo turned counterclockwise by an angle, in the photo's pixels."""
        image, back = turned(small, degrees)
        scale = ratio(photo.shape, small)
        seen = [
            moved_turned(face, lambda xy: transform_points(xy, back) * scale)
            for face in self._faces(reduced(image, DETECTION_SIZE), image.shape)
        ]
        again = (second_look.again(self._detect, photo, face, TURNED_SCORE) for face in seen)
        return ordered(face for face in again if face is not None)

    def _faces_of_padded(self, photo: Photo) -> list[Detection]:
        """Detects faces in the photo with a margin, in the photo's pixels."""
        small, framed, margin = with_margin(photo, DETECTION_SIZE)
        scale = ratio(photo.shape, small)
        faces = self._faces(framed, framed.shape)
        return [moved(face, lambda xy: (xy - margin) * scale) for face in faces]

    def with_retries(self, photo: Photo) -> list[Detection]:
        """Returns the faces of the first of the `attempts` that finds any."""
        return next((faces for faces in self.attempts(photo) if faces), [])


def _has_tiles(photo: Photo) -> bool:
    """Returns whether the smallest faces of a photo have too few pixels at `DETECTION_SIZE`."""
    return bool(max(photo.shape[:2]) > SMALL_REDUCTION * DETECTION_SIZE)


def _for_tiles(photo: Photo, half: Photo | None) -> Photo:
    """Reduces a large photo as far as its smallest faces allow, from its half: that is quicker."""
    longest = round(max(photo.shape[:2]) / SMALL_REDUCTION)
    return reduced(halved(photo) if half is None else half, longest, cv2.INTER_LINEAR)


def _placed(points: np.ndarray, corner: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Maps points (N, 2) of a tile to the photo."""
    return np.asarray((points + corner) * scale)
