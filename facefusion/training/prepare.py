"""Makes a data folder for training: finds the largest face of each image and measures its mesh.

`python -m facefusion.training prepare IMAGES --out DIR` writes `DIR/faces.csv` and
`DIR/mesh468.npz`; `docs/data.md` describes them. The images stay where they are.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from tqdm import tqdm

from facefusion.errors import FusionError
from facefusion.geometry.topology import eye_distance
from facefusion.images.reading import read_photo
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.perception.checks import is_consistent
from facefusion.perception.detector import FaceDetector
from facefusion.perception.mesh import FaceMesh
from facefusion.types import Face, Photo

#: File name extensions of the formats that `reading.read_photo` and OpenCV read.
EXTENSIONS: Final = frozenset(
    (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
#: Columns of `faces.csv`. `source`, `licence` and `description` are left empty.
COLUMNS: Final = (
    "file", "split", "source", "licence", "width", "height", "faces_found", "eye_distance_px",
    "yaw_deg", "description",
)  # fmt: skip
#: Share of the images in the validation split.
VAL_SHARE: Final = 0.1


class LeftOut(StrEnum):
    """Reason why an image is left out."""

    NO_FACE = "no face"
    UNREADABLE = "cannot be read"


@dataclass(frozen=True)
class PreparedImage:
    """An image with a face.

    Attributes:
        file: path in `faces.csv`.
        width, height: size in pixels.
        face: the largest face, in pixels of the image.
        faces_found: number of detected faces.
    """

    file: str
    width: int
    height: int
    face: Face
    faces_found: int

    def row(self, val_share: float) -> dict[str, str | int]:
        """Row of `faces.csv`, with the split for this share of validation images."""
        return {
            "file": self.file,
            "split": split_of(Path(self.file).name, val_share),
            "width": self.width,
            "height": self.height,
            "faces_found": self.faces_found,
            "eye_distance_px": f"{eye_distance(self.face.mesh):.1f}",
            "yaw_deg": f"{self.face.yaw:.1f}",
        }


def split_of(name: str, val_share: float) -> str:
    """Assigns a file name to "train" or "val" by its SHA-256.

    An image keeps its split when others are added, and when its folder is moved.
    """
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return "val" if number < val_share * 2**64 else "train"


def find_images(folder: Path) -> list[Path]:
    """Finds the image files in a folder and its subfolders, sorted by path."""
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file()
    )


def read_image(path: Path) -> Photo | None:
    """Reads an image, (H, W, 3) RGB uint8; None where it is no image that training can read.

    Training reads with OpenCV, the evaluation with Pillow. The mesh is valid for both only where
    they agree on the orientation; OpenCV 5.0 cannot read a TIFF file with an EXIF orientation.
    """
    try:
        photo = read_photo(path, "target")
    except FusionError:
        return None
    trained = cv2.imread(str(path))
    return photo if trained is not None and trained.shape == photo.shape else None


def path_from(folder: Path, image: Path) -> str:
    """Path of an image relative to a folder, with forward slashes; absolute on another drive."""
    try:
        return Path(os.path.relpath(image.resolve(), folder.resolve())).as_posix()
    except ValueError:  # Windows: there is no relative path between drives
        return image.resolve().as_posix()


def prepare(paths: Sequence[Path], out: Path) -> Iterator[PreparedImage | LeftOut]:
    """Detects and measures the largest face of each image.

    Args:
        paths: image files.
        out: data folder that the paths in `faces.csv` are relative to.

    Yields:
        For each path, the image or the reason why it is left out.

    Raises:
        WeightsError: the detector or the mesh network cannot be opened.
    """
    files = read_manifest(EMBEDDED_WEIGHTS)
    detector, mesh = FaceDetector(files["detector"].path), FaceMesh(files["mesh"].path)
    for path in paths:
        photo = read_image(path)
        if photo is None:
            yield LeftOut.UNREADABLE
            continue
        detections = detector.with_retries(photo)
        measured = (mesh(photo, detection) for detection in detections)
        face = next(filter(is_consistent, measured), None)
        if face is None:
            yield LeftOut.NO_FACE
            continue
        height, width = photo.shape[:2]
        yield PreparedImage(path_from(out, path), width, height, face, len(detections))


def write(prepared: Sequence[PreparedImage], out: Path, val_share: float) -> list[str]:
    """Writes `faces.csv` and `mesh468.npz` and returns the split of each image."""
    rows = [image.row(val_share) for image in prepared]
    np.savez(
        out / "mesh468.npz",
        files=np.array([image.file for image in prepared]),
        mesh=np.stack([image.face.mesh for image in prepared]).astype(np.float32),
    )
    with (out / "faces.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return [str(row["split"]) for row in rows]


def main(arguments: Sequence[str]) -> int:
    """Entry point of `python -m facefusion.training prepare`."""
    args = _parse(arguments)
    existing = [name for name in ("faces.csv", "mesh468.npz") if (args.out / name).exists()]
    if existing and not args.overwrite:
        raise SystemExit(
            f"{args.out} has {' and '.join(existing)} already: give --overwrite to replace them"
        )
    paths = find_images(args.images)
    if not paths:
        raise SystemExit(f"There is no image in {args.images}.")
    args.out.mkdir(parents=True, exist_ok=True)
    prepared, left_out = _collect(paths, args.out)
    if not prepared:
        raise SystemExit(f"None of the {len(paths)} images in {args.images} shows a face.")
    splits = write(prepared, args.out, args.val_share)
    print(
        f"{len(paths)} images: {splits.count('train')} train, {splits.count('val')} val, "
        f"{left_out[LeftOut.NO_FACE]} without a face, "
        f"{left_out[LeftOut.UNREADABLE]} that cannot be read"
    )
    if len(set(splits)) < 2:
        print("Training needs images in both splits: change --val-share or the column split.")
    return 0


def _collect(paths: Sequence[Path], out: Path) -> tuple[list[PreparedImage], Counter[LeftOut]]:
    """Prepares the images with a progress bar, names each that is left out, and counts those."""
    prepared: list[PreparedImage] = []
    left_out: Counter[LeftOut] = Counter()
    bar = tqdm(prepare(paths, out), total=len(paths), desc="faces", unit="image")
    for path, image in zip(paths, bar, strict=True):
        if isinstance(image, PreparedImage):
            prepared.append(image)
        else:
            left_out[image] += 1
            tqdm.write(f"{path}: {image}", file=sys.stderr)
    return prepared, left_out


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parses the command line; a folder that does not exist and a share outside [0, 1] end it."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training prepare",
        description="Makes a data folder: faces.csv and mesh468.npz for the images of a folder.",
    )
    parser.add_argument(
        "images", type=Path, metavar="IMAGES", help="folder with images, also in subfolders"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="data folder; the images stay in IMAGES, which faces.csv refers to",
    )
    parser.add_argument(
        "--val-share",
        type=float,
        default=VAL_SHARE,
        metavar="SHARE",
        help="share of the images in the validation split, chosen by file name (default: %(default)s)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace faces.csv and mesh468.npz in DIR"
    )
    args = parser.parse_args(arguments)
    if not args.images.is_dir():
        parser.error(f"there is no folder {args.images}")
    if not 0 <= args.val_share <= 1:
        parser.error("--val-share must be between 0 and 1")
    return args
