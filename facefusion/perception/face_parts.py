"""Names the parts of a face, and of what lies in front of it, that the face parser tells apart."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class FacePart(IntEnum):
    """Class of a pixel of an aligned crop; the value is its index in the parser's answer."""

    BACKGROUND = 0
    #: Visible skin of the face, ears and neck.
    SKIN = 1
    BROWS = 2
    #: Between the lids.
    EYES = 3
    LIPS = 4
    #: Between the lips: teeth, tongue, gap.
    MOUTH = 5
    #: Beard and moustache.
    BEARD = 6
    #: Hair of the head, also where it hangs over the face.
    HAIR = 7
    #: Frame of glasses.
    FRAME = 8
    #: Glass through which the eyes are not seen.
    DARK_GLASS = 9
    #: Hats, headcloths, scarves, masks, veils and clothes.
    CLOTH = 10
    HAND = 11
    #: Anything else in front of the face, other heads included.
    THING = 12


#: Number of classes.
PARTS: Final = len(FacePart)
#: Classes that belong to the face itself.
FACE: Final = (
    FacePart.SKIN,
    FacePart.BROWS,
    FacePart.EYES,
    FacePart.LIPS,
    FacePart.MOUTH,
    FacePart.BEARD,
)
#: Classes that lie in front of a face.
IN_FRONT: Final = (
    FacePart.HAIR,
    FacePart.FRAME,
    FacePart.DARK_GLASS,
    FacePart.CLOTH,
    FacePart.HAND,
    FacePart.THING,
)
