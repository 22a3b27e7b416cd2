"""Packs the training faces into one file for `PackedFaces`: crops, meshes, coverings, embeddings.

The file holds everything that needs the project's networks, so that training on it needs torch,
NumPy and OpenCV alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from safetensors.torch import load_file

from facefusion.geometry.align import face_size
from facefusion.nets.identity import IdentityNet
from facefusion.nets.parser import FaceParserNet
from facefusion.perception.coverings import Coverings
from facefusion.perception.eyelids import lids
from facefusion.pipeline.source import skin_over
from facefusion.training.loop import to_input
from facefusion.training.samples.covered_faces import CoveredFaces
from facefusion.training.samples.data import (
    AlignedFaces,
    FaceImage,
    align_faces,
    load_faces,
    require_images,
)
from facefusion.training.samples.identity_faces import arcface_crops
from facefusion.training.samples.normals import mesh_normals
from facefusion.training.tasks.eyelids import shut_eyes
from facefusion.training.tasks.parser import find_coverings
from facefusion.training.tensors.packing import MESH_STEPS, MESH_ZERO

#: Side of the packed crops in pixels.
CROP: Final = 448
#: Side of the packed maps in pixels.
MAP: Final = 128
#: WebP quality of the crops.
QUALITY: Final = 88
#: Faces that are embedded at once.
CHUNK: Final = 64
#: Number of levels that the maps are rounded to, which makes them a third smaller.
LEVELS: Final = 16


def pack(data: Path, checkpoints: Path, out: Path) -> int:
    """Packs both splits of a data folder; returns the size of the file in bytes.

    Raises:
        SystemExit: a split has no images.
    """
    identity, parser = networks(checkpoints)
    columns: dict[str, list[np.ndarray]] = {}
    for split in ("train", "val"):
        faces = load_faces(data, split)
        require_images("pack", len(faces), f'images with the split "{split}"')
        for name, values in _packed(faces, identity, parser).items():
            columns.setdefault(name, []).append(values)
        columns.setdefault("val", []).append(np.full(len(faces), split == "val"))
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, **{name: np.concatenate(parts) for name, parts in columns.items()})
    return out.stat().st_size


def networks(checkpoints: Path) -> tuple[IdentityNet, FaceParserNet]:
    """Loads the networks that ship for embeddings and for coverings."""
    identity, parser = IdentityNet(), FaceParserNet()
    for name, net in (("identity", identity), ("parser", parser)):
        net.load_state_dict(load_file(checkpoints / f"{name}.safetensors"))
        net.requires_grad_(False).eval().to(memory_format=torch.channels_last)
    return identity, parser


def _packed(
    faces: Sequence[FaceImage], identity: IdentityNet, parser: FaceParserNet
) -> dict[str, np.ndarray]:
    """Returns the columns of a split, a row a face; bytes of images one after the other."""
    aligned = align_faces(list(faces), CROP)
    shut = shut_eyes(aligned.names) == 1
    found = [
        replace(each, lids=lids(mesh * (192 / CROP), eyes.astype(np.float32), 192))
        for each, mesh, eyes in zip(
            find_coverings(parser, aligned), aligned.meshes, shut, strict=True
        )
    ]
    covered = CoveredFaces(aligned, found)
    images = [_encoded(crop) for crop in aligned.crops]
    bare = [
        _bare(*each) for each in zip(covered.without_glasses, aligned.meshes, found, strict=True)
    ]
    sources = [
        np.zeros(0, np.uint8) if np.array_equal(own, crop) else _encoded(own)
        for own, crop in zip(bare, aligned.crops, strict=True)
    ]
    maps = [each.occlusion_maps for each in found]
    return {
        "crop": np.concatenate(images),
        "crop_bytes": np.array([len(data) for data in images]),
        "bare": np.concatenate(sources),
        "bare_bytes": np.array([len(data) for data in sources]),
        "mesh": _quantised(aligned.meshes),
        "normals": np.rint(127 * mesh_normals(aligned.meshes)).astype(np.int8),
        "always_keep": _map_levels([255 * each.always_keep for each in found]),
        "hair": _map_levels([255 * each[..., 0] for each in maps]),
        "hidden": _map_levels([255 * each[..., 1] for each in maps]),
        "carried": _map_levels(list(covered.hair_masks)),
        "coverings": _map_levels(list(covered.masks)),
        "identity": _embedded(identity, arcface_crops(aligned)),
        "glasses": covered.glasses != "",
        "eyes_hidden": np.array(
            [_hides_eyes(each, kind) for each, kind in zip(found, covered.glasses, strict=True)]
        ),
        "yaw": aligned.yaws,
        "density": _densities(faces, aligned),
        "name": np.array(aligned.names),
    }


def _bare(crop: np.ndarray, mesh: np.ndarray, coverings: Coverings) -> np.ndarray:
    """Covers the background past a cheek with skin, as `AlignedFace` does, in (S, S, 3) RGB uint8."""
    for patch in skin_over([coverings.background], crop, mesh, coverings):
        crop = patch.onto(crop)
    return crop


def _embedded(identity: IdentityNet, crops: np.ndarray) -> np.ndarray:
    """Returns embeddings (N, 128) float16 of ArcFace crops (N, 112, 112, 3) RGB uint8."""
    parts = [
        identity(to_input(torch.from_numpy(crops[i : i + CHUNK])))
        for i in range(0, len(crops), CHUNK)
    ]
    return torch.nn.functional.normalize(torch.cat(parts)).numpy().astype(np.float16)


def _hides_eyes(coverings: Coverings, kind: str) -> bool:
    """Returns whether glasses hide the eyes, or were not found where they are labelled."""
    return kind != "" and (coverings.glasses is None or coverings.glasses.hides_eyes)


def _densities(faces: Sequence[FaceImage], aligned: AlignedFaces) -> np.ndarray:
    """Returns the images' pixels per pixel of the packed crop, (N,) float32."""
    sizes = [
        face_size(face.mesh) / face_size(mesh)
        for face, mesh in zip(faces, aligned.meshes, strict=True)
    ]
    return np.array(sizes, np.float32)


def _encoded(image: np.ndarray) -> np.ndarray:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return np.asarray(data, np.uint8)


def _quantised(meshes: np.ndarray) -> np.ndarray:
    """Returns meshes (N, 468, 3) of crops of `CROP` pixels in steps of a crop's side, uint16."""
    units = (meshes + [0.5, 0.5, 0]) / CROP
    return np.clip(np.rint(units * MESH_STEPS + MESH_ZERO), 0, 65535).astype(np.uint16)


def _map_levels(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Returns maps in [0, 255] of any side as (N, MAP, MAP) uint8, rounded to `LEVELS`."""
    step = 255 / (LEVELS - 1)
    small = [
        cv2.resize(np.asarray(each, np.float32), (MAP, MAP), interpolation=cv2.INTER_AREA)
        for each in maps
    ]
    return np.rint(np.rint(np.stack(small) / step) * step).astype(np.uint8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `python -m facefusion.training pack`, with the process's arguments by default."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training pack", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="data folder")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .npz")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    args = parser.parse_args(arguments)
    size = pack(args.data, args.checkpoints, args.out)
    print(f"{args.out}: {size / 1e6:.1f} MB")
    return 0
