"""Makes the photos in `examples/ready/`: targets, faces, and results of fusing them.

`python -m facefusion.training.samples.ready_photos --data DIR --out examples/ready` rewrites the
folder. No image of the data set is copied: in each photo a synthetic person has the face of another
one. The same packages on the same machine give the same files.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from facefusion.engines.registry import REFERENCE
from facefusion.images.reading import read_photo
from facefusion.images.saving import COMMENT, XMP
from facefusion.pipeline.pipeline import FusionPipeline
from facefusion.types import Photo

#: Width and height of every picture, in pixels. One shape, so that a row of them lines up.
WIDTH: Final = 614
HEIGHT: Final = 768
#: JPEG quality. 4:4:4 as in `saving.save`: at 4:2:0 the colour of lips and eyes bleeds over
#: their edge. At 95, as the page writes results, the folder is more than twice as heavy.
QUALITY: Final = 80
#: Quality tier of every fusion.
TIER: Final = "best"
#: Columns of `index.csv`.
COLUMNS: Final = ("file", "kind", "english", "chinese", "target", "face")


@dataclass(frozen=True)
class Recipe:
    """A photo to make.

    Attributes:
        name: file name without extension.
        photo: file of the data set in which the face is replaced.
        face: file of the data set whose face is put there.
        crop: left, top and width of the section in shares of the mirrored photo's width and height.
        gamma: exponent of the tone curve; below 1 brightens.
        warmth: share by which red is raised and blue is lowered.
        english, chinese: description for people who do not see the picture.
    """

    name: str
    photo: str
    face: str
    crop: tuple[float, float, float]
    gamma: float
    warmth: float
    english: str
    chinese: str


TARGETS: Final = (
    Recipe(
        "target-1", "portraits/female_022.jpg", "portraits/female_031.jpg", (0.249, 0.004, 0.49), 1.0, 0.01,
        "Woman with long brown hair, smiling in a street", "街边微笑的棕色长发女子",
    ),
    Recipe(
        "target-2", "portraits/male_013.jpg", "portraits/male_008.jpg", (0.205, 0.085, 0.54), 0.96, -0.01,
        "Man with short grey hair in front of a hedge", "站在树篱前的灰白短发男子",
    ),
    Recipe(
        "target-3", "portraits/female_028.jpg", "portraits/female_044.jpg", (0.146, 0.0, 0.656), 0.95, 0.01,
        "Woman with long black curls in a garden", "花园里的黑色长卷发女子",
    ),
    Recipe(
        "target-4", "portraits/male_037.jpg", "portraits/male_012.jpg", (0.195, 0.02, 0.66), 0.98, -0.01,
        "Young man in a black T-shirt", "穿黑色 T 恤的青年男子",
    ),
    Recipe(
        "target-5", "portraits/female_047.jpg", "portraits/female_017.jpg", (0.24, 0.0, 0.6), 1.04, -0.01,
        "Woman with brown curls in front of a white wall", "白墙前的棕色卷发女子",
    ),
    Recipe(
        "target-6", "sfhq/0959.jpg", "portraits/male_007.jpg", (0.105, 0.0, 0.8), 0.92, 0.0,
        "Man with dreadlocks and round glasses", "梳脏辫、戴圆框眼镜的男子",
    ),
    Recipe(
        "target-7", "portraits/female_007.jpg", "portraits/female_032.jpg", (0.14, 0.0, 0.68), 1.0, -0.02,
        "Woman with grey hair and a pearl necklace", "戴珍珠项链的灰发女子",
    ),
    Recipe(
        "target-8", "portraits/male_047.jpg", "portraits/male_006.jpg", (0.122, 0.0, 0.8), 0.96, -0.01,
        "Elderly man in a suit and tie", "穿西装打领带的老年男子",
    ),
)  # fmt: skip
FACES: Final = (
    Recipe(
        "face-1", "portraits/female_048.jpg", "portraits/female_036.jpg", (0.111, 0.0, 0.8), 0.97, 0.01,
        "Woman with brown hair, smiling", "微笑的棕发女子",
    ),
    Recipe(
        "face-2", "portraits/male_008.jpg", "portraits/male_041.jpg", (0.196, 0.0, 0.715), 0.97, -0.01,
        "Man with short greying hair at a pool", "泳池边的灰白短发男子",
    ),
    Recipe(
        "face-3", "portraits/female_020.jpg", "portraits/female_016.jpg", (0.2, 0.02, 0.6), 0.95, 0.0,
        "Older woman in a green dress", "穿绿色连衣裙的年长女子",
    ),
)  # fmt: skip
#: Target and face of each result. Each target has the face that gives the best picture of the
#: three; the first pair is the best.
PAIRS: Final = (
    ("target-1", "face-1"),
    ("target-2", "face-2"),
    ("target-3", "face-3"),
    ("target-4", "face-2"),
    ("target-5", "face-1"),
    ("target-6", "face-2"),
    ("target-7", "face-3"),
    ("target-8", "face-2"),
)


@dataclass(frozen=True)
class Entry:
    """A row of `index.csv`, with the columns `COLUMNS`.

    Attributes:
        file: path below the folder of the index.
        kind: "target", "face" or "result".
        english, chinese: description for people who do not see the picture.
        target, face: files of the photos that a result is made of; empty for a photo.
    """

    file: str
    kind: str
    english: str
    chinese: str
    target: str = ""
    face: str = ""


def training_files(data: Path) -> set[str]:
    """Returns the files of the training split: the validation faces stay unseen."""
    with (data / "faces.csv").open(newline="", encoding="utf-8") as handle:
        return {row["file"] for row in csv.DictReader(handle) if row["split"] == "train"}


def framed(photo: Photo, crop: tuple[float, float, float]) -> Photo:
    """Mirrors a photo left-right and cuts a section out of it: (HEIGHT, WIDTH, 3) RGB uint8."""
    mirrored = photo[:, ::-1]
    height, width = photo.shape[:2]
    left = round(crop[0] * width)
    top = round(crop[1] * height)
    across = round(crop[2] * width)
    down = round(across * HEIGHT / WIDTH)
    section = mirrored[top : top + down, left : left + across]
    kind = cv2.INTER_AREA if across > WIDTH else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(section, (WIDTH, HEIGHT), interpolation=kind), np.uint8)


def graded(photo: Photo, gamma: float, warmth: float) -> Photo:
    """Changes brightness and colour temperature a little."""
    curve = 255 * (np.arange(256)[:, None] / 255) ** gamma
    table = np.clip(curve * np.array([1 + warmth, 1, 1 - warmth]) + 0.5, 0, 255)
    return np.asarray(cv2.LUT(photo, table[None].astype(np.uint8)), np.uint8)


def make_photo(pipeline: FusionPipeline, data: Path, recipe: Recipe) -> Photo:
    """Makes the photo of a recipe: (HEIGHT, WIDTH, 3) RGB uint8.

    Raises:
        ValueError: an image is not in the training split.
    """
    strangers = {recipe.photo, recipe.face} - training_files(data)
    if strangers:
        raise ValueError(f"{recipe.name}: not in the training split: {', '.join(strangers)}")
    source = read_photo(data / recipe.face, "source")
    target = read_photo(data / recipe.photo, "target")
    fused = pipeline(source, target, tier=TIER).image
    return graded(framed(fused, recipe.crop), recipe.gamma, recipe.warmth)


def write_photo(photo: Photo, path: Path) -> None:
    """Writes a JPEG with the metadata of an AI-generated picture, which the photos are too."""
    Image.fromarray(photo).save(
        path,
        "JPEG",
        quality=QUALITY,
        subsampling=0,
        progressive=True,
        xmp=XMP,
        comment=COMMENT.encode(),
    )


def make_result(pipeline: FusionPipeline, out: Path, target: Recipe, face: Recipe) -> Entry:
    """Fuses two of the photos as a visitor gets them, and writes the result.

    It has no visible mark: the page adds it when it shows the result, in the visitor's language.
    """
    target_file = f"{target.name}.jpg"
    face_file = f"{face.name}.jpg"
    source = read_photo(out / face_file, "source")
    photo = read_photo(out / target_file, "target")
    file = f"results/{target_file}"
    write_photo(pipeline(source, photo, tier=TIER).image, out / file)
    return Entry(
        file,
        "result",
        f"{target.english}, with another face, AI-generated",
        f"由 AI 换上另一张脸的{target.chinese}",
        target_file,
        face_file,
    )


def make_all(pipeline: FusionPipeline, data: Path, out: Path) -> list[Entry]:
    """Writes the photos and the results."""
    (out / "results").mkdir(parents=True, exist_ok=True)
    entries = []
    for kind, recipes in (("target", TARGETS), ("face", FACES)):
        for recipe in recipes:
            write_photo(make_photo(pipeline, data, recipe), out / f"{recipe.name}.jpg")
            entries.append(Entry(f"{recipe.name}.jpg", kind, recipe.english, recipe.chinese))
    by_name = {recipe.name: recipe for recipe in (*TARGETS, *FACES)}
    for target, face in PAIRS:
        entries.append(make_result(pipeline, out, by_name[target], by_name[face]))
    return entries


def main() -> None:
    """Writes the photos, the results and `index.csv`."""
    parser = argparse.ArgumentParser(
        prog="python -m facefusion.training.samples.ready_photos", description=__doc__
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with faces.csv and the images"
    )
    parser.add_argument("--out", type=Path, default=Path("examples/ready"))
    args = parser.parse_args()
    # Engines differ in rounding; the reference engine is installed everywhere.
    entries = make_all(FusionPipeline.from_pretrained(engine=REFERENCE), args.data, args.out)
    with (args.out / "index.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(vars(entry) for entry in entries)


if __name__ == "__main__":
    main()
