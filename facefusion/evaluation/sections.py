"""Reports one list of pairs: figures with their spread, sheets of the worst, and every failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from facefusion.evaluation.case import Case
from facefusion.evaluation.groups import group_lines
from facefusion.evaluation.measures import BY_KEY, MEASURES
from facefusion.evaluation.sheets import write_sheet
from facefusion.evaluation.tables import SPREAD, Spread, number, table
from facefusion.tiers import TIERS, Tier

#: Measures with sheets of their worst pairs, and the word for each in the sheets' names.
SHOWN: Final = {
    "id_similarity": "identity",
    "expression_error_pct": "expression",
    "skin_tone_delta_e": "skin-tone",
}
#: Measures of the short tables by reason.
SHORT: Final = ("id_similarity", "expression_error_pct", "pose_error_deg", "skin_tone_delta_e")
#: Most rows of a sheet; a JPEG has at most 65,535 pixels a side.
PAGE: Final = 100


@dataclass(frozen=True)
class Section:
    """A list of pairs and its results.

    Attributes:
        title: its heading.
        prefix: of the names of its sheets.
        origin: where the pairs come from, a sentence.
        cases: every pair at every tier.
        found: by tier, for each result whether it retrieves its source.
        ages: in years, by photo, where known.
    """

    title: str
    prefix: str
    origin: str
    cases: list[Case]
    found: dict[Tier, list[bool]] = field(default_factory=dict)
    ages: dict[str, int] = field(default_factory=dict)


def section_lines(section: Section, tiers: list[Tier], worst: int, folder: Path) -> list[str]:
    """Formats the section in Markdown, and writes its sheets into `folder`.

    Args:
        section: the pairs and their results.
        tiers: the tiers that ran.
        worst: rows of each sheet of worst pairs; 0 for a report without pictures, for data that
            must not be shown.
        folder: of the report.
    """
    lines = [f"## {section.title}", "", section.origin, ""]
    for tier in tiers:
        cases = [case for case in section.cases if case.tier == tier]
        good = [case for case in cases if case.failure is None]
        failed = [case for case in cases if case.failure is not None]
        counts = f"{len(cases)} pairs, {len(good)} fused and measured, {len(failed)} failed."
        lines += [f"### {section.title}, {TIERS[tier].label}", "", counts, ""]
        if good:
            lines += _figures(good, section.found[tier])
        if any(case.pair.why for case in cases):
            lines += _reasons(cases)
        lines += group_lines(cases, section.ages)
        name = f"{section.prefix}-{tier}"
        if worst:
            lines += _sheets(cases, good, name, worst, folder)
        if failed:
            lines += _failures(failed, name, folder if worst else None)
    return lines


def _figures(good: list[Case], found: list[bool]) -> list[str]:
    spreads = [
        (measure, Spread.of([case.figures[measure.key] for case in good], measure.badness))
        for measure in MEASURES
    ]
    share = number(100 * sum(found) / len(found), 1)
    return [
        *table(
            ["measure", *SPREAD],
            [[measure.title, *spread.cells(measure.digits)] for measure, spread in spreads],
        ),
        f"Retrieval, top-1: {sum(found)} of {len(found)} ({share} %).",
        "",
    ]


def _sheets(cases: list[Case], good: list[Case], name: str, worst: int, folder: Path) -> list[str]:
    lines = []
    for measure, word in ((BY_KEY[key], word) for key, word in SHOWN.items() if good):
        ranked = sorted(
            [(measure.badness(case.figures[measure.key]), i) for i, case in enumerate(good)],
            reverse=True,
        )
        shown = [good[i] for _, i in ranked[: min(worst, PAGE)]]
        texts = [
            f"{measure.title}: {number(case.figures[measure.key], measure.digits)}; {_named(case)}"
            for case in shown
        ]
        file = f"{name}-worst-{word}.jpg"
        write_sheet(
            folder / file, [(case.picture, text) for case, text in zip(shown, texts, strict=True)]
        )
        lines.append(f"- the {len(shown)} worst by {word.replace('-', ' ')}: [{file}]({file})")
    first, file = cases[: min(worst, PAGE)], f"{name}-first.jpg"
    write_sheet(folder / file, [(case.picture, _named(case)) for case in first])
    return [*lines, f"- the first {len(first)} of the list, not chosen: [{file}]({file})", ""]


def _failures(failed: list[Case], name: str, folder: Path | None) -> list[str]:
    sentences = [f"- {_named(case)}: {case.failure}" for case in failed]
    shown = (
        "" if folder is None else f", shown in {' '.join(_failure_sheets(failed, name, folder))}"
    )
    return [f"Failures, all of them{shown}:", "", *sentences, ""]


def _failure_sheets(failed: list[Case], name: str, folder: Path) -> list[str]:
    links = []
    for i in range(0, len(failed), PAGE):
        file = f"{name}-failures.jpg" if i == 0 else f"{name}-failures-{i // PAGE + 1}.jpg"
        write_sheet(
            folder / file,
            [(case.picture, f"{_named(case)}: {case.failure}") for case in failed[i : i + PAGE]],
        )
        links.append(f"[{file}]({file})")
    return links


def _named(case: Case) -> str:
    return f"{case.pair.source} -> {case.pair.target}" + (
        f" ({case.pair.why})" if case.pair.why else ""
    )


def _reasons(cases: list[Case]) -> list[str]:
    rows = []
    for why in dict.fromkeys(case.pair.why for case in cases):
        group = [case for case in cases if case.pair.why == why]
        good = [case for case in group if case.failure is None]
        spreads = [(BY_KEY[key], [case.figures[key] for case in good]) for key in SHORT]
        medians = [
            number(Spread.of(values, measure.badness).median, measure.digits)
            for measure, values in spreads
        ]
        rows.append(
            [why or "no reason given", str(len(group)), str(len(group) - len(good)), *medians]
        )
    return table(
        ["why hard (medians)", "pairs", "failed", *[BY_KEY[key].title for key in SHORT]], rows
    )
