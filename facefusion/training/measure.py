"""Measures the shipped perception networks on the val split, through the product's own code.

`python -m facefusion.training.measure --data DIR --teacher FILE --maps FILE --hands FILE --out benchmarks/perception.md`
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import cv2
import insightface.data
import numpy as np
import skimage.data

from facefusion.geometry.align import FUSION_FACE_SHARE, crop_photo, mesh_crop_transform
from facefusion.geometry.topology import OVAL, eye_distance, five_points
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.perception.coverings import coverings_of
from facefusion.perception.detector import FaceDetector
from facefusion.perception.eyelids import SHUT, EyelidsFinder
from facefusion.perception.face_parser import CROP_SIZE, FaceParser
from facefusion.perception.face_parts import IN_FRONT, PARTS, FacePart
from facefusion.perception.identity import IdentityEncoder
from facefusion.perception.mesh import FaceMesh
from facefusion.training.identity_teacher import IdentityTeacher
from facefusion.training.samples.covering_labels import glasses_kinds
from facefusion.training.samples.data import FaceImage, align_faces, load_faces
from facefusion.training.samples.identity_faces import arcface_crops, augmented_copies
from facefusion.training.samples.labelled_points import labelled_points
from facefusion.training.samples.mosaics import make_mosaic
from facefusion.training.samples.parsed_faces import both_splits
from facefusion.training.tasks.detector import box_iou
from facefusion.training.tasks.detector import measure as measure_mosaics
from facefusion.training.tasks.eyelids import shut_eyes
from facefusion.training.tasks.identity import pair_correlation, verification_auc
from facefusion.training.tasks.parser import (
    VAL_SAMPLES,
    VAL_THINGS,
    intersection_over_union,
    point_scores,
)

#: Number of val mosaics.
MOSAICS: Final = 200
#: Side of the mosaics and frames in pixels.
FRAME_SIZE: Final = 640
#: Widths of the face box as shares of a frame: 40 px to 90 %.
SHARES: Final = (40 / FRAME_SIZE, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
#: In-plane rotations in degrees.
TURNS: Final = (-30, -15, 0, 15, 30)

#: Lines of the table: figure, target, measured value.
Rows = list[tuple[str, str, str]]


def detector_rows(detector: FaceDetector, val: list[FaceImage]) -> Rows:
    """Measures the detector on mosaics, on faces by size and turn, on photos of packages."""
    mosaics = [
        make_mosaic(np.random.default_rng((99, i)), val, FRAME_SIZE, augment=False)
        for i in range(MOSAICS)
    ]
    figures = measure_mosaics(detector, mosaics)
    by_size = [np.mean([_is_found(detector, face, share, 0) for face in val]) for share in SHARES]
    by_turn = [np.mean([_is_found(detector, face, 0.3, turn) for face in val]) for turn in TURNS]
    group = detector(np.ascontiguousarray(insightface.data.get_image("t1")[..., ::-1]))
    return [
        (
            f"recall at IoU 0.5, {MOSAICS} val mosaics of 640 px",
            "0.97 or more",
            f"{figures['val_recall']:.4f}",
        ),
        ("false faces an image", "0.1 or fewer", f"{figures['val_false_per_image']:.3f}"),
        (
            "five points, mean error in % of the eye distance",
            "6 or less",
            f"{figures['val_points_pct']:.2f}",
        ),
        (
            "recall by face size, "
            + ", ".join(f"{round(FRAME_SIZE * share)} px" for share in SHARES)
            + " of 640",
            "found",
            ", ".join(f"{value:.3f}" for value in by_size),
        ),
        (
            "recall by turn, " + ", ".join(f"{turn}°" for turn in TURNS),
            "found",
            ", ".join(f"{value:.3f}" for value in by_turn),
        ),
        ("scikit-image astronaut", "1 of 1", f"{len(detector(skimage.data.astronaut()))} found"),
        ("insightface t1", "6 of 6", f"{len(group)} found"),
    ]


def _is_found(detector: FaceDetector, face: FaceImage, share: float, turn: float) -> bool:
    """Returns whether the face is found on a 640 px frame of which it fills `share` of the side."""
    low, high = face.mesh[:, :2].min(0), face.mesh[:, :2].max(0)
    centre, scale = (low + high) / 2, share * FRAME_SIZE / float((high - low).max())
    matrix = cv2.getRotationMatrix2D(tuple(map(float, centre)), turn, scale)
    matrix[:, 2] += FRAME_SIZE / 2 - centre
    frame = crop_photo(face.image, matrix, FRAME_SIZE, cv2.BORDER_CONSTANT)
    oval = face.mesh[list(OVAL), :2] @ matrix[:, :2].T + matrix[:, 2]
    truth = np.concatenate([oval.min(0), oval.max(0)])
    return any(box_iou(detection.box, truth) > 0.5 for detection in detector(frame))


def mesh_rows(detector: FaceDetector, mesh: FaceMesh, val: list[FaceImage]) -> Rows:
    """Measures the mesh error on val photos, starting from the detector's boxes."""
    errors, yaws, points = [], [], []
    for face in val:
        detections = detector.with_retries(face.image)
        if not detections:
            continue
        centre = face.mesh[:, :2].mean(0)
        nearest = min(
            detections, key=lambda d: float(np.hypot(*(d.box.reshape(2, 2).mean(0) - centre)))
        )
        found = mesh(face.image, nearest).mesh
        eyes = eye_distance(face.mesh)
        errors.append(100 * np.linalg.norm((found - face.mesh)[:, :2], axis=1).mean() / eyes)
        points.append(
            100 * np.linalg.norm(five_points(found) - five_points(face.mesh), axis=1).mean() / eyes
        )
        yaws.append(abs(face.yaw))
    error, frontal = np.array(errors), np.array(yaws) < 30
    return [
        (f"mesh error, {frontal.sum()} val faces with \\|yaw\\| < 30°, % of the eye distance", "3 or less",
         f"{error[frontal].mean():.2f} (p90 {np.percentile(error[frontal], 90):.2f})"),
        (f"mesh error, all {len(error)} of {len(val)} detected", "5 or less",
         f"{error.mean():.2f} (p90 {np.percentile(error, 90):.2f})"),
        ("its five points", "", f"{np.mean(points):.2f}"),
    ]  # fmt: skip


def identity_rows(identity: IdentityEncoder, teacher: Path, val: list[FaceImage]) -> Rows:
    """Measures agreement with the teacher, and verification of augmented copies."""
    aligned, judge = align_faces(val), IdentityTeacher(teacher)
    crops = arcface_crops(aligned)
    copies = augmented_copies(np.random.default_rng(5), aligned)
    truth, found = judge(crops)[-1], identity.embed(crops)
    return [
        (
            "mean cosine to the teacher's embedding, val",
            "0.75 or more",
            f"{(found * truth).sum(1).mean():.3f}",
        ),
        (
            "correlation of pairwise similarities with the teacher's",
            "",
            f"{pair_correlation(found, truth):.3f}",
        ),
        (
            "AUC, augmented copies against all other val faces",
            "0.995 or more",
            f"{verification_auc(found, identity.embed(copies)):.4f}",
        ),
        ("the teacher's own AUC", "", f"{verification_auc(truth, judge(copies)[-1]):.4f}"),
    ]


def spectacles_rows(parser: FaceParser, train: list[FaceImage], val: list[FaceImage]) -> Rows:
    """Measures faces that wear glasses, and val faces without any."""

    def found(faces: list[FaceImage], kinds: tuple[str, ...]) -> np.ndarray:
        named = zip(faces, glasses_kinds([face.name for face in faces]), strict=True)
        chosen = [face for face, kind in named if kind in kinds]
        answers = (coverings_of(parser(face.image, face.mesh), None) for face in chosen)
        return np.array([answer.glasses is not None for answer in answers])

    clear = found(train + val, ("clear",))
    dark = found(train + val, ("dark", "other"))
    none = found(val, ("",))
    return [
        (f"spectacles found, of {len(clear)}", "", f"{100 * clear.mean():.1f} %"),
        (f"sunglasses found, of {len(dark)}", "", f"{100 * dark.mean():.1f} %"),
        (f"glasses found on {len(none)} bare val faces", "", f"{none.sum()}"),
    ]


def parser_rows(files: Mapping[str, Path], parser: FaceParser) -> Rows:
    """Measures the parser on val faces with things of kinds that its training never shows."""
    val = both_splits(files)[1]
    rng = np.random.default_rng(5)
    samples = [val.sample(rng, VAL_THINGS) for _ in range(VAL_SAMPLES)]
    images, labels = (np.stack(part) for part in zip(*samples, strict=True))
    found = np.stack([parser.probabilities(image).argmax(0) for image in images])
    scores = intersection_over_union(found, labels)
    rows = [(f"parser, IoU of {name}", "", f"{score:.3f}") for name, score in scores.items()]
    things = [FacePart.CLOTH, FacePart.HAND, FacePart.THING]
    first, second = (np.isin(each, things) & (labels < PARTS) for each in (found, labels))
    joined = (first & second).sum() / (first | second).sum()
    rows.append(("parser, IoU of cloth, hand and thing as one", "", f"{joined:.3f}"))
    return [*rows, ("parser, mean IoU", "", f"{np.nanmean(list(scores.values())):.3f}")]


def point_rows(parser: FaceParser, val: list[FaceImage]) -> Rows:
    """Measures the parser on points of val faces that were labelled by eye."""
    by_name, labels, found = labelled_points(), [], []
    for face in val:
        if face.name in by_name:
            to_crop = mesh_crop_transform(face.mesh, FUSION_FACE_SHARE, CROP_SIZE)
            labels.append(by_name[face.name].labels)
            parts, shape = parser(face.image, face.mesh), face.image.shape
            found.append(by_name[face.name].found(parts, to_crop, shape))
    seen, told = np.concatenate(labels), np.concatenate(found)
    covered, covers = (np.isin(each, IN_FRONT) for each in (seen, told))
    joined = (covered & covers).sum() / (covered | covers).sum()
    what = f"parser, of {len(seen)} points labelled by eye on {len(labels)} val faces"
    rows = [
        (f"{what}, told right", "", f"{100 * (seen == told).mean():.1f} %"),
        ("points, IoU of all in front as one", "", f"{joined:.3f}"),
    ]
    for part, (count, score) in point_scores(seen, told).items():
        rows.append((f"points, IoU of {part.name.lower()}, {count} points", "", f"{score:.3f}"))
    return rows


def eyelids_rows(finder: EyelidsFinder, val: list[FaceImage]) -> Rows:
    """Measures shut and open eyes of the val split, of which few are shut."""
    labels = shut_eyes([face.name for face in val])
    found = np.stack([finder(face.image, face.mesh) for face in val]) > SHUT[0]
    shut, opened = labels == 1, labels == 0
    return [
        (f"shut eyes found, of {shut.sum()} in val", "", f"{found[shut].sum()}"),
        (f"open eyes called shut, of {opened.sum()} in val", "", f"{found[opened].sum()}"),
    ]


def main() -> None:
    """Prints the table and writes it to a file."""
    options = argparse.ArgumentParser(
        prog="python -m facefusion.training.measure", description=__doc__
    )
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--teacher", type=Path, required=True, help="MobileFaceNet ONNX file")
    options.add_argument("--maps", type=Path, required=True, help="NPZ file of samples.part_maps")
    options.add_argument("--hands", type=Path, required=True, help="NPZ file of samples.cut_hands")
    options.add_argument(
        "--spectacles", type=Path, default=Path("checkpoints", "spectacles.safetensors")
    )
    options.add_argument("--weights", type=Path, default=EMBEDDED_WEIGHTS)
    options.add_argument("--out", type=Path)
    args = options.parse_args()
    files = read_manifest(args.weights)
    val = load_faces(args.data, "val")
    detector, mesh = FaceDetector(files["detector"].path), FaceMesh(files["mesh"].path)
    parser = FaceParser(files["parser"].path)
    lines = ["| what | asked | measured |", "|---|---|---|"]
    for rows in (
        detector_rows(detector, val),
        mesh_rows(detector, mesh, val),
        identity_rows(IdentityEncoder(files["identity"].path), args.teacher, val),
        spectacles_rows(parser, load_faces(args.data, "train"), val),
        parser_rows(vars(args), parser),
        point_rows(parser, val),
        eyelids_rows(EyelidsFinder(files["eyelids"].path), val),
    ):
        lines += [f"| {what} | {asked} | {measured} |" for what, asked, measured in rows]
    for file in files.values():
        lines.append(f"| size of {file.path.name}, MB | | {file.path.stat().st_size / 1e6:.2f} |")
    table = "\n".join(lines) + "\n"
    print(table)
    if args.out:
        command = (
            "python -m facefusion.training.measure --data DIR --teacher mobilefacenet.onnx "
            "--maps FILE --hands FILE"
        )
        args.out.write_text(
            f"# Perception networks on the val split\n\n`{command}`\n\n{table}", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
