"""Probabilities of what happens in the samples of the fusion networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class SwapOdds:
    """Probabilities in a sample.

    Attributes:
        unpaired: another person's face on the target.
        relit_target: the target's light is changed.
        lamp_on_target, lamp_on_source: a synthetic lamp lights the face.
        detected: a covering counts as detected, as at serving; the network must find the others.
        uncorrupted: a paired target is the truth: the network must not change a good face.
        keeps_light: a corrupted target keeps T's light.
        in_parts: a corrupted target has the other face in parts only, as of a failed swap.
        glasses_on_target: glasses are drawn on the target, to be kept.
        object_on_target: something is put over the target, to be kept.
        glasses_on_source: glasses are drawn on the source, not to be transferred.
        object_on_source: something is put over the source, not to be transferred.
        object_from_face: it is another face's hair, hat or beard, where one is found.
        mirrored: the view is mirrored.
    """

    unpaired: float = 0.5
    relit_target: float = 0.4
    lamp_on_target: float = 0.4
    lamp_on_source: float = 0.4
    detected: float = 0.8
    uncorrupted: float = 0.05
    keeps_light: float = 0.9
    in_parts: float = 0.35
    glasses_on_target: float = 0.25
    object_on_target: float = 0.3
    glasses_on_source: float = 0.18
    object_on_source: float = 0.22
    object_from_face: float = 0.6
    mirrored: float = 0.5


DEFAULT_ODDS: Final = SwapOdds()
