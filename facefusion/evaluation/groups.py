"""Figures by group of light, pose, age and skin tone, each with its number of pairs."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from facefusion.evaluation.case import Case
from facefusion.evaluation.measures import BY_KEY, JudgedFace, Measure, cheek_colours, cheek_tone
from facefusion.evaluation.tables import Spread, number, table
from facefusion.geometry.pose import pose_degrees
from facefusion.perception.coverings import Coverings

#: Smallest individual typology angle in degrees (Chardon et al., 1991) of each skin tone, lightest
#: first.
SKIN_TONES: Final = (
    (55.0, "very light"),
    (41.0, "light"),
    (28.0, "intermediate"),
    (10.0, "tan"),
    (-30.0, "brown"),
)
#: Name of the skin tones below all these angles.
DARKEST: Final = "dark"
#: CIELAB lightness of the cheeks below which a photo is dark.
DARK_LIGHTNESS: Final = 40.0
#: Difference of CIELAB lightness between the cheeks above which the light comes from one side.
ONE_SIDED_DIFFERENCE: Final = 12.0
#: Yaw in degrees below which a face is frontal.
FRONTAL_YAW: Final = 10.0
#: Yaw in degrees from which on a face is turned far.
TURNED_YAW: Final = 25.0
#: First year of each age group of adults.
AGES: Final = (18, 30, 45, 60)
#: Name of the group of a pair that was not measured.
UNKNOWN: Final = "unknown"
#: Divisions in which a pair is counted if a judge found no face.
UNMEASURED: Final = ("light on the target", "pose of the target")
#: Shares of the face from which a hand, cloth or a thing, and hair, count as in front of it.
LEAST_HIDDEN, LEAST_HAIR = 0.03, 0.12
#: Measures that are reported for each group.
FIGURES: Final = ("id_similarity", "expression_error_pct", "skin_tone_delta_e")


def skin_tone(face: JudgedFace) -> str:
    """Names the skin tone of the cheeks as photographed; light and camera change it."""
    lightness, _, yellow = cheek_tone(face.photo, face.mesh)
    angle = np.degrees(np.arctan2(lightness - 50, max(float(yellow), 1e-6)))
    return next((name for least, name in SKIN_TONES if angle > least), DARKEST)


def light(face: JudgedFace) -> str:
    """Names the light on the cheeks; the points of the two cheeks alternate."""
    lightness = cheek_colours(face.photo, face.mesh)[:, 0]
    if np.median(lightness) < DARK_LIGHTNESS:
        return "dark"
    difference = abs(float(np.median(lightness[::2]) - np.median(lightness[1::2])))
    return "from one side" if difference > ONE_SIDED_DIFFERENCE else "even"


def pose(face: JudgedFace) -> str:
    """Names the pose by the yaw."""
    yaw = abs(pose_degrees(face.mesh)[0])
    if yaw < FRONTAL_YAW:
        return f"below {FRONTAL_YAW:.0f} degrees"
    if yaw < TURNED_YAW:
        return f"{FRONTAL_YAW:.0f} to {TURNED_YAW:.0f} degrees"
    return f"{TURNED_YAW:.0f} degrees and more"


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
        matches = {
            row.get("file") or "": re.match(r"(\d+)-year-old", row.get("description") or "")
            for row in csv.DictReader(file)
        }
    return {name: int(match[1]) for name, match in matches.items() if match}


def in_front(coverings: Coverings) -> str:
    """Names the most obstructive covering of a face."""
    hidden, glasses = coverings.hidden, coverings.glasses
    kinds = {
        "hand": hidden.hand > LEAST_HIDDEN,
        "mask or cloth": hidden.mouth > LEAST_HIDDEN,
        "thing": hidden.thing > LEAST_HIDDEN,
        "dark glass": glasses is not None and glasses.hides_eyes,
        "glasses": glasses is not None,
        "hair": hidden.hair > LEAST_HAIR,
        "beard": coverings.beard is not None,
    }
    return next((kind for kind, there in kinds.items() if there), "nothing")


def groups_of(source: JudgedFace, target: JudgedFace) -> dict[str, str]:
    """Returns the names of a pair's groups by division."""
    return {
        "light on the target": light(target),
        "pose of the target": pose(target),
        "skin tone of the source": skin_tone(source),
        "skin tone of the target": skin_tone(target),
    }


def group_lines(cases: Sequence[Case], ages: dict[str, int]) -> list[str]:
    """Formats a Markdown table by group: pairs, failures, and medians of `FIGURES`.

    Args:
        cases: pairs at one tier.
        ages: in years, by photo, where known.
    """
    by_group: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        groups = case.groups or dict.fromkeys(UNMEASURED, UNKNOWN)
        groups = {**groups, "age of the source": age_group(ages.get(case.pair.source))}
        for division_and_group in groups.items():
            by_group.setdefault(division_and_group, []).append(case)
    rows = []
    for (division, group), members in sorted(by_group.items()):
        measured = [case for case in members if case.failure is None]
        cells = [_median(measured, BY_KEY[key]) for key in FIGURES]
        failed = len(members) - len(measured)
        rows.append([f"{division}: {group}", str(len(members)), str(failed), *cells])
    header = ["by group (medians)", "pairs", "failed", *[BY_KEY[key].title for key in FIGURES]]
    return table(header, rows)


def _median(cases: Sequence[Case], measure: Measure) -> str:
    """Formats the median of a measure."""
    spread = Spread.of([case.figures[measure.key] for case in cases], measure.badness)
    return number(spread.median, measure.digits)
