"""`python -m facefusion.training prepare`: its data folder is what training and evaluation read."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facefusion import FusionPipeline
from facefusion.evaluation.pairs import frontal_faces, val_faces
from facefusion.evaluation.reconstruction_samples import read_meshes
from facefusion.geometry.topology import eye_distance
from facefusion.page import uploads
from facefusion.training.prepare import COLUMNS, EXTENSIONS, find_images, main, split_of
from facefusion.training.samples.data import MAX_EYE_DISTANCE, align_faces, load_faces

ROOT = Path(__file__).resolve().parents[2]
#: EXIF tag of the orientation, and its value for a photo to be turned clockwise by 90 degrees.
ORIENTATION, TURNED = 0x0112, 6


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three portraits, of which one is in a subfolder and one is stored turned; a wall; no image."""
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "portrait-1.jpg", folder)
    shutil.copy(ROOT / "examples" / "portrait-2.jpg", folder / "more" / "SECOND.JPG")
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    with Image.open(ROOT / "examples" / "portrait-3.jpg") as portrait:
        portrait.rotate(90, expand=True).save(folder / "turned.jpg", exif=exif)
    Image.fromarray(np.full((200, 300, 3), 128, np.uint8)).save(folder / "wall.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image")
    return folder


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "faces.csv").open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        rows = list(reader)
        assert tuple(reader.fieldnames or ()) == COLUMNS
    return rows


def test_training_reads_the_data_folder(
    images: Path, tmp_path: Path, pipeline: FusionPipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "data"
    assert main([str(images), "--out", str(out), "--val-share", "0"]) == 0
    told = capsys.readouterr()
    assert "5 images: 3 train, 0 val, 1 without a face, 1 that cannot be read" in told.out
    assert "both splits" in told.out
    assert "wall.png: no face" in told.err and "broken.jpg: cannot be read" in told.err

    faces = load_faces(out, "train")
    assert [face.name for face in faces] == [
        f"../../images/{name}" for name in ("more/SECOND.JPG", "portrait-1.jpg", "turned.jpg")
    ]
    assert [face.faces_found for face in faces] == [1, 1, 1]
    assert len(align_faces(faces)) == 3 and not load_faces(out, "val")
    meshes = read_meshes(out)
    for number, face in zip((2, 1, 3), faces, strict=True):
        upright = np.asarray(Image.open(ROOT / "examples" / f"portrait-{number}.jpg"))
        (expected,) = pipeline.find_faces(upright)
        distance = eye_distance(expected.mesh)
        # JPEG again, for the turned one
        assert np.abs(meshes[face.name] - expected.mesh).max() < 0.05 * distance
        shrunk = min(1.0, MAX_EYE_DISTANCE / distance)
        assert np.abs(face.mesh - expected.mesh * shrunk).max() < 0.05 * distance * shrunk
        assert face.yaw == pytest.approx(expected.yaw, abs=1.0)


def test_the_evaluation_reads_the_data_folder(images: Path) -> None:
    assert main([str(images), "--out", str(images), "--val-share", "1"]) == 0
    rows = _rows(images)
    names = ["more/SECOND.JPG", "portrait-1.jpg", "turned.jpg"]
    assert [row["file"] for row in rows] == [face.file for face in val_faces(images)] == names
    assert set(frontal_faces(images)) <= set(names) == set(read_meshes(images))
    for row in rows:
        height, width = cv2.imread(str(images / row["file"])).shape[:2]
        assert (int(row["width"]), int(row["height"])) == (width, height)
        expected = eye_distance(read_meshes(images)[row["file"]])
        assert float(row["eye_distance_px"]) == pytest.approx(expected, abs=0.06)
        assert (row["source"], row["licence"], row["description"]) == ("", "", "")


def test_the_split_depends_on_the_file_name_alone() -> None:
    names = [f"{i:04d}.jpg" for i in range(2000)]
    splits = [split_of(name, 0.1) for name in names]
    assert 150 < splits.count("val") < 250
    assert splits == [split_of(name, 0.1) for name in names]
    # A larger share keeps what is in the validation split, and adds to it.
    larger = [split_of(name, 0.2) for name in names]
    assert {a for a, b in zip(splits, larger, strict=True) if b == "train"} == {"train"}
    assert split_of("0000.jpg", 0.0) == "train" and split_of("0000.jpg", 1.0) == "val"


def test_files_that_exist_stay_unless_told_otherwise(images: Path, tmp_path: Path) -> None:
    (tmp_path / "faces.csv").write_text("mine")
    with pytest.raises(SystemExit, match=r"faces\.csv already: give --overwrite"):
        main([str(images), "--out", str(tmp_path)])
    assert (tmp_path / "faces.csv").read_text() == "mine"
    assert not (tmp_path / "mesh468.npz").exists()
    assert main([str(images), "--out", str(tmp_path), "--overwrite"]) == 0
    assert len(_rows(tmp_path)) == 3


def test_a_folder_without_faces_leaves_no_files(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    for path in find_images(images):
        if path.name != "wall.png":
            path.unlink()
    with pytest.raises(SystemExit, match="None of the 1 images"):
        main([str(images), "--out", str(out)])
    (images / "wall.png").unlink()
    with pytest.raises(SystemExit, match="There is no image"):
        main([str(images), "--out", str(out)])
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere", "--out", "data"], "there is no folder nowhere"),
        ([".", "--out", "data", "--val-share", "1.5"], "must be between 0 and 1"),
        (["."], "--out"),
    ],
)
def test_a_command_that_cannot_be_carried_out(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(words)
    assert told in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_the_formats_are_those_of_the_page_without_heic() -> None:
    assert uploads.EXTENSIONS - {".heic", ".heif"} == EXTENSIONS


def test_the_module_has_the_command_and_its_help_names_it(images: Path, tmp_path: Path) -> None:
    module = (sys.executable, "-m", "facefusion.training")
    for options in (("prepare", images, "--out", tmp_path), ("--help",)):
        done = subprocess.run(
            (*module, *options), cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
        )
    assert len(_rows(tmp_path)) == 3
    assert "prepare   makes a data folder" in done.stdout
