"""Implements the API endpoints `/fuse` and `/detect`, with stable names and types.

Their errors have the texts that the page shows beside a photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import gradio as gr

from facefusion import FusionError, FusionPipeline, FusionResult, Swap, Tier, words
from facefusion.page import files
from facefusion.page.fusing import PROGRESS
from facefusion.page.jobs import MAX_SECONDS, limit_time
from facefusion.page.messages import error_sentence, log, mark_text, request_language
from facefusion.page.photos import Photos, Raw
from facefusion.page.queue import CHECKS, FUSIONS, queued
from facefusion.perception.checks import check_coverings, check_face
from facefusion.perception.coverings import Coverings
from facefusion.perception.quality import Doubt, doubts
from facefusion.perception.reading_order import in_reading_order
from facefusion.pipeline.clock import Progress
from facefusion.pipeline.options import LIKENESS
from facefusion.tiers import TIERS
from facefusion.types import Face, Flaw, Kept, Photo
from facefusion.words import say

#: Tiers that are always available.
_TIERS: Final = ", ".join((Tier.AUTO, *TIERS))
FUSE: Final = (
    f"Puts the face of `source` into the photo `target`. `tier` is one of: {_TIERS}. `faces` are the numbers from "
    "`/detect` of the faces to replace, by default the largest that can be used. `likeness` and `blend` are in [0, 1]. "
    "`i_have_consent` must be true: it states that you may use both photos, that everyone in them is an adult who agreed, "
    "and that the result is not sexual and deceives nobody. Returns the result (PNG, of the target's size, marked as made "
    "by AI in a corner and in its metadata), its first draft (PNG, marked too), and a report: `identity_similarity` "
    "(cosine in [-1, 1] between the identities of the source and of the result; `faces` holds it for each face), "
    f"`resemblance` (the same in words), `flaws` (what can be seen to be wrong: {', '.join(Flaw)}), `advice` (what to "
    f"try), `kept` (what stays of the photo's own face: {', '.join(Kept)}), "
    "`tier` (the one that ran), `reason` (why, where `auto` chose), `seconds` by stage, `notes` "
    "(sentences about the files). Files are deleted within 10 minutes."
)
DETECT: Final = (
    "Finds the faces of `photo`. Returns `width`, `height` and `faces`, rows from the top and each row from left to right, "
    "each with its `number`, `box` (left, top, right, bottom), five `points` (eyes, nose, corners of the mouth) in pixels, "
    "`yaw`, `pitch`, `roll` in degrees, `usable`, `problem` (why not), `doubts` (what may "
    f"spoil a result: {', '.join(Doubt)})."
)


def _example_upload() -> dict[str, Any]:
    """Returns an example upload; Gradio's own examples are URLs, which are not fetched."""
    return {"path": "photo.jpg", "meta": {"_type": "gradio.FileData"}}


class _InvalidParameterError(ValueError):
    """A parameter without a valid value; the message is a key of `words`."""


class Api:
    """The API endpoints.

    Args:
        pipeline: shared with the page.
        photos: reads uploads; results are kept with them for ten minutes.
    """

    def __init__(self, pipeline: FusionPipeline, photos: Photos) -> None:
        self.pipeline, self.photos = pipeline, photos

    def fuse(
        self,
        source: Raw | None,
        target: Raw | None,
        tier: str,
        faces: list[int] | None,
        likeness: float | None,
        blend: float | None,
        i_have_consent: bool,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
    ) -> tuple[str, str, dict[str, Any]]:
        """Fuses two photos; see `FUSE`."""
        language = request_language(request)

        def report(stage: str, share: float) -> None:
            progress(share, desc=say(f"stage.{stage}", language))

        try:
            if i_have_consent is not True:
                raise _InvalidParameterError("error.api_consent")
            if tier not in self.pipeline.tiers:
                raise _InvalidParameterError("error.no_such_tier")
            likeness = LIKENESS if likeness is None else likeness
            blend = 1.0 if blend is None else blend
            if not (0 <= likeness <= 1 and 0 <= blend <= 1):
                raise _InvalidParameterError("error.no_such_share")
            with self.photos.hold(request, target, [source]):
                options: dict[str, Any] = {"tier": tier, "likeness": likeness, "blend": blend}
                return self._fuse(source, target, faces, options, report, request)
        except Exception as error:
            raise _api_error(error, language) from None

    def _fuse(
        self,
        source: Raw | None,
        target: Raw | None,
        faces: list[int] | None,
        options: dict[str, Any],
        progress: Progress,
        request: gr.Request,
    ) -> tuple[str, str, dict[str, Any]]:
        face, own = self.photos.open(source, "source")
        photo, original = self.photos.open(target, "target")
        swaps = [Swap(face, each) for each in self._chosen_faces(photo, faces)]
        limited = limit_time(MAX_SECONDS, progress)
        *_, result = self.pipeline.stream(swaps, photo, progress=limited, **options)
        language, folder = request_language(request), self.photos.results(request)
        report = make_report(result, language)
        report["notes"] = [
            f"{say(f'photo.{role}', language)}: {say(f'note.{note}', language)}"
            for role, each in (("source", own), ("target", original))
            for note in each.notes_for(role, ".png")
        ]

        def write(picture: Photo) -> str:
            done = original.finish(picture, photo, mark_text(language), faces=result.boxes)
            return files.write(done.image, folder, ".png", done.belongings)

        with ThreadPoolExecutor(1) as pool:  # PNG of a large photo: slower than fusing
            draft = pool.submit(write, result.coarse)
            return write(result.image), draft.result(), report

    def detect(self, photo: Raw | None, request: gr.Request) -> dict[str, Any]:
        """Finds the faces of a photo; see `DETECT`."""
        language = request_language(request)
        try:
            with self.photos.hold(request, photo):
                return self._detect(photo, language)
        except Exception as error:
            raise _api_error(error, language) from None

    def _detect(self, upload: Raw | None, language: words.Language) -> dict[str, Any]:
        photo = self.photos.read(upload, "target")
        faces = in_reading_order(self.pipeline.find_faces(photo))
        described = [
            _describe(i, face, photo, self.pipeline.find_coverings(photo, face), language)
            for i, face in enumerate(faces, 1)
        ]
        return {"width": photo.shape[1], "height": photo.shape[0], "faces": described}

    def _chosen_faces(self, photo: Photo, faces: list[int] | None) -> Sequence[Face | None]:
        if faces is None or faces == []:
            return [None]
        found = in_reading_order(self.pipeline.find_faces(photo))
        if not isinstance(faces, list) or not all(
            type(n) is int and 1 <= n <= len(found) for n in faces
        ):
            raise _InvalidParameterError("error.no_such_face")
        return [found[n - 1] for n in dict.fromkeys(faces)]


def _describe(
    number: int, face: Face, photo: Photo, coverings: Coverings, language: words.Language
) -> dict[str, Any]:
    problem = None
    try:
        check_face(face, "target")
        check_coverings(coverings, "target")
    except FusionError as error:
        problem = error.sentence(language)
    return {
        "number": number,
        "box": [round(float(value), 1) for value in face.detection.box],
        "points": [[round(float(x), 1), round(float(y), 1)] for x, y in face.detection.points],
        **{name: round(float(getattr(face, name)), 1) for name in ("yaw", "pitch", "roll")},
        "usable": problem is None,
        "problem": problem,
        "doubts": [doubt.value for doubt in doubts(photo, face, coverings)],
    }


def make_report(result: FusionResult, language: words.Language) -> dict[str, Any]:
    """Makes the report of `/fuse`."""
    return {
        "identity_similarity": round(result.identity_similarity, 4),
        "resemblance": words.grade(result.identity_similarity),
        "faces": [round(face.identity_similarity, 4) for face in result.faces],
        "flaws": [flaw.value for flaw in result.flaws],
        "kept": [kept.value for kept in result.kept],
        "advice": [say(f"flaw.{flaw}", language) for flaw in result.flaws],
        "tier": result.tier.value,
        "reason": result.choice.reason.value if result.choice is not None else None,
        "seconds": {stage: round(seconds, 4) for stage, seconds in result.timings.stages.items()},
    }


def _api_error(error: Exception, language: words.Language) -> gr.Error:
    if isinstance(error, _InvalidParameterError):
        log.info("No fusion: %s", error)
        return gr.Error(say(str(error), language), print_exception=False)
    return gr.Error(error_sentence(error, language), print_exception=False)


def _picture(elem_id: str, label: str) -> gr.Image:
    image = gr.Image(type="filepath", format="png", label=label, visible=False, elem_id=elem_id)
    vars(image)["example_payload"] = _example_upload  # Gradio writes a stub file for a subclass
    return image


def build(api: Api, at_once: int) -> None:
    """Adds the endpoints to a `gr.Blocks`, each with its own hidden trigger.

    Args:
        api: the endpoints.
        at_once: most calls of each that run at once.
    """
    inputs = [
        _picture("api-source", "Source"),
        _picture("api-target", "Target"),
        gr.Textbox(Tier.AUTO.value, label="Tier", visible=False, elem_id="api-tier"),
        gr.JSON([], label="Faces", visible=False, elem_id="api-faces"),
        gr.Number(LIKENESS, label="Likeness", visible=False, elem_id="api-likeness"),
        gr.Number(1.0, label="Blend", visible=False, elem_id="api-blend"),
        gr.Checkbox(False, label="I have consent", visible=False, elem_id="api-consent"),
    ]
    outputs = [
        _picture("api-result", "Result"),
        _picture("api-draft", "First draft"),
        gr.JSON(label="Report", visible=False, elem_id="api-report"),
    ]
    gr.Button(visible=False, elem_id="api-fuse").click(
        api.fuse, inputs, outputs, api_name="fuse", api_description=FUSE, **queued(FUSIONS, at_once)
    )
    photo = _picture("api-photo", "Photo")
    found = gr.JSON(label="Faces", visible=False, elem_id="api-found")
    gr.Button(visible=False, elem_id="api-detect").click(
        api.detect,
        photo,
        found,
        api_name="detect",
        api_description=DETECT,
        **queued(CHECKS, at_once),
    )
