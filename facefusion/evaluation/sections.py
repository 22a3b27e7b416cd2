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
SHEET_MEASURES: Final = {
    "id_similarity": "identity",
    "expression_error_pct": "expression",
    "skin_tone_delta_e": "skin-tone",
}
#: Measures of the short tables by reason.
REASON_MEASURES: Final = (
    "id_similarity",
    "expression_error_pct",
    "pose_error_deg",
    "skin_tone_delta_e",
)
#: Most rows of a sheet; a JPEG has at most 65,535 pixels a side.
MAX_ROWS: Final = 100


@dataclass(frozen=True)
class Section:
    """A list of pairs and its results.

    Attributes:
        title: its heading.
        prefix: of the names of its sheets.
        origin: where the pairs come from, a sentence.
        cases: every pair at every tier.
        retrieved: by tier, for each result whether it retrieves its source.
        ages: in years, by photo, where known.
    """

    title: str
    prefix: str
    origin: str
    cases: list[Case]
    retrieved: dict[Tier, list[bool]] = field(default_factory=dict)
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
        measured = [case for case in cases if case.failure is None]
        failed = [case for case in cases if case.failure is not None]
        counts = f"{len(cases)} pairs, {len(measured)} fused and measured, {len(failed)} failed."
        lines += [f"### {section.title}, {TIERS[tier].label}", "", counts, ""]
        if measured:
            lines += _figures(measured, section.retrieved[tier])
        if any(case.pair.why for case in cases):
            lines += _reasons(cases)
        lines += group_lines(cases, section.ages)
        name = f"{section.prefix}-{tier}"
        if worst:
            lines += _sheets(cases, measured, name, min(worst, MAX_ROWS), folder)
        if failed:
            lines += _failures(failed, name, folder if worst else None)
    return lines


def _figures(measured: list[Case], retrieved: list[bool]) -> list[str]:
    """Formats the spread of every measure, and the retrieval."""
    rows = []
    for measure in MEASURES:
        spread = Spread.of([case.figures[measure.key] for case in measured], measure.badness)
        rows.append([measure.title, *spread.cells(measure.digits)])
    share = number(100 * sum(retrieved) / len(retrieved), 1)
    retrieval = f"Retrieval, top-1: {sum(retrieved)} of {len(retrieved)} ({share} %)."
    return [*table(["measure", *SPREAD], rows), retrieval, ""]


def _sheets(
    cases: list[Case], measured: list[Case], name: str, count: int, folder: Path
) -> list[str]:
    """Writes sheets of the worst and of the first `count` pairs, and links them."""
    lines = []
    for key, word in SHEET_MEASURES.items() if measured else ():
        measure = BY_KEY[key]
        badness = [measure.badness(case.figures[key]) for case in measured]
        order = sorted(range(len(measured)), key=lambda i: (badness[i], i), reverse=True)
        rows = []
        for case in (measured[i] for i in order[:count]):
            figure = number(case.figures[key], measure.digits)
            rows.append((case.picture, f"{measure.title}: {figure}; {_pair_text(case)}"))
        file = f"{name}-worst-{word}.jpg"
        write_sheet(folder / file, rows)
        lines.append(f"- the {len(rows)} worst by {word.replace('-', ' ')}: [{file}]({file})")
    file = f"{name}-first.jpg"
    first = cases[:count]
    write_sheet(folder / file, [(case.picture, _pair_text(case)) for case in first])
    return [*lines, f"- the first {len(first)} of the list, not chosen: [{file}]({file})", ""]


def _failures(failed: list[Case], name: str, folder: Path | None) -> list[str]:
    """Lists all failures; writes their sheets if a folder is given."""
    sentences = [f"- {_pair_text(case)}: {case.failure}" for case in failed]
    links = "" if folder is None else ", shown in " + _failure_sheets(failed, name, folder)
    return [f"Failures, all of them{links}:", "", *sentences, ""]


def _failure_sheets(failed: list[Case], name: str, folder: Path) -> str:
    """Writes sheets of the failures, and links them."""
    links = []
    for i in range(0, len(failed), MAX_ROWS):
        number_suffix = f"-{i // MAX_ROWS + 1}" if i else ""
        file = f"{name}-failures{number_suffix}.jpg"
        shown = failed[i : i + MAX_ROWS]
        rows = [(case.picture, f"{_pair_text(case)}: {case.failure}") for case in shown]
        write_sheet(folder / file, rows)
        links.append(f"[{file}]({file})")
    return " ".join(links)


def _pair_text(case: Case) -> str:
    reason = f" ({case.pair.why})" if case.pair.why else ""
    return f"{case.pair.source} -> {case.pair.target}{reason}"


def _reasons(cases: list[Case]) -> list[str]:
    """Formats medians by the reason why pairs were chosen."""
    measures = [BY_KEY[key] for key in REASON_MEASURES]
    rows = []
    for why in dict.fromkeys(case.pair.why for case in cases):
        group = [case for case in cases if case.pair.why == why]
        measured = [case for case in group if case.failure is None]
        medians = []
        for measure in measures:
            spread = Spread.of([case.figures[measure.key] for case in measured], measure.badness)
            medians.append(number(spread.median, measure.digits))
        failed = len(group) - len(measured)
        rows.append([why or "no reason given", str(len(group)), str(failed), *medians])
    titles = [measure.title for measure in measures]
    return table(["why hard (medians)", "pairs", "failed", *titles], rows)
