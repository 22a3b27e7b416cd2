"""Figures by group of light, pose, age and skin tone, each with its number of pairs."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facefusion.evaluation.case import Case
from facefusion.evaluation.measures import BY_KEY, TONE_POINTS, JudgedFace, cheek_tone
from facefusion.evaluation.tables import Spread, number, table
from facefusion.geometry.pose import pose_degrees

#: Smallest individual typology angle in degrees (Chardon et al., 1991) of each skin tone, lightest
#: first.
SKIN_TONES: Final = (
    (55.0, "very light"),
    (41.0, "light"),
    (28.0, "intermediate"),
    (10.0, "tan"),
    (-30.0, "brown"),
)
DARKEST: Final = "dark"
#: CIELAB lightness of the cheeks below which a photo is dark.
DARK: Final = 40.0
#: Difference of lightness between the cheeks above which the light comes from one side.
ONE_SIDED: Final = 12.0
#: Yaw in degrees below which a face is frontal, and from which on it is turned far.
FRONTAL, TURNED = 10.0, 25.0
#: First years of age groups of adults.
AGES: Final = (18, 30, 45, 60)
UNKNOWN: Final = "unknown"
#: Measures that are reported for each group.
FIGURES: Final = ("id_similarity", "expression_error_pct", "skin_tone_delta_e")


def skin_tone(seen: JudgedFace) -> str:
    """Names the skin tone of the cheeks as photographed; light and camera change it."""
    lightness, _, yellow = cheek_tone(seen.photo, seen.mesh)
    angle = np.degrees(np.arctan2(lightness - 50, max(float(yellow), 1e-6)))
    return next((name for least, name in SKIN_TONES if angle > least), DARKEST)


def light(seen: JudgedFace) -> str:
    """Names the light on the cheeks; the points of the two cheeks come in pairs."""
    x, y = np.rint(seen.mesh[list(TONE_POINTS), :2]).astype(int).T
    height, width = seen.photo.shape[:2]
    spots = seen.photo[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    lightness = cv2.cvtColor((spots[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0, :, 0]
    if np.median(lightness) < DARK:
        return "dark"
    return (
        "from one side"
        if abs(float(np.median(lightness[::2]) - np.median(lightness[1::2]))) > ONE_SIDED
        else "even"
    )


def pose(seen: JudgedFace) -> str:
    """Names the pose by the yaw."""
    yaw = abs(pose_degrees(seen.mesh)[0])
    if yaw < FRONTAL:
        return f"below {FRONTAL:.0f} degrees"
    return (
        f"{FRONTAL:.0f} to {TURNED:.0f} degrees"
        if yaw < TURNED
        else f"{TURNED:.0f} degrees and more"
    )


def age_group(age: int | None) -> str:
    """Names the group of an age in years."""
    if age is None or age < AGES[0]:
        return UNKNOWN
    first = max(year for year in AGES if year <= age)
    last = next((year - 1 for year in AGES if year > age), None)
    return f"{first} to {last}" if last is not None else f"{first} and more"


def read_ages(folder: Path) -> dict[str, int]:
    """Reads ages in years by file from the column `description` of `faces.csv`, where given."""
    path = folder / "faces.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        told = {
            row.get("file") or "": re.match(r"(\d+)-year-old", row.get("description") or "")
            for row in csv.DictReader(file)
        }
    return {name: int(found[1]) for name, found in told.items() if found}


def groups_of(source: JudgedFace, target: JudgedFace) -> dict[str, str]:
    """Returns the group of a pair by the name of the division."""
    return {
        "light on the target": light(target),
        "pose of the target": pose(target),
        "skin tone of the source": skin_tone(source),
        "skin tone of the target": skin_tone(target),
    }


def group_lines(cases: Sequence[Case], ages: dict[str, int]) -> list[str]:
    """Formats a Markdown table by group: pairs, failures, and medians of `FIGURES`."""
    divided: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        every = case.groups or dict.fromkeys(("light on the target", "pose of the target"), UNKNOWN)
        for division, group in {
            **every,
            "age of the source": age_group(ages.get(case.pair.source)),
        }.items():
            divided.setdefault((division, group), []).append(case)
    rows = []
    for (division, group), members in sorted(divided.items()):
        good = [case for case in members if case.failure is None]
        medians = [
            Spread.of([case.figures[key] for case in good], BY_KEY[key].badness).median
            for key in FIGURES
        ]
        cells = [
            number(value, BY_KEY[key].digits) for key, value in zip(FIGURES, medians, strict=True)
        ]
        rows.append(
            [f"{division}: {group}", str(len(members)), str(len(members) - len(good)), *cells]
        )
    return table(
        ["by group (medians)", "pairs", "failed", *[BY_KEY[key].title for key in FIGURES]], rows
    )
