"""Runs the teachers of the face parser over a data set: hair, skin and clothes, and a matte.

`python -m facefusion.training.samples.part_maps --data DIR --teachers DIR --out FILE` writes aligned
crops with both teachers' answers, from which `part_labels` makes labels.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
from tqdm import tqdm

from facefusion.engines.sessions import make_session
from facefusion.geometry.align import (
    FUSION_FACE_SHARE,
    crop_photo,
    mesh_crop_transform,
    transform_points,
)
from facefusion.training.samples.data import FaceImage, load_faces

#: Side in pixels of the aligned crops.
CROP_SIZE: Final = 256
#: Side in pixels of the teachers' input. It shows twice as much as the aligned crop, which is its
#: middle: both teachers were trained on whole portraits.
TEACHER_SIZE: Final = 2 * CROP_SIZE
#: The aligned crop in the teachers' input, on both axes.
MIDDLE: Final = slice(CROP_SIZE // 2, CROP_SIZE // 2 + CROP_SIZE)
#: Files below the folder of the teachers.
PARSER_FILE: Final = Path("hair_skin", "pan_mobilenetv3s_skin_clothes_hair.onnx")
MATTE_FILE: Final = Path("modnet", "modnet.onnx")
_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
_STD: Final = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class PartMaps:
    """Aligned crops and what the teachers say of them.

    Attributes:
        names: N names, as in `FaceImage`.
        is_val: (N,) bool, whether a face is of the val split.
        crops: (N, 256, 256, 3) RGB uint8, the face upright and 60 % of the side.
        meshes: (N, 468, 3) float32 in crop pixels.
        maps: (N, 256, 256, 4) uint8, skin, clothes, hair and matte in 1/255.
    """

    names: np.ndarray
    is_val: np.ndarray
    crops: np.ndarray
    meshes: np.ndarray
    maps: np.ndarray

    def save(self, path: Path) -> None:
        """Writes a file that `load` reads."""
        np.savez(path, **self.__dict__)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a file that `save` wrote."""
        with np.load(path) as archive:
            return cls(**{name: archive[name] for name in archive.files})


class Teachers:
    """A parser of skin, clothes and hair, and a portrait matte (MODNet, Ke et al., AAAI 2022).

    Args:
        folder: holds `PARSER_FILE` and `MATTE_FILE`.
        threads: intra-op threads.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        self.parser = make_session(folder / PARSER_FILE, threads)
        self.matte = make_session(folder / MATTE_FILE, threads)

    def __call__(self, portrait: np.ndarray) -> np.ndarray:
        """Returns skin, clothes, hair and matte of a portrait.

        Args:
            portrait: (512, 512, 3) RGB uint8.

        Returns:
            (512, 512, 4) float32 in [0, 1].
        """
        parts = _answer(self.parser, (portrait / np.float32(255) - _MEAN) / _STD)
        matte = _answer(self.matte, (portrait.astype(np.float32) - 127.5) / 127.5)
        return np.clip(np.concatenate([parts, matte]).transpose(1, 2, 0), 0, 1)


def _answer(session: Any, image: np.ndarray) -> np.ndarray:
    """Runs a network on one image (H, W, 3); returns (C, H, W)."""
    inputs = {session.get_inputs()[0].name: image.astype(np.float32).transpose(2, 0, 1)[None]}
    return np.asarray(session.run(None, inputs)[0][0])


def measure(faces: list[FaceImage], is_val: np.ndarray, teachers: Teachers) -> PartMaps:
    """Aligns faces and asks the teachers about each."""
    crops, meshes, maps = [], [], []
    for face in tqdm(faces, unit="face"):
        matrix = mesh_crop_transform(face.mesh, FUSION_FACE_SHARE / 2, TEACHER_SIZE)
        portrait = crop_photo(face.image, matrix, TEACHER_SIZE, cv2.BORDER_REPLICATE)
        crops.append(portrait[MIDDLE, MIDDLE])
        meshes.append(transform_points(face.mesh, matrix) - [MIDDLE.start, MIDDLE.start, 0])
        answer = teachers(portrait)[MIDDLE, MIDDLE]
        maps.append(np.round(255 * answer).astype(np.uint8))
    names = np.array([face.name for face in faces])
    return PartMaps(
        names, is_val, np.stack(crops), np.stack(meshes).astype(np.float32), np.stack(maps)
    )


def main() -> None:
    """Measures both splits of a data folder."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training.samples.part_maps", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="data folder, see docs/data.md")
    parser.add_argument("--teachers", type=Path, required=True, help="folder of both teachers")
    parser.add_argument("--out", type=Path, required=True, help="NPZ file to write")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    splits = [load_faces(args.data, split) for split in ("train", "val")]
    is_val = np.repeat([False, True], [len(faces) for faces in splits])
    teachers = Teachers(args.teachers, args.threads)
    measure([*splits[0], *splits[1]], is_val, teachers).save(args.out)


if __name__ == "__main__":
    main()
