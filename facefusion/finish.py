"""The last steps before a new face is blended into its photo: what the photo's own skin has, it
gets.
"""

from __future__ import annotations

from typing import Final

from facefusion.compose.chroma import match_skin_chroma
from facefusion.compose.fringe import draw_strands
from facefusion.compose.texture import match_texture
from facefusion.compose.window import FaceWindow
from facefusion.steps import Steps
from facefusion.types import FloatArray, Photo
from facefusion.views import AlignedPair

#: Share of the skin's difference in chroma that is made up for: more takes stains away, and the
#: person as well.
CHROMA_SHARE: Final = 0.25


def finished(
    face: Photo,
    target: Photo,
    pair: AlignedPair,
    window: FaceWindow,
    mask: FloatArray,
    steps: Steps,
) -> Photo:
    """Brings a new face to the target's colours, sharpness and grain.

    Args:
        face: (height, width, 3) RGB uint8, the new face in the window's pixels.
        target: (height, width, 3) RGB uint8, the target photo there.
        pair: source and target.
        window: where the face is composed.
        mask: (height, width) float32 in [0, 1], how much of the new face will be seen.
        steps: what is done.

    Returns:
        (height, width, 3) RGB uint8.
    """
    view, unit = pair.target, pair.target.unit(window)
    face = view.tone.lowered(face)
    skin = window.opacity(pair.bare(view.whole_skin))
    if steps.skin_chroma and view.tone.curve is None:
        bare = window.opacity(pair.bare(view.bare_face))
        face = match_skin_chroma(face, target, bare, mask, unit, CHROMA_SHARE)
    if steps.sharpness or steps.grain:
        features = window.opacity(pair.bare(view.features))
        origin = (window.region.top, window.region.left)
        face = match_texture(
            face, target, skin * mask, features, mask, unit,
            sharpness=steps.sharpness, grain=steps.grain, origin=origin,
        )  # fmt: skip
    if view.strands is not None:  # as sharp as they are in the photo
        face = draw_strands(
            face,
            target,
            window.frame.placed(view.strands.skin),
            window.opacity(view.strands.opacity),
        )
    return face if view.tone.curve is None else view.tone.curve(face)
