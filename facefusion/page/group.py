"""Renders the choice of faces in a photo of several people, and the table of what was done.

`scripts/faces.js` draws the faces' numbered frames over the photo, and `scripts/names.js` writes
the text of each key in `data-say`.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from facefusion import words
from facefusion.errors import FusionError
from facefusion.page import html
from facefusion.page.photo_fields import NOBODY, OTHERS, YOU
from facefusion.perception.checks import check_face
from facefusion.types import Face, FusedFace, FusionResult, Photo
from facefusion.words import Language


def choice(
    path: str, photo: Photo, faces: Sequence[Face], assignment: str, language: Language
) -> str:
    """Renders a button for each face, and below them the people who can go there.

    Args:
        path: of the photo, as the visitor's browser names it.
        photo: (H, W, 3) RGB uint8.
        faces: in reading order.
        assignment: who goes to each face at first, see `form.read_assignment`.
        language: of the sentences about faces that cannot be used.
    """
    height, width = photo.shape[:2]
    buttons = "".join(
        f'<button type="button" class="face" tabindex="-1" data-face="{number}" '
        f'data-box="{_box(face, width, height)}"></button>'
        for number, face in enumerate(faces, 1)
    )
    problems = "".join(
        f'<div data-face="{number}" hidden>{html.notice(problem, "doubt")}</div>'
        for number, face in enumerate(faces, 1)
        if (problem := _problem(face, language))
    )
    people = "".join(
        f'<button type="button" data-person="{person}" data-say="who.{person}"></button>'
        for person in (YOU, *OTHERS, NOBODY)
    )
    return (
        f'<div class="group" data-photo="{escape(path)}" data-ratio="{width / height:.5f}" '
        f'data-assignment="{assignment}">'
        f'<p data-say="faces.hint"></p><div class="faces" aria-hidden="true">{buttons}</div>'
        f'<div class="who" role="group"><strong></strong>{people}</div>{problems}</div>'
    )


def _box(face: Face, width: int, height: int) -> str:
    """Returns left, top, width and height of a face in percent of the photo."""
    left, top, right, bottom = (float(value) for value in face.detection.box)
    shares = left / width, top / height, (right - left) / width, (bottom - top) / height
    return " ".join(f"{100 * share:.2f}" for share in shares)


def _problem(face: Face, language: Language) -> str:
    try:
        check_face(face, "target")
    except FusionError as error:
        return error.sentence(language)
    return ""


def done(result: FusionResult, numbers: Sequence[int], people: Sequence[int], *, left: bool) -> str:
    """Renders which face of a photo of several people got whose face, and how alike and how good it is.

    Args:
        result: the result.
        numbers, people: of the replaced faces, in the order of `result.faces`.
        left: whether other faces were left as they were.
    """
    grades = [words.grade(face.identity_similarity) for face in result.faces]
    rows = "".join(
        f'<tr><th scope="row"><span data-say="face"></span> {number}</th>'
        f'<td data-say="who.{person}"></td>'
        f'<td><span data-say="match.{grade}"></span> {face.identity_similarity:.2f}</td>'
        f"<td>{_flaws(face)}{_kept(face)}</td></tr>"
        for number, person, grade, face in zip(numbers, people, grades, result.faces, strict=True)
    )
    heads = "".join(
        f'<th scope="col" data-say="{key}"></th>'
        for key in ("face", "who", "resemblance", "picture")
    )
    notes = ["done.left"] * left + ["done.scale"]
    notes += ["done.hint"] * bool({"some", "little"} & set(grades))
    sentences = "".join(f'<span data-say="{key}"></span>' for key in notes)
    return (
        f'<div class="done" role="status"><table><caption data-say="done.title"></caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table><p>{sentences}</p></div>"
    )


def _flaws(face: FusedFace) -> str:
    keys = [f"flaw.{flaw}.name" for flaw in face.flaws] or ["flaw.none.name"]
    return ", ".join(f'<span data-say="{key}"></span>' for key in keys)


def _kept(face: FusedFace) -> str:
    names = ", ".join(f'<span data-say="stays.{kept}"></span>' for kept in face.kept)
    return f'<br><span data-say="stays"></span> {names}' if names else ""
