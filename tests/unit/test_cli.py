"""The command line around fake networks: files, lists, exit codes and sentences."""

from __future__ import annotations

import builtins
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.profiles import ADOBE_RGB, rgb_profile
from facefusion import FusionPipeline
from facefusion.cli import bench, files, measure
from facefusion.cli.pairs import read_pairs
from facefusion.images.marking import marked
from facefusion.images.saving import SOURCE_TYPE
from facefusion.machine.cpu import describe_machine
from facefusion.models.networks import NETWORKS
from facefusion.pipeline.pipeline import STAGES
from facefusion.tiers import TIERS, Tier
from facefusion.words import listed, say


def test_fuse_writes_the_result(desk: Path, run, pipe: FusionPipeline) -> None:
    code, out, err = run("fuse", "face.png", "photo.png", "-o", "out.png")
    assert (code, err) == (0, "")
    first, *advice = out.splitlines()
    assert first.startswith("out.png: identity similarity 1.00, strong resemblance, ")
    expected = pipe(np.asarray(Image.open("face.png")), np.asarray(Image.open("photo.png")))
    stays = listed(f"stays.{kept}" for kept in expected.kept)
    kept = [f"{say('stays')} {stays}."] if stays else []
    assert advice == [say(f"flaw.{flaw}") for flaw in expected.flaws] + kept and advice
    made = np.asarray(Image.open("out.png"))
    np.testing.assert_array_equal(made, marked(expected.image, faces=expected.boxes))
    assert (made != expected.image).any()


def test_a_result_is_like_its_target(desk: Path, run) -> None:
    """Colours, resolution and author are the target's, also where it is told what is special."""
    profile, photo = rgb_profile(*ADOBE_RGB), Image.open("photo.png")
    exif, still = Image.Exif(), Image.new("RGB", photo.size)
    exif[0x013B] = "Jane Doe"
    photo.save(
        "photo.webp", lossless=True, icc_profile=profile, exif=exif, save_all=True,
        append_images=[still],
    )  # fmt: skip
    code, out, err = run("fuse", "face.png", "photo.webp", "-o", "out.png")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"photo.webp: {say('note.first_frame')}"
    with Image.open("out.png") as image:
        assert image.info["icc_profile"] == profile and image.getexif()[0x013B] == "Jane Doe"
        same = (np.asarray(image) == np.asarray(photo)).all(2)
    assert 0.3 < same.mean() < 1
    _list("source,target", "../face.png,../photo.webp")
    code, out, err = run("batch", "lists/pairs.csv", "--out", "made")
    assert code == 0 and say("note.first_frame") in err
    assert [path.suffix for path in Path("made").glob("0*")] == [".webp"]


def test_fuse_takes_a_tier(desk: Path, run, pipe: FusionPipeline) -> None:
    assert run("fuse", "face.png", "photo.png", "--tier", "fast", "-o", "out.png")[0] == 0
    expected = pipe(
        np.asarray(Image.open("face.png")), np.asarray(Image.open("photo.png")), tier="fast"
    )
    np.testing.assert_array_equal(
        np.asarray(Image.open("out.png")), marked(expected.image, faces=expected.boxes)
    )


@pytest.mark.parametrize(
    "command", ["fuse face.png photo.png -o out.png", "batch lists/pairs.csv --out made"]
)
def test_nothing_is_made_without_consent(desk: Path, run, command: str) -> None:
    _list("source,target", "../face.png,../photo.png")
    code, out, err = run(*command.split(), consent=False)
    assert (code, out) == (2, "")
    assert (
        err.startswith(
            "facefusion: Please add --i-have-consent to state that you may use the photos"
        )
        and err.count("\n") == 1
    )
    assert sorted(os.listdir()) == ["face.png", "lists", "notes.txt", "photo.png", "wall.png"]


def test_fuse_takes_three_sources(desk: Path, run) -> None:
    assert run("fuse", "face.png", "face.png", "face.png", "photo.png", "-o", "out.png")[0] == 0
    assert Path("out.png").exists()


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.webp", "WEBP")]
)
def test_the_extension_chooses_the_format(desk: Path, run, name: str, kind: str) -> None:
    assert run("fuse", "face.png", "photo.png", "-o", name)[0] == 0
    with Image.open(name) as written:
        assert written.format == kind and written.size == (500, 400)
        assert SOURCE_TYPE.encode() in written.info["xmp"]


REFUSED = {
    "no-source": (["fuse", "none.png", "photo.png", "-o", "out.png"], "There is no file none.png."),
    "no-target": (["fuse", "face.png", "none.png", "-o", "out.png"], "There is no file none.png."),
    "text": (
        ["fuse", "notes.txt", "photo.png", "-o", "out.png"],
        "The face photo could not be read as a picture.",
    ),
    "text-2": (
        ["fuse", "face.png", "notes.txt", "photo.png", "-o", "out.png"],
        "The face photo 2 could not be read",
    ),
    "text-target": (
        ["fuse", "face.png", "notes.txt", "-o", "out.png"],
        "The target photo could not be read",
    ),
    "no-face": (
        ["fuse", "face.png", "wall.png", "-o", "out.png"],
        "The target photo shows no face",
    ),
    "no-face-2": (
        ["fuse", "face.png", "wall.png", "photo.png", "-o", "out.png"],
        "The face photo 2 shows no face",
    ),
    "four": (
        ["fuse", *["face.png"] * 4, "photo.png", "-o", "out.png"],
        "At most 3 face photos can be given, not 4.",
    ),
    "extension": (
        ["fuse", "face.png", "photo.png", "-o", "out.gif"],
        "The output out.gif must end in one of .png, .jpg",
    ),
    "no-extension": (
        ["fuse", "face.png", "photo.png", "-o", "out"],
        "The output out must end in one of",
    ),
    "no-directory": (
        ["fuse", "face.png", "photo.png", "-o", "none/out.png"],
        "There is no directory none for the output.",
    ),
    "list-missing": (
        ["batch", "none.csv", "--out", "out"],
        "The list none.csv cannot be read: No such file or directory.",
    ),
    "list-binary": (
        ["batch", "face.png", "--out", "out"],
        "The list face.png is not a CSV file in UTF-8.",
    ),
    "list-columns": (
        ["batch", "notes.txt", "--out", "out"],
        "needs a first line with the columns source and target.",
    ),
    "runs": (["bench", "--runs", "0"], "At least one run is needed."),
    "report": (["bench", "--json", "none/a.json"], "There is no directory none for the report."),
}


@pytest.mark.parametrize(("words", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_told_in_one_line(
    desk: Path, run, words: list[str], sentence: str
) -> None:
    before = sorted(os.listdir())
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith("facefusion: ") and sentence in err
    assert err.count("\n") == 1 and err.endswith(".\n")
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["swap"],
        ["fuse"],
        ["fuse", "face.png"],
        ["fuse", "a", "b"],
        ["fuse", "a", "b", "-o", "c.png", "--tier", "ultra"],
        ["batch", "a.csv"],
    ],
)
def test_what_is_not_understood_shows_the_usage(run, words: list[str]) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith("usage: facefusion") and "Traceback" not in err


def test_broken_weights_are_told(tmp_path: Path, run, make_photo) -> None:
    face = tmp_path / "face.png"
    Image.fromarray(make_photo(300, 240)).save(face)
    code, out, err = run(
        "fuse", str(face), str(face), "-o", str(tmp_path / "out.png"), "--weights", str(tmp_path)
    )
    assert (code, out) == (2, "")
    assert "manifest" in err and err.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("output", ["out.png", "out.jpg"])
def test_a_file_is_written_whole_or_not_at_all(
    desk: Path, run, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    Path(output).write_bytes(b"what was there before")
    opened = open

    def full_disk(path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        file = opened(path, mode, *rest, **options)
        if "w" in mode and str(path).endswith(".part"):
            file.write(b"half")
            file.close()
            raise OSError(28, "No space left on device")
        return file

    monkeypatch.setattr(builtins, "open", full_disk)
    code, _, err = run("fuse", "face.png", "photo.png", "-o", output)
    assert code == 2
    assert err == f"facefusion: The output {output} cannot be written: No space left on device.\n"
    assert Path(output).read_bytes() == b"what was there before"
    assert sorted(os.listdir()) == sorted(
        ["face.png", "notes.txt", output, "photo.png", "wall.png"]
    )


def test_a_result_too_large_for_its_format(tmp_path: Path) -> None:
    with pytest.raises(files.CommandError, match="cannot be written"):
        files.write_photo(np.zeros((1, 70000, 3), np.uint8), tmp_path / "wide.webp")
    assert not os.listdir(tmp_path)


def test_the_output_may_replace_an_input(desk: Path, run) -> None:
    before = Path("photo.png").read_bytes()
    assert run("fuse", "face.png", "photo.png", "-o", "photo.png")[0] == 0
    assert Path("photo.png").read_bytes() != before


def _list(*rows: str) -> None:
    Path("lists").mkdir(exist_ok=True)
    Path("lists/pairs.csv").write_text("\n".join(rows), encoding="utf-8")


def test_batch_goes_on_after_a_bad_pair(desk: Path, run) -> None:
    rows = ["../face.png,../photo.png", "../none.png,../photo.png", "../face.png,../wall.png", "../notes.txt,../photo.png",
            "../face.png", "../photo.png,../photo.png"]  # fmt: skip
    _list("source,target", *rows)
    code, out, err = run("batch", "lists/pairs.csv", "--out", "made/here")
    assert code == 2
    assert out == "2 of 6 pairs fused into made/here, 4 failed\n"
    for told in (
        "row 2: There is no file",
        "row 3: The target photo shows no face",
        "row 4: The face photo could not be read",
        "row 5: ",
    ):
        assert told in err
    assert "row 1:" not in err and "row 6:" not in err and "6/6" in err and "Traceback" not in err
    assert sorted(os.listdir("made/here")) == [
        "0001-face-photo.png",
        "0006-photo-photo.png",
        "report.csv",
    ]
    assert np.asarray(Image.open("made/here/0001-face-photo.png")).shape == (400, 500, 3)


def test_batch_survives_a_fault_of_ours(
    desk: Path, run, monkeypatch: pytest.MonkeyPatch, fakes
) -> None:
    monkeypatch.setitem(fakes.faces, (77, 99), np.zeros((3, 3), np.float32))  # no mesh at all
    _list("source,target", "../wall.png,../photo.png", "../face.png,../photo.png")
    code, out, err = run("batch", "lists/pairs.csv", "--out", "made")
    assert (code, out) == (2, "1 of 2 pairs fused into made, 1 failed\n")
    assert "row 1: unexpected " in err


def test_batch_that_succeeds(desk: Path, run) -> None:
    _list("\ufeffname, target,source", "ann, ../photo.png,../face.png")
    code, out, _ = run("batch", "lists/pairs.csv", "--out", "made", "--tier", "fast")
    assert (code, out) == (0, "1 of 1 pairs fused into made, 0 failed\n")
    assert sorted(os.listdir("made")) == ["0001-face-photo.png", "report.csv"]


def test_an_empty_list(desk: Path, run) -> None:
    _list("source,target")
    code, _, err = run("batch", "lists/pairs.csv", "--out", "made")
    assert code == 2 and "holds no pairs" in err


def test_an_output_directory_that_is_a_file(desk: Path, run) -> None:
    _list("source,target", "../face.png,../photo.png")
    code, _, err = run("batch", "lists/pairs.csv", "--out", "notes.txt")
    assert code == 2 and err == "facefusion: The directory notes.txt cannot be made: File exists.\n"


def test_pairs_of_equal_names_do_not_overwrite_each_other(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(
        "source,target\na/x.png,y.png\nb/x.png,y.png\n" + "z" * 200 + ".png,y.png\n"
    )
    pairs = read_pairs(tmp_path / "p.csv")
    assert pairs[0].sources[0] == tmp_path / "a" / "x.png"
    assert len({pair.result_name(".png") for pair in pairs}) == 3
    assert max(len(pair.result_name(".png")) for pair in pairs) < 140


def test_percentiles() -> None:
    assert measure.percentiles([i / 1000 for i in range(101)]) == {"p50": 50, "p90": 90}


def test_stage_times_cover_every_stage(pipe: FusionPipeline, make_photo) -> None:
    times = measure.stage_times(pipe, [(make_photo(300, 240), make_photo(400, 500))], Tier.BEST, 3)
    assert list(times) == [*STAGES, "total", "again", "target again"]
    assert all(0 <= time["p50"] <= time["p90"] for time in times.values())
    assert times["total"]["p50"] >= max(times[stage]["p50"] for stage in STAGES)


def test_the_machine_is_named() -> None:
    named = describe_machine()
    assert named["cpu"] and named["cores"] >= 1
    assert named["python"].startswith("3.") and named["onnxruntime"]


def test_photos_to_measure_are_squares_of_one_size(make_photo) -> None:
    assert bench.square(make_photo(300, 240)).shape == (1024, 1024, 3)
    assert bench.square(make_photo(1500, 2500)).shape == (1024, 1024, 3)
    marked = np.zeros((100, 300, 3), np.uint8)
    marked[:, 100:200] = 200
    assert (bench.square(marked) == 200).all()  # the middle


def test_without_examples_there_is_still_a_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "EXAMPLES", tmp_path)
    origin, pairs = bench.photos()
    assert "astronaut" in origin and [photo.shape for photo in pairs[0]] == [(1024, 1024, 3)] * 2


def test_bench_prints_a_table_and_writes_its_numbers(
    desk: Path, run, monkeypatch: pytest.MonkeyPatch, make_photo, fakes, make_mesh
) -> None:
    cold = {
        "seconds": {"import": 1.25, "load": 0.5, "first_result": 0.75, "total": 2.5},
        "memory_mb": {"resident": 300.4, "peak": None},
    }
    fakes.faces[(1024, 1024)] = make_mesh((512, 512), 500)
    monkeypatch.setattr(
        bench, "photos", lambda: ("photos", [(make_photo(1024, 1024), make_photo(1024, 1024))])
    )
    monkeypatch.setattr(bench, "cold_start", lambda source, target, tier, weights: cold)
    monkeypatch.setattr(bench, "weight_sizes", lambda weights: {"mesh": 1.5, "total": 1.5})
    code, out, err = run("bench", "--runs", "2", "--json", "report.json")
    assert (code, err) == (0, "")
    rows = {line.split("  ")[0]: line.split()[1:] for line in out.splitlines() if line}
    assert all(len(rows[name]) == 2 * len(TIERS) for name in (*STAGES,))
    assert rows["first result"][1:] == ["0.75"] * len(TIERS) and rows["peak"] == ["-"] * len(TIERS)
    report = json.loads(Path("report.json").read_text())
    assert report["runs"] == 2 and set(report["tiers"]) == {tier.value for tier in TIERS}
    assert set(report["tiers"]["best"]["stages_ms"]) == {*STAGES, "total", "again", "target again"}
    assert report["tiers"]["fast"]["cold"] == cold
    assert report["machine"]["cores"] >= 1 and report["weights_mb"]["total"] == 1.5


def test_the_weights_add_up() -> None:
    sizes = measure.weight_sizes(None)
    assert {*NETWORKS, "total"} <= set(sizes)
    assert sizes.pop("total") == pytest.approx(sum(sizes.values()), abs=0.01)


@pytest.mark.parametrize("value", ["-0.1", "1.5", "much"])
def test_likeness_is_a_share(run, value: str) -> None:
    code, out, err = run("fuse", "a.png", "b.png", "-o", "c.png", "--likeness", value)
    assert code == 2 and out == "" and "--likeness" in err
