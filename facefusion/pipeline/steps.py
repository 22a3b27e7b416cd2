"""Switches single steps of warping and composing off, to measure what each of them gains."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Steps:
    """Switches of warping and composing, all on by default; the page does not offer them.

    Attributes:
        triangles: warp by the mesh's triangles with depth; off, by the thin-plate spline alone.
        single_sampling: sample the source photo once, at the resolution of the result; off, through
            an aligned crop.
        sharpness: give the new face the target's band energies.
        grain: add noise of the target's kind where the new face lacks it.
        hairline: cover the source's strands with skin, and keep the target's skin around the
            source's hair where the target is bare.
        strands: draw single strands of the target's hair over the new face.
        monochrome: bring the new face to the colour curve of a grey, sepia or duotone target.
        lips: correct the source's lips by a gain instead of the skin's gamma.
        exposure: map a dark or coloured target to ordinary light for the networks.
        skin_chroma: move the low frequencies of the skin's chroma towards the target's, and those of
            its lightness where the source is far darker.
    """

    triangles: bool = True
    single_sampling: bool = True
    sharpness: bool = True
    grain: bool = True
    hairline: bool = True
    strands: bool = True
    monochrome: bool = True
    lips: bool = True
    exposure: bool = True
    skin_chroma: bool = True

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Returns the names of all steps, in the order of the attributes."""
        return tuple(field.name for field in fields(cls))

    def without(self, *names: str) -> Steps:
        """Returns the steps with the named ones switched off.

        Raises:
            ValueError: unknown name.
        """
        unknown = set(names) - set(self.names())
        if unknown:
            raise ValueError(f"there is no step named {', '.join(sorted(unknown))}")
        return replace(self, **dict.fromkeys(names, False))
