"""Fuses the photos of a folder of cases that went wrong, and says what became of each.

`python -m benchmarks.cases FOLDER [--code DIRECTORY --before]` fuses each pair of `CASES` at the
command line, that of another version of the project if its directory is named, measures what
`right` says, and writes the column `after` or `before` of the table in `benchmarks/photos.md`.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import case_measures as measured
from benchmarks.photos import CASES_JSON, write_page
from facefusion import FusionPipeline

ROOT: Final = Path(__file__).resolve().parents[1]
#: Folder and list of the batch, and what is right for it.
BATCH: Final = Path("batch/pairs.csv")
BATCH_RIGHT: Final = "rows with names of 140 bytes and more are written, a missing photo is told"
#: Replaces another face than the largest: source, target, result, and the face's number.
REPLACE: Final = """
import sys
from PIL import Image
from facefusion import FusionPipeline
from facefusion.images.reading import read_photo
pipeline = FusionPipeline.from_pretrained()
source, target = (read_photo(path, "target") for path in sys.argv[1:3])
face = pipeline.find_faces(target)[int(sys.argv[4])]
result = pipeline(source, target, tier="best", face=face)
Image.fromarray(result.image).save(sys.argv[3], quality=95)
print(f"identity similarity {result.identity_similarity:.2f}")
"""
FUSE: Final = ("-m", "facefusion", "fuse")
BATCH_WORDS: Final = ("-m", "facefusion", "batch")
OPTIONS: Final = ("--tier", "best", "--i-have-consent")
#: Seconds after which a fusion hangs.
LIMIT: Final = 240


@dataclass(frozen=True)
class Case:
    """A pair of photos.

    Attributes:
        source, target: names of the files.
        right: what is right, for the table.
        measure: says what is measured of the result.
        face: which of the target's faces is replaced, from the left; the largest if None, as the
            command line does.
    """

    source: str
    target: str
    right: str
    measure: measured.Measure
    face: int | None = None

    @property
    def name(self) -> str:
        """The name of the row."""
        chosen = "" if self.face is None else f", face {self.face + 1} from the left"
        return f"{self.source} -> {self.target}{chosen}"


THING: Final = "what is in front of the face stays as it is"
FOREHEAD: Final = "the bare forehead of the photo"
PROFILE: Final = "the photo's profile, and no change outside of the face"
FINE: Final = "grain and sharpness of the photo"

CASES: Final = (
    Case("mono-source.jpg", "mono-target.jpg", "equal channels", measured.channels),
    Case("female_049.jpg", "turned-180-target.jpg", "found and replaced the right way up", measured.replaced),
    Case("female_049.jpg", "group-12mp-target.jpg", "found; one is replaced", measured.replaced),
    Case("female_049.jpg", "panorama-target.jpg", "found and replaced", measured.replaced),
    Case("smile-source.jpg", "closed-mouth-target.jpg", "lips stay closed", measured.lips),
    Case("male_059.jpg", "over-mask-target.jpg", THING, measured.untouched((205, 330, 410, 425))),
    Case("male_059.jpg", "over-mic-target.jpg", THING, measured.untouched((286, 389, 345, 455))),
    Case("male_059.jpg", "over-hand-target.jpg", THING, measured.untouched((279, 367, 396, 448))),
    Case("male_059.jpg", "overlap-target.jpg", "the other head stays as it is",
         measured.untouched((309, 192, 400, 380))),
    Case("male_059.jpg", "overlap-target.jpg", "ear and hair in front stay as they are",
         measured.untouched((418, 300, 430, 360), (470, 190, 540, 215)), face=0),
    Case("female_037.jpg", "male_050.jpg", FOREHEAD, measured.forehead),
    Case("female_049.jpg", "male_050.jpg", FOREHEAD, measured.forehead),
    Case("male_023.jpg", "female_068.jpg", FOREHEAD, measured.forehead),
    Case("female_068.jpg", "male_059.jpg", "the whole beard stays", measured.beard),
    Case("male_059.jpg", "icc-p3-target.jpg", PROFILE, measured.kept),
    Case("male_059.jpg", "icc-adobe-target.jpg", PROFILE, measured.kept),
    Case("exif-badres.jpg", "female_068.jpg", "read, and turned as its EXIF says", measured.replaced),
    Case("male_059.jpg", "grain25-target.jpg", FINE, measured.grain),
    Case("male_059.jpg", "motion21-target.jpg", FINE, measured.grain),
    Case("male_028.jpg", "male_019.jpg", "even skin in the photo's light", measured.light),
    Case("smile-source.jpg", "night-target.jpg", "even skin in the photo's light", measured.light),
    Case("male_059.jpg", "alpha-target.png", "transparency stays", measured.kept),
    Case("male_059.jpg", "meta-target.jpg", "resolution, dates and copyright stay", measured.kept),
)  # fmt: skip


def unused(folder: Path, cases: Iterable[Case] = CASES) -> set[str]:
    """Returns the names of photos in a folder that no case has."""
    photos = {path.name for path in folder.iterdir() if path.suffix in (".jpg", ".png")}
    return photos - {name for case in cases for name in (case.source, case.target)}


def run(code: Path, *words: object) -> tuple[int, list[str]]:
    """Runs Python with a version of the project; returns its exit status and its lines."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=code,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    return done.returncode, (done.stdout if done.returncode == 0 else done.stderr).splitlines()


def outcome(case: Case, folder: Path, code: Path, pipeline: FusionPipeline) -> str:
    """Fuses a case, and says in a line what happened."""
    target = folder / case.target
    with tempfile.TemporaryDirectory() as results:
        made = Path(results) / f"made{target.suffix}"
        words: tuple[object, ...] = (*FUSE, folder / case.source, target, "-o", made, *OPTIONS)
        if case.face is not None:
            words = ("-c", REPLACE, folder / case.source, target, made, case.face)
        status, lines = run(code, *words)
        if status:
            return failure(status, lines)
        match = re.search(r"identity similarity ([\d.]+)", lines[0])
        said = [case.measure(measured.Made(folder / case.source, target, made, pipeline))]
        said += [f"identity {match[1]}"] if match else []
        notes = [line.removeprefix(f"{folder}/") for line in lines[1:]]
    return "; ".join([*said, *(f'"{note}"' for note in notes)])


def failure(status: int, lines: list[str]) -> str:
    """Says how a command ended that failed."""
    trace = any(line.startswith("Traceback") for line in lines)
    last = lines[-1] if lines else ""
    return f"exit {status}, {'traceback: ' * trace}{last.removeprefix('facefusion: ')}"


def batch_outcome(folder: Path, code: Path) -> str:
    """Fuses the list, and says in a line what happened."""
    with tempfile.TemporaryDirectory() as results:
        out = Path(results)
        _, lines = run(code, *BATCH_WORDS, folder / BATCH, "--out", out, *OPTIONS)
        made = [path for path in out.iterdir() if path.suffix == ".jpg"]
        longest = max((len(path.name.encode()) for path in made), default=0)
    told = [re.search(r"\brow \d+:.*", line.replace(f"{folder}/", "")) for line in lines]
    notes = [f'"{each[0].replace(results, "DIR")}"' for each in told if each]
    return "; ".join([f"{len(made)} results, longest name {longest} bytes", *notes])


def main() -> int:
    """Runs the cases, and writes the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cases", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--code", type=Path, default=ROOT, help="directory of the version to run")
    parser.add_argument("--before", action="store_true", help="fills the column `before`")
    args = parser.parse_args()
    folder = args.folder.resolve()
    if left := unused(folder):
        parser.error(f"No case uses {', '.join(sorted(left))}.")
    found: dict[str, dict[str, str]] = {}
    if CASES_JSON.exists():
        found = json.loads(CASES_JSON.read_text(encoding="utf-8"))
    column, pipeline = "before" if args.before else "after", FusionPipeline.from_pretrained()
    for case in CASES:
        row = found.setdefault(case.name, {})
        row |= {"right": case.right, column: outcome(case, folder, args.code, pipeline)}
        print(case.name, row[column], sep=": ", flush=True)
    row = found.setdefault(str(BATCH), {})
    row |= {"right": BATCH_RIGHT, column: batch_outcome(folder, args.code)}
    CASES_JSON.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page()
    return 0


if __name__ == "__main__":
    sys.exit(main())
