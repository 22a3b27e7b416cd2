"""INT8: what is kept in 32 bits, which recipe is taken, and that the files that ship answer as
their originals do.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from facefusion import FusionPipeline
from facefusion.engines.accuracy import fused, psnr
from facefusion.engines.sessions import Feeds
from facefusion.evaluation.pairs import Pair
from facefusion.export import quantize as command
from facefusion.export.calibration import record
from facefusion.export.comparison import ENOUGH, Cost, Judgement, judge, open_both
from facefusion.export.int8_report import report
from facefusion.export.manifest import add_int8_entry
from facefusion.export.quantize import (
    CONVOLUTIONS,
    EVERYTHING,
    Recipe,
    best_of,
    prepare,
    sensitive_convolutions,
)
from facefusion.models.manifest import EMBEDDED_WEIGHTS, read_manifest
from facefusion.models.networks import INT8, INT8_TFLITE, fusion_networks
from facefusion.tiers import TIERS

EXAMPLES = EMBEDDED_WEIGHTS.parent / "examples"
RECIPE = Recipe(per_channel=True, kinds=EVERYTHING, keep=True)


@pytest.fixture(scope="module")
def feeds(pipeline: FusionPipeline) -> dict[str, list[Feeds]]:
    pairs = [Pair("portrait-1.jpg", "portrait-2.jpg"), Pair("portrait-3.jpg", "portrait-4.jpg")]
    return record(pipeline, EXAMPLES, pairs)


def test_what_the_networks_are_given_is_recorded(
    feeds: dict[str, list[Feeds]],
) -> None:
    refined = sorted({spec.refine_size for spec in TIERS.values() if spec.refines})
    assert [each["warped"].shape[-1] for each in feeds["coarse"]] == [128] * 2 * len(refined)
    assert sorted({each["warped"].shape[-1] for each in feeds["refine"]}) == refined


@pytest.mark.parametrize("name", fusion_networks())
def test_the_shipped_int8_network_answers_as_the_one_it_was_made_from(
    name: str, feeds: dict[str, list[Feeds]]
) -> None:
    files = read_manifest(EMBEDDED_WEIGHTS)
    whole, small = files[name], files[name + INT8]
    assert small.made_from == whole.sha256, (
        "train, then quantise: python -m facefusion.export.quantize --data DIR"
    )
    judged = judge(whole.path, small.path, feeds[name][:2])
    assert judged.least > ENOUGH - 3 and judged.megabytes < 0.45 * whole.path.stat().st_size / 1e6
    assert (
        "INT8" in small.contract["precision"] and small.contract["input"] == whole.contract["input"]
    )


def test_all_int8_networks_are_small_enough() -> None:
    files = read_manifest(EMBEDDED_WEIGHTS)
    kinds = [name + kind for name in fusion_networks() for kind in (INT8, INT8_TFLITE)]
    small = sum(files[name].path.stat().st_size for name in kinds if name in files)
    whole = sum(files[name].path.stat().st_size for name in fusion_networks())
    assert small <= 5.5e6 and small + whole <= 17e6


@pytest.mark.parametrize("name", fusion_networks())
def test_quantising_anew(name: str, feeds: dict[str, list[Feeds]], tmp_path: Path) -> None:
    whole = EMBEDDED_WEIGHTS / f"{name}.onnx"
    ready = prepare(whole, tmp_path)
    kept = set(sensitive_convolutions(onnx.load(str(ready))))
    command.quantize(ready, tmp_path / "small.onnx", RECIPE, feeds[name][:2])
    made = onnx.load(str(tmp_path / "small.onnx"))
    given = {node.output[0]: node.op_type for node in made.graph.node}
    in_32_bits = {
        node.name
        for node in made.graph.node
        if node.op_type == "Conv" and node.input[1] not in given
    }
    assert in_32_bits == kept and 5 < len(kept) < 20
    assert judge(whole, tmp_path / "small.onnx", feeds[name][:2]).psnr > 38
    assert str(tmp_path) not in str(made)


def test_the_attention_and_the_output_are_delicate(tmp_path: Path) -> None:
    model = onnx.load(str(prepare(EMBEDDED_WEIGHTS / "refine.onnx", tmp_path)))
    shapes = {weights.name: tuple(weights.dims) for weights in model.graph.initializer}
    nodes = {
        node.name: shapes[node.input[1]] for node in model.graph.node if node.op_type == "Conv"
    }
    kept = [nodes[name] for name in sensitive_convolutions(model)]
    # Three attention modules of two gates and a map each, and the output.
    assert (
        len(kept) == 10
        and sum(shape[2:] == (5, 5) for shape in kept) == 3
        and (64, 64, 1, 1) in kept
    )


def test_the_quickest_that_is_exact_enough_is_taken() -> None:
    recipes = [
        Recipe(channels, kinds, True)
        for channels in (False, True)
        for kinds in (CONVOLUTIONS, EVERYTHING)
    ]

    def judged(*figures: tuple[float, float]) -> dict[Recipe, Judgement]:
        return {
            r: Judgement(psnr, psnr, ratio, (1, ratio), 1.0)
            for r, (psnr, ratio) in zip(recipes, figures, strict=True)
        }

    assert best_of(judged((50, 0.9), (45, 0.6), (44, 0.62), (39, 0.3))) == recipes[1]
    assert best_of(judged((50, 0.62), (45, 0.6), (44, 0.62), (39, 0.3))) == recipes[0]
    assert best_of(judged((30, 0.9), (35, 0.9), (34, 0.5), (20, 0.3))) == recipes[1]


def test_the_manifest_says_what_it_was_made_from(tmp_path: Path) -> None:
    for name in ("manifest.json", "coarse.int8.onnx"):
        shutil.copy(EMBEDDED_WEIGHTS / name, tmp_path / name)
    add_int8_entry(tmp_path, "coarse", INT8, tmp_path / "coarse.int8.onnx", f"INT8: {RECIPE}")
    networks = json.loads((tmp_path / "manifest.json").read_text())["networks"]
    entry = networks["coarse" + INT8]
    assert (
        entry["made_from"] == networks["coarse"]["sha256"] and entry["file"] == "coarse.int8.onnx"
    )
    assert entry["contract"]["precision"].endswith(str(RECIPE)) and list(networks) == sorted(
        networks
    )


def test_psnr_of_known_images() -> None:
    zeros, inside = np.zeros((3, 4, 4), np.float32), np.ones((4, 4), bool)
    assert psnr(zeros, zeros + 0.1, inside) == pytest.approx(20)
    assert psnr(zeros, zeros, inside) == pytest.approx(120)
    half = inside.copy()
    half[2:] = False
    other = zeros.copy()
    other[:, 2:] = 1
    assert psnr(zeros, other, half) == pytest.approx(120)


def test_a_fused_crop_is_what_the_contract_says() -> None:
    feeds = {
        name: np.full((1, 3, 2, 2), value, np.float32)
        for name, value in (("warped", 0.5), ("target", 0.25))
    }
    crop = fused(
        feeds, np.full((1, 1, 2, 2), 0.5, np.float32), np.full((1, 3, 2, 2), 0.25, np.float32)
    )
    np.testing.assert_allclose(crop, 0.5)


def test_the_two_pipelines_differ_in_their_fusion_networks(
    guest: np.ndarray, astronaut: np.ndarray
) -> None:
    whole, small = (
        pipeline(guest, astronaut, tier="balanced").image
        for pipeline in open_both(EMBEDDED_WEIGHTS)
    )
    apart = np.abs(whole.astype(int) - small)
    assert 0 < apart.max() < 40 and apart.mean() < 0.1


def test_the_report_names_what_was_chosen() -> None:
    judged = {
        recipe: Judgement(45.0, 44.0, 0.6, (10.0, 6.0), 1.25) for recipe in command.RECIPES[:2]
    }
    chosen = {"coarse": command.RECIPES[1]}
    machine = {"cpu": "Abacus", "cores": 2, "load": 0.1, "onnxruntime": "1.0"}
    sizes = {"coarse": 3.5, "coarse" + INT8: 1.25, "mesh": 2.0}
    costs = Cost(7, {"PSNR, dB": (15, 21.5, 21.25)}, (0.6512, 0.6498))
    text = report(machine, {"coarse": judged}, chosen, sizes, costs)
    assert (
        f"| coarse | 3.50 | 1.25 | 45.0 (44.0) | 10.0 | 6.0 | 0.60 | {command.RECIPES[1]} |" in text
    )
    assert "All networks in 32 bits 5.50 MB; fusion in both precisions 4.75 MB." in text
    assert "Identity similarity of other fusions 0.6512, in INT8 0.6498." in text
    assert (
        "7 reconstructions" in text
        and "INT8 costs 0.25 dB" in text
        and f"{command.RECIPES[1]} (chosen)" in text
    )


@pytest.mark.parametrize(
    ("psnr", "identity", "too_much"),
    [
        (21.1, (0.65, 0.645), False),
        (20.9, (0.65, 0.65), True),
        (21.5, (0.65, 0.635), True),
        (22, (0.65, 0.7), False),
    ],
)
def test_int8_may_cost_so_much(psnr: float, identity: tuple[float, float], too_much: bool) -> None:
    assert Cost(7, {"PSNR, dB": (15, 21.5, psnr)}, identity).too_much == too_much


def test_the_command(tmp_path: Path, pipeline: FusionPipeline) -> None:
    """On four portraits, with everything that it writes in a directory of its own."""
    data, weights = tmp_path / "data", tmp_path / "weights"
    shutil.copytree(EMBEDDED_WEIGHTS, weights)
    data.mkdir()
    names, shapes, rows = [], [], ["file,split,yaw_deg"]
    for path in sorted(EXAMPLES.glob("portrait-*.jpg")):
        shutil.copy(path, data)
        photo = np.asarray(Image.open(path).convert("RGB"))
        face = pipeline.networks.mesh(photo, pipeline.networks.detector(photo)[0])
        names.append(path.name)
        shapes.append(face.mesh)
        rows.append(f"{path.name},val,{face.yaw:.1f}")
    np.savez(data / "mesh468.npz", files=names, mesh=np.stack(shapes))
    (data / "faces.csv").write_text("\n".join(rows))
    words = ["--data", str(data), "--weights", str(weights), "--limit", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "RECIPES", (RECIPE,))
        command.main(
            [*words, "--out", str(tmp_path / "r.md"), "--sheet", str(tmp_path / "s" / "s.jpg")]
        )
    files = read_manifest(weights)
    assert {name + INT8 for name in fusion_networks()} <= set(files)
    assert all(files[name + INT8].made_from == files[name].sha256 for name in fusion_networks())
    text = (tmp_path / "r.md").read_text()
    assert "1 reconstructions" in text and str(tmp_path) not in text
    with Image.open(tmp_path / "s" / "s.jpg") as picture:
        assert picture.width > 700
