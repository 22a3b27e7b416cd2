"""Renders HTML for what Gradio has no component for; it never holds text of a user."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import Final
from urllib.parse import quote

from facefusion import words
from facefusion.page import repairing
from facefusion.page.i18n import TAGS, t
from facefusion.page.repairing import Parts
from facefusion.tiers import TierChoice
from facefusion.types import Flaw, FusedFace, FusionResult
from facefusion.words import Language, say, sentences

#: Smallest and largest share of a view's width, in percent, that shows the photo before at first.
SPLITS: Final = (6.0, 50.0)


@dataclass(frozen=True)
class Made:
    """A draft or a result for the view.

    Attributes:
        kind: "draft" or "result".
        photo: equal for equal target photos, so that the view's handle stays where it is.
        size: width and height, in pixels.
        split: share of the width, in percent, that shows the photo before at first.
        before, after: paths of the pictures.
        png: path of the lossless file, or None while it is not written yet.
        seconds: that the files are kept.
        face: path of the example that was the face, if the result was made beforehand.
        flaws: what can be seen to be wrong with the new faces.
        original: path of the target photo itself, of which `before` may be a smaller copy.
        mark: left, top, right and bottom of the visible mark, in pixels.
        parts: parts of the faces that can be brought back by name.
    """

    kind: str
    photo: str
    size: tuple[int, int]
    split: float
    before: str
    after: str
    png: str | None = None
    seconds: float = 0.0
    face: str | None = None
    flaws: tuple[Flaw, ...] = ()
    original: str | None = None
    mark: tuple[int, int, int, int] = (0, 0, 0, 0)
    parts: Parts = field(default_factory=dict)


@dataclass(frozen=True)
class Hero:
    """The view before there is a result, of people who do not exist.

    Attributes:
        before: data URI.
        after: data URI by language, for the mark.
        ratio: width to height.
    """

    before: str
    after: dict[str, str]
    ratio: float


def notice(message: str, kind: str = "problem") -> str:
    """Renders a message beside a photo; screen readers announce it when it appears.

    Args:
        message: text, escaped here.
        kind: "problem", "doubt" or "fine"; "problem refused" for one that only a run has found.
    """
    role = "alert" if kind.startswith("problem") else "status"
    return f'<p class="notice {kind}" role="{role}">{escape(message)}</p>' if message else ""


def language_switch() -> str:
    """Renders the buttons that `scripts/language.js` connects; both are named in their language."""
    buttons = "".join(
        f'<button type="button" lang="{TAGS[language]}" data-language="{language}" '
        f'aria-pressed="false">{name}</button>'
        for language, name in ((Language.ENGLISH, "EN"), (Language.CHINESE, "中文"))
    )
    return f'<div class="switch" role="group" aria-label="Language / 语言">{buttons}</div>'


def heading(number: int, key: str) -> str:
    """Renders the title of a step of the page."""
    return f'<h2 class="step"><span aria-hidden="true">{number}</span> {t(key)}</h2>'


def address(path: str) -> str:
    """Returns the address of a file that the page serves, relative to the page."""
    return f"gradio_api/file={quote(path)}"


def needs() -> str:
    """Renders the list of what is missing before a fusion, empty; `scripts/runs.js` fills it."""
    return '<div class="needs" role="status"></div>'


def view(hero: Hero | None = None) -> str:
    """Renders the view of before and after; `scripts/view.js` fills it and moves its handle.

    `scripts/names.js` writes the text of each key in `data-say` and `data-name`: Gradio translates
    one marker in a value, not several.
    """
    presses = "".join(
        f'<button id="{name}" class="press" type="button" data-say="{name}"></button>'
        for name in ("png", "share", "repair", "enlarge", "reuse")
    )
    state, pictures, ratio = "empty", ("", ""), 1.0
    if hero is not None:
        after = " ".join(f'data-{language}="{uri}"' for language, uri in hero.after.items())
        state, pictures, ratio = "example", (f' src="{hero.before}"', f" {after}"), hero.ratio
    return (
        f'<section class="view" data-state="{state}" data-name="result" tabindex="-1" '
        f'style="--ratio: {ratio:.5f}"><div class="frame">'
        f'<img class="after" data-name="result.alt" draggable="false"{pictures[1]}>'
        f'<img class="before" data-name="target.alt" draggable="false"{pictures[0]}>'
        '<span class="handle" aria-hidden="true"></span>'
        '<input type="range" min="0" max="100" step="1" value="50" data-name="handle">'
        '</div><p class="captions"><span class="chip" data-say="before"></span>'
        '<span class="hint"></span><span class="chip" data-say="after"></span></p>'
        '<div class="presses">'
        '<a id="jpeg" class="press main" download="facefusion.jpg" href="#" data-say="jpeg"></a>'
        f'{presses}</div><div class="flaws" role="status"></div>{repairing.tools()}'
        '<p class="kept"><span><span class="waited"></span> <span class="left"></span></span> '
        '<button id="forget" class="press" type="button" data-say="forget"></button></p>'
        '<p class="told" role="status"></p></section>'
        '<button id="peek" type="button" hidden><img alt=""><span data-say="peek"></span></button>'
    )


def visit() -> str:
    """Renders the strip of this visit's results, empty; `scripts/visit.js` fills it."""
    return (
        '<section class="visit" data-name="visit" hidden><h3 data-say="visit"></h3>'
        '<p data-say="visit.hint"></p><div class="strip"></div></section>'
    )


def made(result: Made) -> str:
    """Renders what `scripts/view.js` reads of a draft or a result; nothing of it is seen."""
    values = {
        "kind": result.kind,
        "photo": result.photo,
        "ratio": f"{result.size[0] / result.size[1]:.5f}",
        "split": f"{min(max(result.split, SPLITS[0]), SPLITS[1]):.1f}",
        "before": address(result.before),
        "after": address(result.after),
        "png": address(result.png) if result.png else "",
        "seconds": f"{result.seconds:.0f}",
        "face": address(result.face) if result.face else "",
        "flaws": " ".join(result.flaws),
        "original": address(result.original or result.before),
        "mark": " ".join(str(each) for each in result.mark),
        "parts": json.dumps(result.parts, separators=(",", ":")),
    }
    written = " ".join(f'data-{name}="{escape(value)}"' for name, value in values.items())
    return f"<data {written}></data>"


def report(result: FusionResult, language: Language) -> str:
    """Renders resemblance and flaws, the tier that was chosen, and the time of each stage.

    Several faces have their matches in a table of their own, `group.done`.
    """
    faces = result.faces
    parts = [
        _match(faces[0], language) if len(faces) == 1 else "",
        _tier_choice(result.choice, language),
        times(result.timings.stages, language),
    ]
    text = words.punctuated("".join(parts), language)
    return f'<div class="report" role="status">{text}</div>'


def _match(face: FusedFace, language: Language) -> str:
    text, similarity = partial(say, language=language), face.identity_similarity
    name = words.grade(similarity)
    width = round(100 * min(max(similarity, 0.0), 1.0))
    seen = sentences((f"flaw.{flaw}" for flaw in face.flaws or ["none"]), language)
    return (
        f"<h3>{text('match')} {text(f'match.{name}')}</h3>"
        f'<div class="meter" aria-hidden="true"><span style="width:{width}%"></span></div>'
        f"<p>{text(f'match.{name}.text')} "
        f"{text('match.number')} <strong>{similarity:.2f}</strong> ({text('match.scale')})</p>"
        f"<p><strong>{text('picture')}:</strong> {seen}</p>{_kept(face, language)}"
    )


def _kept(face: FusedFace, language: Language) -> str:
    if not face.kept:
        return ""
    names = words.listed((f"stays.{kept}" for kept in face.kept), language)
    return f"<p><strong>{say('stays', language)}</strong> {names}</p>"


def _tier_choice(choice: TierChoice | None, language: Language) -> str:
    if choice is None:
        return ""
    tier, reason = say(f"tier.{choice.tier}", language), say(f"reason.{choice.reason}", language)
    return f'<p class="chosen">{say("chosen", language)} <strong>{tier}</strong>, {reason}</p>'


def times(stages: Mapping[str, float], language: Language) -> str:
    """Renders seconds by stage as bars with numbers."""
    longest = max(stages.values(), default=0.0) or 1.0
    unit = say("seconds", language)
    rows = "".join(
        f'<tr><th scope="row">{say(f"stage.{name}", language)}</th>'
        f'<td><span class="bar" style="width:{100 * seconds / longest:.0f}%"></span></td><td>{seconds:.2f} {unit}</td></tr>'
        for name, seconds in stages.items()
    )
    summary = f"<summary>{say('done', language)} {sum(stages.values()):.1f} {unit}</summary>"
    return f'<details class="times">{summary}<table><caption>{say("times", language)}</caption>{rows}</table></details>'


def tiles(pictures: Sequence[tuple[str, str, str]], *, large: bool = False) -> str:
    """Renders pictures side by side.

    Args:
        pictures: (caption, further text, data URI) of each.
        large: few pictures to compare, rather than many to skim.
    """
    figures = "".join(
        f'<figure><img src="{uri}" alt="{caption}">'
        f"<figcaption>{caption}{f' <strong>{more}</strong>' if more else ''}</figcaption></figure>"
        for caption, more, uri in pictures
    )
    return f'<div class="tiles{" large" if large else ""}">{figures}</div>'


def tier_tiles(tiers: Mapping[str, tuple[str, float]], language: Language) -> str:
    """Renders the tiers side by side, from data URI and seconds by tier."""
    unit = say("seconds", language)
    pictures = [
        (say(f"tier.{tier}", language), f"{seconds:.2f} {unit}", uri)
        for tier, (uri, seconds) in tiers.items()
    ]
    return tiles(pictures, large=True)
