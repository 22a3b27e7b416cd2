"""The page's form as one object, read from the values that Gradio passes by component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facefusion.page.layout import CONSENTS, Layout
from facefusion.page.photo_fields import NOBODY, OTHERS, YOU
from facefusion.page.photos import Photos, Raw

#: Values by component, as a listener gets them whose `inputs` are a set.
Values = Mapping[Any, Any]


@dataclass(frozen=True)
class LastResult:
    """The last result of a session.

    Attributes:
        key: `Job.key` of the photos and settings.
        tiers: data URI of the face and seconds, by tier.
    """

    key: bytes
    tiers: dict[str, tuple[str, float]]


@dataclass(frozen=True)
class Form:
    """What a visitor has entered, and what the server keeps of the session.

    Attributes:
        source, source2, source3: photos of the first person; the first one is required.
        target: the target photo.
        assignment: who goes to each face of a target of several, see `read_assignment`.
        person2, person3, person4: photos of other people, for faces of such a target.
        tier: name of a tier.
        likeness, blend: options of the pipeline, in [0, 1].
        consent: names of the ticked check boxes.
        consented: content keys of the source photos that the visitor consented to before.
        last: the last result.
    """

    source: Raw | None
    source2: Raw | None
    source3: Raw | None
    target: Raw | None
    assignment: str | None
    person2: Raw | None
    person3: Raw | None
    person4: Raw | None
    tier: str
    likeness: float
    blend: float
    consent: Sequence[str]
    consented: frozenset[bytes]
    last: LastResult | None

    @classmethod
    def read(cls, values: Values, layout: Layout) -> Form:
        """Reads the values of the components of `layout`."""
        return cls(**{name: values[each] for name, each in components(layout).items()})

    @property
    def sources(self) -> tuple[Raw | None, ...]:
        """Photos of the first person."""
        return self.source, self.source2, self.source3

    @property
    def others(self) -> dict[int, Raw | None]:
        """Photos of the other people, by the number of the person."""
        return dict(zip(OTHERS, (self.person2, self.person3, self.person4), strict=True))

    @property
    def photos(self) -> tuple[Raw | None, ...]:
        """All photos, of all people and the target."""
        return (*self.sources, self.target, *self.others.values())

    def may_be_fused(self, photos: Photos) -> bool:
        """Whether the visitor consented, or all photos are examples, whose people do not exist."""
        return self.has_consent or photos.are_examples(self.photos)

    @property
    def has_consent(self) -> bool:
        """Whether every check box is ticked."""
        return set(self.consent) == set(CONSENTS)


def read_assignment(text: str | None, count: int) -> list[int]:
    """Reads who goes to each face of a target.

    Args:
        text: one digit for each face, in reading order: 0 for nobody, 1 for the first person, 2 to
            4 for the others. Not needed for a single face, which the first person gets.
        count: number of faces.

    Returns:
        A number for each face; nobody for all if the text does not fit them.
    """
    if count == 1:
        return [YOU]
    digits = list(text or "")
    known = {str(person) for person in (NOBODY, YOU, *OTHERS)}
    if len(digits) != count or not known.issuperset(digits):
        return [NOBODY] * count
    return [int(digit) for digit in digits]


def components(layout: Layout) -> dict[str, Any]:
    """Returns the component of each field of `Form`.

    As a set they are the `inputs` of a listener. Gradio orders a set by the creation of its
    components, so that the order in a request is the same in every process.
    """
    photos, settings, session = layout.photos, layout.settings, layout.session
    return {
        **{field.name: field.photo for field in photos.all},
        "assignment": photos.target.assignment,
        "tier": settings.tier,
        "likeness": settings.likeness,
        "blend": settings.blend,
        "consent": settings.consent,
        "consented": session.consented,
        "last": session.last,
    }
