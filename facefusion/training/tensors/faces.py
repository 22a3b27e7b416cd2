"""Holds the packed training faces as tensors on a device."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from facefusion.compose.features import FeatureMasks
from facefusion.compose.shadow import half_in_shadow
from facefusion.geometry.mask import face_mask, mouth_openness, skin_mask
from facefusion.geometry.topology import LEFT_BROW, RIGHT_BROW, five_points
from facefusion.training.tensors.packing import MESH_STEPS, MESH_ZERO
from facefusion.training.tensors.warps import TensorWarps

#: Side in pixels at which masks are made from the meshes; they are smooth.
MASK: Final = 256
#: Side in pixels at which skin is masked, that of the coarse network's input as at serving.
SKIN: Final = 128
#: Channels of `PackedFaces.parts`: lips, whites of eyes and teeth, brows and lashes.
PARTS: Final = 3
#: Channels of `PackedFaces.maps`.
ALWAYS_KEEP, HAIR, HIDDEN, CARRIED, COVERINGS = range(5)
#: Names of those channels in the file.
MAPS: Final = ("always_keep", "hair", "hidden", "carried", "coverings")
#: Columns of a packed file.
COLUMNS: Final = frozenset(MAPS) | {
    *("crop", "crop_bytes", "bare", "bare_bytes", "mesh", "normals", "identity"),
    *("glasses", "eyes_hidden", "yaw", "density", "name", "val"),
}


@dataclass(frozen=True)
class PackedFaces:
    """Faces of one split in aligned crops; positions are shares of a crop's side.

    Attributes:
        crops: by side in pixels, (N, 3, S, S) uint8 RGB.
        bare: the same without clear glasses, and with skin over the background past a cheek.
        maps: (N, 5, 128, 128) uint8, where the face stays as it is (glasses, shut lids), hair, other
            hidden parts, what `bare` carries along, and what lies over the face in `crops`.
        face: (N, 1, 256, 256) uint8, where the face may change.
        skin: (N, 1, 128, 128) uint8, likely skin.
        parts: (N, 3, 128, 128) uint8, `compose.features.FeatureMasks`.
        meshes: (N, 468, 3).
        normals: (N, 468, 2), x and y of unit vectors at the mesh points.
        brows: (N,) upper edge of the brows.
        points: (N, 5, 2), eyes, nose and corners of the mouth.
        identity: (N, 128) unit-length embeddings by the network that ships.
        glasses: (N,) bool, glasses of any kind.
        eyes_hidden: (N,) bool, by dark glass.
        yaw: (N,) degrees.
        tone: (N,) mean of the skin in [0, 1].
        open_mouth, bearded, side_lit: (N,) float32 in [0, 1], how much a face is of a kind.
        in_shadow: (N,) float32 in [-1, 1], `compose.shadow.half_in_shadow`.
        density: (N,) pixels of the image per pixel of the packed crop.
        warps: warps onto each of the faces.
        names: N file names.
    """

    crops: dict[int, Tensor]
    bare: dict[int, Tensor]
    maps: Tensor
    face: Tensor
    skin: Tensor
    parts: Tensor
    meshes: Tensor
    normals: Tensor
    brows: Tensor
    points: Tensor
    identity: Tensor
    glasses: Tensor
    eyes_hidden: Tensor
    yaw: Tensor
    tone: Tensor
    open_mouth: Tensor
    bearded: Tensor
    side_lit: Tensor
    in_shadow: Tensor
    density: Tensor
    warps: TensorWarps
    names: list[str]

    def __len__(self) -> int:
        return len(self.meshes)

    @classmethod
    def load(
        cls,
        path: Path,
        split: str,
        device: torch.device,
        sides: Sequence[int],
        *,
        limit: int | None = None,
        threads: int = 8,
    ) -> Self:
        """Loads a split of a packed file (`pack`).

        Args:
            path: the file.
            split: "train" or "val".
            device: where the tensors are put.
            sides: sides of the crops in pixels, at most the packed ones'.
            limit: number of faces to load, spread over the split; all by default.
            threads: threads that decode images and draw masks.

        Raises:
            SystemExit: there is no such file, or it lacks columns.
        """
        columns = _columns(path)
        rows = np.flatnonzero(columns["val"] == (split == "val"))
        if limit is not None:
            rows = rows[:: max(len(rows) // limit, 1)][:limit]
        meshes = (columns["mesh"][rows].astype(np.float32) - MESH_ZERO) / MESH_STEPS
        with ThreadPoolExecutor(threads) as pool:
            full = list(pool.map(_decoded, _blobs(columns, "crop", rows)))
            bare = list(pool.map(_decoded, _blobs(columns, "bare", rows)))
            masks = list(pool.map(_masks, meshes))
        bare = [crop if own is None else own for crop, own in zip(full, bare, strict=True)]
        maps = np.stack([columns[name][rows] for name in MAPS], axis=1)
        face, skin, parts = (np.stack([each[i] for each in masks]) for i in range(3))

        def tensor(values: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device)

        small = np.stack([_resized(crop, SKIN) for crop in full]).astype(np.float32).mean(-1) / 255
        weight = skin[:, 0] / 255
        return cls(
            crops={side: _images(full, side, device) for side in sides},
            bare={side: _images(bare, side, device) for side in sides},
            maps=tensor(maps),
            face=tensor(face),
            skin=tensor(skin),
            parts=tensor(parts),
            meshes=tensor(meshes),
            normals=tensor(columns["normals"][rows].astype(np.float32) / 127),
            brows=tensor(meshes[:, LEFT_BROW + RIGHT_BROW, 1].min(1)),
            points=tensor(np.stack([five_points(mesh) for mesh in meshes])),
            identity=functional.normalize(tensor(columns["identity"][rows].astype(np.float32))),
            glasses=tensor(columns["glasses"][rows]),
            eyes_hidden=tensor(columns["eyes_hidden"][rows]),
            yaw=tensor(columns["yaw"][rows].astype(np.float32)),
            tone=tensor((small * weight).sum((1, 2)) / weight.sum((1, 2))),
            open_mouth=tensor(_ramp(np.array([mouth_openness(m) for m in meshes]), 0.05, 0.3)),
            bearded=tensor(_ramp(_below(maps[:, COVERINGS], meshes), 0.1, 0.5)),
            side_lit=tensor(_ramp(_imbalance(small, weight, meshes), 0.15, 0.6)),
            in_shadow=tensor(_in_shadow(bare, maps, meshes)),
            density=tensor(columns["density"][rows]),
            warps=TensorWarps(meshes, device, threads=threads),
            names=[str(name) for name in columns["name"][rows]],
        )


def _columns(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        raise SystemExit(f"there is no {path}. Please pack the faces first.")
    with np.load(path, allow_pickle=False) as file:
        columns = {name: file[name] for name in file.files}
    if lacking := sorted(COLUMNS - columns.keys()):
        raise SystemExit(
            f"{path.name} has no {', '.join(lacking)}. Please pack the faces again with this version."
        )
    return columns


def _blobs(columns: dict[str, np.ndarray], name: str, rows: np.ndarray) -> list[np.ndarray]:
    """Returns the bytes of each row's image."""
    sizes = columns[f"{name}_bytes"]
    ends = np.cumsum(sizes)
    return [columns[name][ends[i] - sizes[i] : ends[i]] for i in rows]


def _decoded(data: np.ndarray) -> np.ndarray | None:
    """Decodes an image to (S, S, 3) RGB uint8; None without data."""
    if not len(data):
        return None
    return np.asarray(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


def _resized(image: np.ndarray, side: int) -> np.ndarray:
    if image.shape[0] == side:
        return image
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA))


def _images(images: Sequence[np.ndarray], side: int, device: torch.device) -> Tensor:
    """Returns images as (N, 3, side, side) uint8."""
    stacked = np.stack([_resized(image, side).transpose(2, 0, 1) for image in images])
    return torch.from_numpy(stacked).to(device)


def _masks(mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws the face mask, the skin mask and the parts of a mesh, (C, S, S) uint8 each."""
    large, small = mesh * MASK, mesh * SKIN
    large[:, :2] -= 0.5
    small[:, :2] -= 0.5
    parts = FeatureMasks.of(small, SKIN)
    masks = (
        face_mask(large, MASK)[None],
        skin_mask(small, SKIN)[None],
        np.stack([parts.lips, parts.whites, parts.hairs]),
    )
    face, skin, features = (np.rint(255 * mask).astype(np.uint8) for mask in masks)
    return face, skin, features


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


def _below(covered: np.ndarray, meshes: np.ndarray) -> np.ndarray:
    """Returns how much of the chin's surroundings is covered, (N,) in [0, 1]: beards."""
    side = covered.shape[-1]
    shares = []
    for mask, mesh in zip(covered, meshes, strict=True):
        left, top = (mesh[[172, 164], [0, 1]] * side).astype(int).clip(0, side - 2)
        right, bottom = (mesh[[397, 152], [0, 1]] * side).astype(int).clip(0, side - 1)
        shares.append(mask[top : max(bottom, top + 1), left : max(right, left + 1)].mean() / 255)
    return np.array(shares, np.float32)


def _in_shadow(crops: list[np.ndarray], maps: np.ndarray, meshes: np.ndarray) -> np.ndarray:
    """Returns which half of each face lies in deep shadow, (N,) in [-1, 1]."""
    hidden = maps[:, HAIR : HIDDEN + 1].max(1).astype(np.float32) / 255
    side = crops[0].shape[0]
    pixels = meshes * side - np.array([0.5, 0.5, 0], np.float32)
    found = map(half_in_shadow, crops, pixels, hidden)
    return np.array(list(found), np.float32)


def _imbalance(grey: np.ndarray, weight: np.ndarray, meshes: np.ndarray) -> np.ndarray:
    """Returns the log ratio of the skin's brightness on both sides of the nose, (N,)."""
    columns = (np.arange(grey.shape[-1]) + 0.5) / grey.shape[-1]
    left = weight * (columns[None, None] < meshes[:, 4, 0][:, None, None])
    right = weight - left
    means = [
        (grey * part).sum((1, 2)) / np.maximum(part.sum((1, 2)), 1e-3) for part in (left, right)
    ]
    return np.asarray(np.abs(np.log((means[0] + 0.02) / (means[1] + 0.02))), np.float32)
