"""The page's form as one object, read from the values that Gradio passes by component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facefusion.page.layout import CONSENTS, Layout
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
        faces: numbers from 1, from left to right, of the target faces that the first person
            replaces; not needed for a single face.
        other, other_faces: optional second person, and the target faces that they replace.
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
    faces: Sequence[int]
    other: Raw | None
    other_faces: Sequence[int]
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
    def photos(self) -> tuple[Raw | None, ...]:
        """All photos, of both persons and the target."""
        return (*self.sources, self.target, self.other)

    def may_be_fused(self, photos: Photos) -> bool:
        """Whether the visitor consented, or all photos are examples, whose people do not exist."""
        return self.has_consent or photos.are_examples(self.photos)

    @property
    def has_consent(self) -> bool:
        """Whether every check box is ticked."""
        return set(self.consent) == set(CONSENTS)


def components(layout: Layout) -> dict[str, Any]:
    """Returns the component of each field of `Form`.

    As a set they are the `inputs` of a listener. Gradio orders a set by the creation of its
    components, so that the order in a request is the same in every process.
    """
    photos, settings, session = layout.photos, layout.settings, layout.session
    return {
        **{field.name: field.photo for field in photos.all},
        "faces": photos.target.faces,
        "other_faces": photos.other.faces,
        "tier": settings.tier,
        "likeness": settings.likeness,
        "blend": settings.blend,
        "consent": settings.consent,
        "consented": session.consented,
        "last": session.last,
    }
