"""Every sentence of the page, in one place: plain words for people who are not technical."""

from __future__ import annotations

from typing import Final

from facefusion.errors import FusionError
from facefusion.tiers import TIERS, Tier, TierChoice, TierReason

TITLE: Final = "FaceFusion"
HEADER: Final = "# FaceFusion\nPut your face into another photo. Choose two pictures, press the button, wait a few seconds."

SOURCE: Final = "Your face"
SOURCE_HINT: Final = "# Choose a picture\nof one face, clear and looking at the camera"
TARGET: Final = "The photo"
TARGET_HINT: Final = "# Choose a picture\nthat the face goes into"
#: What a screen reader says for the two upload areas.
SOURCE_AREA: Final = "Your face: choose or drop a picture"
TARGET_AREA: Final = "The photo: choose or drop a picture"

TIER: Final = "Quality"
AUTO: Final = "Automatic"
AUTO_HINT: Final = "the best for which there is time."
TIER_NAMES: Final = {Tier.AUTO: AUTO, **{tier: spec.label for tier, spec in TIERS.items()}}
TIER_HINT: Final = f"{AUTO}: {AUTO_HINT} " + " ".join(f"{spec.label}: {spec.description}" for spec in TIERS.values())
#: Why a quality was chosen for the visitor.
REASONS: Final = {
    TierReason.SMALL_FACE: "the face in the photo is small, and more work would not be seen.",
    TierReason.FITS_BUDGET: "there was time for the best.",
    TierReason.TOO_SLOW: "a better one would take long on this computer.",
    TierReason.BUSY: "others are waiting too.",
}
FUSE: Final = "Fuse"
FUSING: Final = "Working on it ..."

RESULT: Final = "Result"
RESULT_ALT: Final = "The result: the photo with your face in it, made by AI"
DRAFT: Final = "First draft"
DRAFT_ALT: Final = "The first draft: the photo with your face in it at low detail, made by AI"
VIEW: Final = "Show"
VIEWS: Final = (("Finished picture", "refined"), ("First draft", "coarse"))

EXAMPLES: Final = "No pictures at hand? Try these"
#: Written into every picture that leaves the page.
MADE_BY_AI: Final = "Made by AI with FaceFusion: the face in this picture was replaced by software."
NOTES: Final = """
**What you make here is made by AI.** The face in the result was put there by software; it did not happen in front of a
camera. Please say so wherever you share it.

**Only use photos that you may use:** your own, or those of people who agreed. Never use the result to deceive, to embarrass
or to harm anyone.

**Nothing is kept.** Your photos and the results are deleted 10 minutes after they arrive or are made, and are passed on to
nobody.
"""

DELETED: Final = "has been deleted, as all photos are after 10 minutes"
CHOOSE_AGAIN: Final = "Please choose it again."
UNEXPECTED: Final = "Something went wrong on our side and no picture was made. Please choose your photos again and retry."
NO_SUCH_TIER: Final = "There is no such quality. Please choose one of: " + ", ".join(Tier) + "."

#: What each stage of the pipeline does, in the visitor's words.
STAGES: Final = {
    "detect": "Looking for the faces",
    "mesh": "Measuring the faces",
    "identity": "Learning your face",
    "glasses": "Looking for glasses",
    "warp": "Turning your face",
    "coarse": "Blending the faces",
    "refine": "Refining the face",
    "compose": "Painting the details",
    "check": "Checking the likeness",
}
SAVING: Final = "Saving the picture"

#: The identity similarity from which on a likeness is called so, best first. On 60 pairs of validation faces our identity
#: network gives strangers 0.12 in the middle and 0.41 at most, and fused faces 0.69 in the middle and 0.46 at least.
LIKENESS: Final = (
    (0.70, "Excellent", "The face in the result looks very much like you."),
    (0.55, "Good", "The face in the result looks like you."),
    (0.40, "Fair", "The face in the result looks a little like you. A clearer picture of your face may help."),
    (-1.0, "Weak", "The face in the result hardly looks like you. A clearer picture, looking the same way, may help."),
)

API: Final = (
    f"Puts the face of `source` into the photo `target`. `tier` is one of: {', '.join(Tier)}. Returns the result (PNG, of "
    "the target's size), its first draft (PNG), and a report: `identity_similarity` (cosine in [-1, 1] between the "
    "identities of the source and of the result), `likeness` (the same in words), `tier`, and `seconds` by stage. Files are "
    "deleted after 10 minutes."
)


def stage(name: str) -> str:
    """What the stage `name` does."""
    return STAGES.get(name, name.capitalize())


def chosen(choice: TierChoice) -> str:
    """Which quality was chosen and why."""
    return f"Quality: {TIER_NAMES[choice.tier]}, because {REASONS[choice.reason]}"


def likeness(similarity: float) -> tuple[str, str]:
    """A word and a sentence for an identity similarity in [-1, 1]."""
    for least, word, sentence in LIKENESS:
        if similarity >= least:
            return word, sentence
    return LIKENESS[-1][1:]


def problem(error: Exception) -> str:
    """The sentence for what went wrong. Only `FusionError` may speak for itself: it holds no text of the visitor's."""
    return str(error) if isinstance(error, FusionError) else UNEXPECTED
