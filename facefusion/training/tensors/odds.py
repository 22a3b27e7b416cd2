"""Probabilities and strengths of what happens in the samples of the fusion networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Odds:
    """Probabilities in a sample, unless another unit is named.

    The first half of a batch is paired: the target's own face is the source, and the truth. In the
    second half another person is.

    Attributes:
        open_mouth, beard, side_light: how much more often faces of a kind are targets, as shares.
        far_tone: a source is drawn by its difference in skin tone from the target.
        relit_target: the target's light is changed.
        lamp_on_target: a lamp lights the target.
        lamp_on_source, lamp_on_pair: a lamp lights the source of an unpaired, a paired sample.
        mottled: a paired source has the faults of a matched tone (`Light.mottle`).
        partly_matched: the source's tone and light are matched in part.
        least_match: least share of the difference that is matched then.
        detected: a covering counts as detected, as at serving; the network must find the others.
        uncorrupted: a paired target is the truth: the network must not change a good face.
        keeps_light: a corrupted target keeps the light of the truth.
        lit_swap: the face on a corrupted target is lit by the target's lamp.
        in_parts: a corrupted target has the other face in parts only, as of a failed swap.
        covering_on_target, covering_on_source: another face's hair, hat, glasses or beard, or a
            piece of an image, lies over the face: to be kept, not to be carried over.
        covering_of_face: it is another face's, not a piece of an image.
        cut_hair: strands are left on the source's forehead, as where hair was removed.
        mirrored: the view is mirrored.
    """

    open_mouth: float = 0.8
    beard: float = 0.8
    side_light: float = 0.8
    far_tone: float = 0.5
    relit_target: float = 0.4
    lamp_on_target: float = 0.4
    lamp_on_source: float = 0.12
    lamp_on_pair: float = 0.5
    mottled: float = 0.8
    partly_matched: float = 0.4
    least_match: float = 0.5
    detected: float = 0.85
    uncorrupted: float = 0.05
    keeps_light: float = 0.9
    lit_swap: float = 0.5
    in_parts: float = 0.35
    covering_on_target: float = 0.3
    covering_on_source: float = 0.22
    covering_of_face: float = 0.6
    cut_hair: float = 0.3
    mirrored: float = 0.5


DEFAULT_ODDS: Final = Odds()
