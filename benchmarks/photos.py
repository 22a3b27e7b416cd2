"""Fuses photos of unusual kinds, and says what became of each.

`python -m benchmarks.photos [--before]` makes every case of `CASES` of an example photo, fuses it at
the command line, and writes what it found to `benchmarks/photos.json`, in the column `after` or
`before`, and the table to `benchmarks/photos.md`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageCms
from skimage.color import deltaE_ciede2000, rgb2lab

from benchmarks.profiles import ADOBE_RGB, DISPLAY_P3, PROPHOTO, grey_profile, rgb_profile
from facefusion.cli.main import main as command

EXAMPLES: Final = Path(__file__).resolve().parents[1] / "examples"
RESULTS: Final = Path(__file__).with_suffix(".json")
PAGE: Final = Path(__file__).with_suffix(".md")
#: What `benchmarks.cases` found.
CASES_JSON: Final = Path(__file__).with_name("cases.json")
#: Difference in levels from which a pixel counts as changed by the new face or the mark.
CHANGED: Final = 24
#: Side in pixels of the squares that are left out around such pixels.
AROUND: Final = 32
#: Errors of Pillow with damaged files, of which nothing is measured.
UNREADABLE: Final = (OSError, SyntaxError, ValueError)


#: Text before the table.
TEXT: Final = """# Photos of unusual kinds

`python -m benchmarks.photos` makes each of these of an example photo, fuses it at the command line (tier Fast), and
writes this page. "dE outside" is the mean CIEDE2000 away from the new face and the mark, as displayed through the embedded
profiles; what remains in JPEG and WebP is their compression. Sentences in quotation marks are what the person is told. The
column "before" was measured at commit 79a44d7.

"""
#: Text before the table of `benchmarks.cases`.
CASES_TEXT: Final = """
## Cases that went wrong

`python -m benchmarks.cases FOLDER` fuses pairs of synthetic photos, which are not in this repository, at the command line
(tier Best); `--code DIRECTORY --before` has another version do it. "identity" is how alike the result and the face photo
are, by the version that made it. The mark is opaque, also where the photo is transparent.

"""


@dataclass(frozen=True)
class Case:
    """A kind of photo.

    Attributes:
        name: name of the file, with its extension.
        kind: what it is, for the table.
        make: writes the target to a path.
        out: extension of the result.
    """

    name: str
    kind: str
    make: Callable[[Image.Image, Path], None]
    out: str = ""


def _saved(**options: Any) -> Callable[[Image.Image, Path], None]:
    """Returns a case that saves the photo with options, which may be functions."""

    def make(photo: Image.Image, path: Path) -> None:
        photo.save(path, **{k: v() if callable(v) else v for k, v in options.items()})

    return make


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x013B], exif[0x8298], exif[0x0132] = "Jane Doe", "(c) Jane Doe", "2023:05:06 07:08:09"
    exif.get_ifd(0x8769)[0x9003] = "2023:05:06 07:08:09"
    exif.get_ifd(0x8769)[0xA431] = "SERIAL-12345"
    exif.get_ifd(0x8825)[1] = "N"
    return exif.tobytes()


def _damaged_exif() -> bytes:
    return b"Exif\0\0II\xff\xff\xff\xff" + _exif()[14:]


def _transparent(photo: Image.Image, path: Path) -> None:
    alpha = Image.new("L", photo.size, 255)
    alpha.paste(0, (0, 0, photo.width, 40))
    photo.putalpha(alpha)
    photo.save(path)


def _cut(photo: Image.Image, path: Path) -> None:
    photo.save(path, quality=92)
    path.write_bytes(path.read_bytes()[:-300])


def _wrong_checksum(photo: Image.Image, path: Path) -> None:
    photo.save(path)
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"\0\0\0\4tEXtab\0cbad!" + data[33:])


def _grey(photo: Image.Image, path: Path) -> None:
    photo.convert("L").save(path, icc_profile=grey_profile(1.8))


def _floats(photo: Image.Image, path: Path) -> None:
    Image.fromarray(np.asarray(photo.convert("L"), np.float32) / 255).save(path)


def _sixteen(photo: Image.Image, path: Path) -> None:
    Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257).save(path)


def _integers(photo: Image.Image, path: Path) -> None:
    Image.fromarray(np.asarray(photo.convert("L")).astype(np.int32) << 20).save(path)


def _animated(photo: Image.Image, path: Path) -> None:
    photo.save(path, save_all=True, append_images=[Image.new("RGB", photo.size)])


CASES: Final = (
    Case("p3.jpg", "Display P3", _saved(icc_profile=lambda: rgb_profile(*DISPLAY_P3), quality=95)),
    Case("adobe.jpg", "Adobe RGB", _saved(icc_profile=lambda: rgb_profile(*ADOBE_RGB), quality=95)),
    Case("prophoto.png", "ProPhoto RGB", _saved(icc_profile=lambda: rgb_profile(*PROPHOTO))),
    Case("grey.png", "grey with a profile of gamma 1.8", _grey),
    Case("cmyk.jpg", "CMYK without a profile", lambda p, path: p.convert("CMYK").save(path)),
    Case("profile.jpg", "a profile that is none", _saved(icc_profile=b"nothing", quality=95)),
    Case("alpha.png", "transparent above", _transparent),
    Case("alpha-to.png", "transparent above, result JPEG", _transparent, ".jpg"),
    Case("meta.jpg", "dates, author, copyright, 300 dpi, a place, a serial number",
         _saved(exif=_exif, dpi=(300, 300), quality=95)),
    Case("sixteen.png", "16-bit grey", _sixteen),
    Case("floats.tiff", "floats from 0 to 1", _floats, ".png"),
    Case("integers.tiff", "32-bit integers", _integers, ".png"),
    Case("moving.webp", "animated WebP", _animated),
    Case("cut.jpg", "JPEG without its last 300 bytes", _cut),
    Case("exif.png", "PNG with damaged EXIF", _saved(exif=_damaged_exif)),
    Case("exif.webp", "WebP with damaged EXIF", _saved(exif=_damaged_exif, quality=95)),
    Case("checksum.png", "PNG with a wrong checksum beside its pixels", _wrong_checksum),
)  # fmt: skip


def shown(path: Path) -> np.ndarray:
    """Returns what a browser shows on white, (H, W, 3) RGB uint8."""
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        if image.mode == "F":
            image = Image.fromarray((np.asarray(image) * 255).astype(np.uint8))
        if image.mode.startswith("I"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if "transparency" in image.info:
            image = image.convert("RGBA")
        mode = image.mode if image.mode in ("L", "CMYK") else "RGB"
        clear = image.mode == "RGBA" and image.getchannel("A").point(lambda a: 255 * (a == 0))
        plain = image.convert(mode)
        with contextlib.suppress(ImageCms.PyCMSError, OSError):
            opened = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
            plain = ImageCms.profileToProfile(
                plain, opened, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        plain = plain.convert("RGB")
        if clear:
            plain.paste((255, 255, 255), mask=clear)
        return np.asarray(plain)


def difference(before: np.ndarray, after: np.ndarray) -> float:
    """Returns the mean CIEDE2000 away from the new face and the mark."""
    changed = (np.abs(before.astype(int) - after).max(2) > CHANGED).astype(np.uint8)
    blocks = Image.fromarray(255 * changed).resize(
        (before.shape[1] // AROUND, before.shape[0] // AROUND), Image.Resampling.BOX
    )
    kept = np.asarray(blocks.resize(before.shape[1::-1], Image.Resampling.BILINEAR)) < 8
    return float(deltaE_ciede2000(rgb2lab(before), rgb2lab(after))[kept].mean())


def describe(target: Path, made: Path) -> str:
    """Says what a result has of its target."""
    with Image.open(made) as image:
        exif = image.getexif()
        told = [str(image.format)]
        profile = None
        with contextlib.suppress(*UNREADABLE), Image.open(target) as own:
            profile = own.info.get("icc_profile")
        told += ["its profile"] * (bool(profile) and image.info.get("icc_profile") == profile)
        told += ["transparency"] * (image.mode == "RGBA")
        if "dpi" in image.info:
            told.append(f"{round(image.info['dpi'][0])} dpi")
        told += ["author"] * (0x013B in exif) + ["dates"] * (0x9003 in exif.get_ifd(0x8769))
        told += ["a serial number"] * (b"SERIAL" in made.read_bytes())
    with contextlib.suppress(*UNREADABLE):
        told.append(f"dE outside {difference(shown(target), shown(made)):.2f}")
    return ", ".join(told)


def outcome(case: Case, folder: Path) -> str:
    """Fuses a case, and says in a line what happened."""
    with Image.open(EXAMPLES / "portrait-1.jpg") as image:
        case.make(image.convert("RGB"), folder / case.name)
    target = folder / case.name
    made = folder / f"made-{target.stem}{case.out or target.suffix}"
    source = EXAMPLES / "portrait-3.jpg"
    out, err = io.StringIO(), io.StringIO()
    words = ["fuse", source, target, "-o", made, "--tier", "fast", "--i-have-consent"]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = command([str(word) for word in words])
    except Exception as error:
        return f"traceback, {type(error).__name__}"
    if code:
        return f"exit {code}: {err.getvalue().strip().splitlines()[-1]}"
    lines = [line for line in out.getvalue().splitlines() if line.startswith(f"{target}: ")]
    said = [line.split(": ", 1)[1] for line in lines]
    return "; ".join([describe(target, made), *(f'"{each}"' for each in said)])


def table(found: dict[str, dict[str, str]]) -> str:
    """Returns the table in Markdown."""
    rows = ["| input | before | after |", "|---|---|---|"]
    for case in CASES:
        row = found.get(case.name, {})
        rows.append(f"| {case.kind} | {row.get('before', '')} | {row.get('after', '')} |")
    return "\n".join(rows)


def cases_table(found: dict[str, dict[str, str]]) -> str:
    """Returns the table of `benchmarks.cases` in Markdown."""
    rows = ["| input | right | before | after |", "|---|---|---|---|"]
    for name, row in found.items():
        cells = (name, *(row.get(column, "") for column in ("right", "before", "after")))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def write_page() -> None:
    """Writes the page of both tables."""
    kinds, cases = (json.loads(path.read_text(encoding="utf-8")) for path in (RESULTS, CASES_JSON))
    PAGE.write_text(f"{TEXT}{table(kinds)}\n{CASES_TEXT}{cases_table(cases)}\n", encoding="utf-8")


def main() -> int:
    """Runs the cases, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", action="store_true", help="fills the column `before`")
    args = parser.parse_args()
    found: dict[str, dict[str, str]] = {}
    if RESULTS.exists():
        found = json.loads(RESULTS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            column = "before" if args.before else "after"
            found.setdefault(case.name, {})[column] = outcome(case, Path(folder))
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page()
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
