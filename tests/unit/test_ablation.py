"""The ablations: variants differ in what they leave out, are trained once, and are reported."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from facefusion.nets.coarse import CoarseFusionModel
from facefusion.training.studies import ablation
from facefusion.training.studies.ablation import PARTS, WAYS, Length, Phase, Variant
from facefusion.training.studies.ablation_report import report, table
from facefusion.training.tensors.figures import ssim


def test_each_variant_differs_from_the_method_in_one_way() -> None:
    method, *others = PARTS.values()
    sizes = [sum(p.numel() for p in each.nets.coarse().parameters()) for each in PARTS.values()]
    assert sizes[0] == sum(p.numel() for p in CoarseFusionModel().parameters())
    assert sorted(sizes[:5], reverse=True) == sizes[:5] and len(set(sizes[:5])) == 5
    for each in others:
        changed = [
            name
            for name in ("nets", "weights", "odds", "phases")
            if getattr(each, name) != getattr(method, name)
        ]
        assert len(changed) == 1
    shares = [[phase.share for phase in each.phases] for each in WAYS.values()]
    assert [sum(each) for each in shares] == [1, 1]


def test_phases_share_the_length() -> None:
    half = Phase("refine", 256, 0.5)
    assert Length(seconds=240).of(half) == Length(seconds=120)
    assert Length(steps=3).of(half) == Length(steps=2)
    assert Length(steps=1).of(half).steps == 1


def test_trainings_are_not_repeated_and_have_all_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Any] = []

    def measure(variant: Any, length: Any, seed: int, material: Any, run: Path) -> dict[str, float]:
        trained.append((variant, seed))
        return {"ssim": 0.7 + seed / 100}

    monkeypatch.setattr(ablation, "measure", measure)
    nothing: Any = None
    variants = {"one": Variant("1"), "two": Variant("2", phases=(Phase(view=256),))}
    first = {"one": variants["one"]}
    for chosen, seeds in ((first, (0, 1)), (variants, (0,)), (variants, (0,))):
        ablation.train(chosen, Length(steps=1), seeds, nothing, tmp_path)
    assert trained == [(variants["one"], 0), (variants["one"], 1), (variants["two"], 0)]
    found = ablation.finished({**variants, "three": Variant("3")}, tmp_path)
    assert found == {"1": [{"ssim": 0.7}, {"ssim": 0.71}], "2": [{"ssim": 0.7}]}


def figures(**own: float) -> dict[str, float]:
    plain = {"ssim": 0.7, "psnr": 21.0, "id": 0.5, "target_id": 0.1, "expression": 0.03}
    return plain | {"samples": 4000.0, "parameters": 1e6} | own


def test_the_table_has_means_over_seeds_against_the_first_row() -> None:
    rows = {"all": [figures(), figures(ssim=0.72)], "less": [figures(ssim=0.355), figures()]}
    lines = table(rows)
    assert len({line.count("|") for line in lines if line}) == 1
    assert "| all | 0.7100 ± 0.0100 (+0.0 %) | 21.00 | 0.500 |" in lines[2]
    assert "| less | 0.5275 ± 0.1725 (-25.7 %) |" in lines[3] and "1,000,000" in lines[3]
    cost = {"ms": 50.0, "mb": 100.0, "activations": 300.0}
    with_costs = table(rows, {"less": cost})
    assert with_costs[2].endswith("| 2 |  |  |  |")
    assert with_costs[3].endswith("| 2 | 50 | 100 | 300 |")


def test_the_report_names_the_command_and_the_claims() -> None:
    rows = {"all": [figures()]}
    text = report(rows, rows, options="--minutes 4", length="4 minutes on a CPU")
    assert "--minutes 4 " in text and "4 minutes on a CPU" in text
    assert "7.2 %" in text and "1.4 GB" in text and "Not trained" not in text


def test_the_command_trains_the_chosen_variants_and_says_which_it_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[set[int]] = []

    def loaded(args: Any, views: set[int]) -> Any:
        sides.append(views)
        return SimpleNamespace(device=torch.device("cpu"))

    def measure(variant: Any, length: Any, seed: int, material: Any, run: Path) -> dict[str, float]:
        return figures(ssim=0.8 if variant.title == PARTS["method"].title else 0.4)

    monkeypatch.setattr(ablation, "loaded", loaded)
    monkeypatch.setattr(ablation, "measure", measure)
    files = ["--pack", "pack.npz", "--runs", str(tmp_path), "--out", str(tmp_path / "out.md")]
    ablation.main([*files, "--steps", "9", "--variants", "plain", "method"])
    text = (tmp_path / "out.md").read_text(encoding="utf-8")
    assert sides == [{128}]
    ablation.main([*files, "--steps", "9", "--variants", "plain", "--threads", "3"])
    assert sides == [{128}]  # what is finished needs no faces
    assert (tmp_path / "out.md").read_text(encoding="utf-8") == text
    assert "| no FAAM, plain skips | 0.4000 (-50.0 %) |" in text
    assert "--steps 9 --variants method plain --out" in text
    assert f"9 steps on {torch.get_num_threads()} CPU thread(s)" in text
    untrained = text.split("Not trained: ")[1].split("\n")[0]
    assert "no mottle" in untrained and "one step" in untrained and "plain" not in untrained
    assert "1.4 GB" not in text


def test_what_a_killed_command_finished_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(variant: Any, length: Any, seed: int, material: Any, run: Path) -> dict[str, float]:
        if variant.title != PARTS["method"].title:
            raise KeyboardInterrupt
        return figures()

    material = SimpleNamespace(device=torch.device("cpu"))
    monkeypatch.setattr(ablation, "loaded", lambda args, views: material)
    monkeypatch.setattr(ablation, "measure", measure)
    out = tmp_path / "out.md"
    words = ["--pack", "pack.npz", "--runs", str(tmp_path), "--out", str(out), "--steps", "9"]
    with pytest.raises(KeyboardInterrupt):
        ablation.main([*words, "--seeds", "0", "--variants", "method", "plain"])
    assert not out.exists()
    ablation.main([*words, "--seeds", "0", "--variants", "method"])
    assert "--steps 9 --variants method --out" in out.read_text(encoding="utf-8")


def test_similarity_is_one_for_equal_images_and_counts_the_face_alone() -> None:
    torch.manual_seed(0)
    image, face = torch.rand(2, 3, 32, 32), torch.ones(2, 1, 32, 32)
    assert torch.allclose(ssim(image, image, face), torch.ones(2))
    other = image.clone()
    other[..., :16] = torch.rand(2, 3, 32, 16)
    face[..., :20] = 0
    assert torch.allclose(ssim(other, image, face), torch.ones(2), atol=1e-4)
    assert (ssim(other, image, 1 - face) < 0.5).all()
