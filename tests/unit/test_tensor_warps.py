"""Batched warps on tensors agree with those that serve, and never wait for the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from facefusion.compose.shadow import SHADOW_EDGE
from facefusion.geometry.mirror import mirrored
from facefusion.geometry.slits import SLITS, jump_strength
from facefusion.geometry.stretch import too_oblique
from facefusion.geometry.symmetry import LEAST_TURN, half_opacity, hidden_turn, mirror_opacity
from facefusion.geometry.warp import MeshWarp, sample
from facefusion.training.tensors.warps import TensorWarps

SIZE = 256
CPU = torch.device("cpu")
#: Names of operations that make the CPU wait for a GPU.
WAITING = ("_local_scalar_dense", "nonzero", "item", "is_nonzero", "masked_select", "equal")


def _with_eyes(mesh: np.ndarray, openness: float) -> np.ndarray:
    """The mesh with both eyes this share as open."""
    mesh = mesh.copy()
    for eye in SLITS[1:]:
        upper, lower = list(eye.upper), list(eye.lower)
        middle = (mesh[upper] + mesh[lower]) / 2
        for edge in (upper, lower):
            mesh[edge] = middle + openness * (mesh[edge] - middle)
    return mesh


@pytest.fixture(scope="module")
def meshes(make_mesh: Any) -> dict[str, np.ndarray]:
    """(468, 3) in pixels of a crop of `SIZE`."""
    centre, height = (128, 128), 160
    frontal = make_mesh(centre, height)
    return {
        "frontal": frontal,
        "tilted": make_mesh((122, 131), 150, pitch=-12, roll=8),
        "left": make_mesh(centre, height, yaw=-25),
        "right": make_mesh(centre, height, yaw=25),
        "far right": make_mesh(centre, height, yaw=48),
        "ajar": make_mesh(centre, height, mouth_open=True),
        "asleep": _with_eyes(frontal, 0.1),
    }


@pytest.fixture(scope="module")
def warps(meshes: dict[str, np.ndarray]) -> TensorWarps:
    return TensorWarps(_units(meshes.values()), CPU, threads=2)


def _units(meshes: Any) -> np.ndarray:
    return np.stack([(mesh + [0.5, 0.5, 0]) / SIZE for mesh in meshes]).astype(np.float32)


def _batch(meshes: dict[str, np.ndarray], pairs: list[tuple[str, str]]) -> tuple[Any, Any]:
    """Indices of destinations and source meshes of pairs (source, destination)."""
    names = list(meshes)
    return (
        torch.tensor([names.index(destination) for _, destination in pairs]),
        torch.from_numpy(_units([meshes[source] for source, _ in pairs])),
    )


PAIRS = [
    ("tilted", "frontal"),
    ("frontal", "left"),
    ("frontal", "right"),
    ("left", "frontal"),
    ("right", "frontal"),
    ("far right", "left"),
    ("left", "far right"),
    ("ajar", "frontal"),
    ("ajar", "left"),
    ("frontal", "ajar"),
    ("frontal", "asleep"),
    ("right", "asleep"),
]


def _pixels(flow: torch.Tensor) -> np.ndarray:
    return np.asarray(flow.permute(1, 2, 0).numpy() * SIZE - 0.5)


def _agree(found: np.ndarray, expected: np.ndarray, photo: np.ndarray) -> None:
    error = np.abs(found - expected).max(-1)
    # `MeshWarp` rounds the splines' coefficients, which cancel, to float32: 0.1 px in the corners.
    assert error.mean() < 0.03 and np.quantile(error, 0.99) < 0.15 and error.max() < 0.5
    warped, served = (sample(photo, flow).astype(float) for flow in (found, expected))
    assert np.abs(warped - served).mean() < 0.2


@pytest.mark.parametrize("mirror", [False, True])
def test_flows_are_those_that_serve(
    warps: TensorWarps, meshes: dict[str, np.ndarray], make_photo: Any, mirror: bool
) -> None:
    photo = make_photo(SIZE, SIZE)
    batch = _batch(meshes, PAIRS)
    flows = (warps.mirrored_flow if mirror else warps.flow)(*batch)
    assert flows.shape == (len(PAIRS), 2, SIZE, SIZE) and flows.dtype == torch.float32
    for flow, (source, destination) in zip(flows, PAIRS, strict=True):
        warp = MeshWarp(meshes[destination], SIZE, triangles=True)
        mesh = meshes[source]
        expected = warp.flow(mirrored(mesh, SIZE) if mirror else mesh)
        if mirror:
            expected[..., 0] = SIZE - 1 - expected[..., 0]
        _agree(_pixels(flow), expected, photo)


def test_the_pairs_jump_across_mouth_and_eyes_and_hide_halves(
    meshes: dict[str, np.ndarray],
) -> None:
    strengths = [
        [jump_strength(meshes[source], meshes[destination], slit) for slit in SLITS]
        for source, destination in PAIRS
    ]
    assert (np.max(strengths, axis=0) > 0.5).all() and (np.min(strengths, axis=0) == 0).all()
    turns = [hidden_turn(meshes[source], meshes[destination]) for source, destination in PAIRS]
    assert max(turns) > 2 * LEAST_TURN and min(turns) < -LEAST_TURN - 5


def test_mirror_opacity_and_what_is_too_oblique_are_those_that_serve(
    warps: TensorWarps, meshes: dict[str, np.ndarray]
) -> None:
    batch = _batch(meshes, PAIRS)
    opacities, obliques = warps.mirror_opacity(*batch), warps.too_oblique(*batch)
    assert opacities.shape == obliques.shape == (len(PAIRS), 1, SIZE, SIZE)
    for index, (source, destination) in enumerate(PAIRS):
        mesh, target = meshes[source], meshes[destination]
        warp = MeshWarp(target, SIZE)
        opacity = mirror_opacity(warp, target, hidden_turn(mesh, target), SIZE)
        np.testing.assert_allclose(opacities[index, 0].numpy(), opacity, atol=0.01)
        points = [too_oblique(each, target) for each in (mesh, mirrored(mesh, 1))]
        own, other = np.moveaxis(warp.spread(np.stack(points, axis=1)), 2, 0)
        expected = np.clip(own + opacity * (other - own), 0, 1)
        np.testing.assert_allclose(obliques[index, 0].numpy(), expected, atol=0.01)
    assert opacities.amax() == 1 and obliques.amax() > 0.9
    assert not opacities[PAIRS.index(("ajar", "frontal"))].any()


@pytest.mark.parametrize("in_shadow", [-1.0, 0.4])
def test_a_half_in_shadow_is_mirrored_unless_the_pose_hides_one(
    warps: TensorWarps, meshes: dict[str, np.ndarray], in_shadow: float
) -> None:
    batch = _batch(meshes, PAIRS)
    lit = warps.mirror_opacity(*batch)
    shaded = warps.mirror_opacity(*batch, torch.full((len(PAIRS),), in_shadow))
    for index, (source, destination) in enumerate(PAIRS):
        mesh, target = meshes[source], meshes[destination]
        expected = lit[index, 0].numpy()
        if abs(hidden_turn(mesh, target)) <= LEAST_TURN:
            assert not expected.any()
            warp = MeshWarp(target, SIZE)
            expected = half_opacity(warp, target, in_shadow, SHADOW_EDGE, SIZE)
        np.testing.assert_allclose(shaded[index, 0].numpy(), expected, atol=0.01)


def test_a_batch_gives_the_same_as_single_faces(
    warps: TensorWarps, meshes: dict[str, np.ndarray]
) -> None:
    destination, source = _batch(meshes, PAIRS)
    for method in (warps.flow, warps.mirrored_flow, warps.mirror_opacity, warps.too_oblique):
        together = method(destination, source)
        for index in (0, 5, 7):
            alone = method(destination[index : index + 1], source[index : index + 1])
            torch.testing.assert_close(together[index : index + 1], alone, atol=1e-5, rtol=0)


def test_a_smaller_flow_is_the_same_flow(meshes: dict[str, np.ndarray], make_photo: Any) -> None:
    warps = TensorWarps(_units(meshes.values()), CPU, flow_size=128, threads=2)
    pairs = PAIRS[3:8]
    for flow, (source, destination) in zip(warps.flow(*_batch(meshes, pairs)), pairs, strict=True):
        warp = MeshWarp(meshes[destination], SIZE, triangles=True, flow_size=128)
        _agree(_pixels(flow), warp.flow(meshes[source], 128), make_photo(SIZE, SIZE))


class _Recorded(TorchDispatchMode):
    """Records the operations that make the CPU wait for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        indices = args[1] if name.startswith("index") and len(args) > 1 else []
        masks = [
            each for each in (indices if isinstance(indices, list | tuple) else [])
            if each is not None and each.dtype in (torch.bool, torch.uint8)
        ]  # fmt: skip
        if name in WAITING or masks:
            self.waiting.append(str(func))
        return func(*args, **(kwargs or {}))


def test_the_record_finds_what_waits() -> None:
    values = torch.arange(4.0)
    for waits in (
        lambda: values[values > 1],
        lambda: values.sum().item(),
        lambda: bool(values[0] > 1),
        lambda: values.nonzero(),
    ):
        with _Recorded() as recorded:
            waits()
        assert recorded.waiting


def test_nothing_waits_for_the_device(warps: TensorWarps, meshes: dict[str, np.ndarray]) -> None:
    batch = _batch(meshes, PAIRS[4:8])
    with _Recorded() as recorded:
        for method in (warps.flow, warps.mirrored_flow, warps.mirror_opacity, warps.too_oblique):
            method(*batch)
    assert recorded.waiting == []
