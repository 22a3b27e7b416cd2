"""Lists what a new face keeps of the photo's own, for the person who looks at it."""

from __future__ import annotations

from typing import Final

from facefusion.perception.coverings import Coverings
from facefusion.perception.in_front import stays_closed
from facefusion.types import Kept

#: Least share of the face with its forehead that hair hides to be told: a fringe hides 0.28 and more,
#: hair beside the face up to 0.15.
LEAST_HAIR: Final = 0.2


def kept(source: Coverings, target: Coverings) -> tuple[Kept, ...]:
    """Lists what stays of the target's face.

    Args:
        source, target: coverings of both faces.
    """
    hidden = target.hidden
    found = {
        Kept.BEARD: target.kept_beard(source_bearded=source.beard is not None) is not None,
        Kept.LIPS: stays_closed(source.mouth, target.mouth),
        Kept.LIDS: target.lids is not None,
        Kept.EYES: target.shows_eyes and not source.gives_eyes,
        Kept.GLASSES: target.glasses is not None,
        Kept.HAIR: target.hair_in_front is not None and hidden.hair > LEAST_HAIR,
        Kept.THINGS: target.things is not None,
    }
    return tuple(each for each, applies in found.items() if applies)
