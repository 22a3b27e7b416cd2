"""Matches a new face to the photo before blending: skin chroma, sharpness, grain and strands."""

from __future__ import annotations

from typing import Final

from facefusion.compose.chroma import match_skin_chroma
from facefusion.compose.fringe import draw_strands
from facefusion.compose.texture import match_texture
from facefusion.compose.window import FaceWindow
from facefusion.pipeline.alignment import AlignedPair
from facefusion.pipeline.steps import Steps
from facefusion.types import Mask, Photo

#: Corrected share of a small difference in the skin's chroma; a larger one removes more patches, but
#: also the source's complexion.
CHROMA_SHARE: Final = 0.4
#: Corrected share of the difference in the skin's lightness where the target's is far lighter;
#: elsewhere it is the person's own shape.
LIGHT_SHARE: Final = 0.8


def match_photo(
    face: Photo,
    photo: Photo,
    pair: AlignedPair,
    window: FaceWindow,
    mask: Mask,
    steps: Steps,
) -> Photo:
    """Brings a new face to the photo's colours, sharpness and grain.

    Args:
        face: (height, width, 3) RGB uint8, the new face in the window's pixels.
        photo: (height, width, 3) RGB uint8, the target photo in the window.
        pair: source and target.
        window: window in which the face is composed.
        mask: (height, width) float32 in [0, 1], opacity of the new face.
        steps: steps to run.

    Returns:
        (height, width, 3) RGB uint8.
    """
    target, unit = pair.target, pair.target.unit(window)
    face = target.tone.lowered(face)
    if steps.skin_chroma and target.tone.curve is None:
        skin = window.opacity(pair.changeable(target.areas.outline_skin))
        light = pair.warped_source.relight.lift * LIGHT_SHARE
        face = match_skin_chroma(face, photo, skin, mask, unit, CHROMA_SHARE, light)
    if steps.sharpness or steps.grain:
        skin = window.opacity(pair.changeable(target.areas.skin)) * mask
        features = window.opacity(pair.changeable(target.areas.features))
        face = match_texture(
            face, photo, skin, features, mask, unit,
            sharpness=steps.sharpness, grain=steps.grain, origin=window.origin,
        )  # fmt: skip
    strands = target.strands
    if strands is not None:  # after the texture, to keep the photo's sharpness
        bare_photo, opacity = window.frame.placed(strands.skin), window.opacity(strands.opacity)
        face = draw_strands(face, photo, bare_photo, opacity)
    return face if target.tone.curve is None else target.tone.curve(face)
