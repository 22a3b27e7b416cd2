"""Lists of pairs, and pairs drawn from the validation split."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

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

ROOT = Path(__file__).resolve().parents[2]


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
    assert all(pair.source != pair.target for pair in pairs)
    assert [pair.source for pair in pairs] != files
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
