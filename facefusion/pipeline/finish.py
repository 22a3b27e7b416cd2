"""Matches a new face to its photo before blending: skin chroma, sharpness, grain and strands."""

from __future__ import annotations

from typing import Final

from facefusion.compose.chroma import match_skin_chroma
from facefusion.compose.fringe import draw_strands
from facefusion.compose.texture import match_texture
from facefusion.compose.window import FaceWindow
from facefusion.pipeline.alignment import AlignedPair
from facefusion.pipeline.steps import Steps
from facefusion.types import FloatArray, Photo

#: Share of the skin's chroma difference that is corrected; a larger one removes more stains, but
#: also the source's likeness.
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
        target: (height, width, 3) RGB uint8, the target photo in the window.
        pair: source and target.
        window: window in which the face is composed.
        mask: (height, width) float32 in [0, 1], opacity of the new face.
        steps: steps to run.

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
    if view.strands is not None:  # after the texture, to keep the photo's sharpness
        face = draw_strands(
            face,
            target,
            window.frame.placed(view.strands.skin),
            window.opacity(view.strands.opacity),
        )
    return face if view.tone.curve is None else view.tone.curve(face)
