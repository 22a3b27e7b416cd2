"""The steps of the warp and of composing: each can be switched off, and each does something."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from facefusion import FusionPipeline
from facefusion.pipeline.steps import Steps

#: What the photos have to be like for a step to do something; the others do on any.
SPECIAL = {"monochrome": "grey", "exposure": "dark"}


def test_all_steps_are_done_unless_told_otherwise() -> None:
    assert Steps.names()[:2] == ("triangles", "single_sampling") and len(set(Steps.names())) == len(
        Steps.names()
    )
    assert all(getattr(Steps(), name) for name in Steps.names())
    assert Steps().without() == Steps()


@pytest.mark.parametrize("name", Steps.names())
def test_one_step_is_switched_off_by_its_name(name: str) -> None:
    off = Steps().without(name)
    assert [each for each in Steps.names() if not getattr(off, each)] == [name]
    assert off.without(name) == off == Steps(**{name: False})


def test_several_are_switched_off_in_any_order() -> None:
    first, second, *rest = Steps.names()
    assert Steps().without(first, second) == Steps().without(second).without(first)
    none = Steps().without(*Steps.names())
    assert (
        none
        == Steps().without(*rest).without(second, first)
        == Steps(**dict.fromkeys(Steps.names(), False))
    )


def test_a_step_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="no step named blending, warping"):
        Steps().without("warping", "triangles", "blending")


def photos(make_forehead: Any, kind: str) -> tuple[Any, Any]:
    """Source and target with their meshes and hair; the source is larger, has red lips and a
    fringe, the target strands and a red cheek."""
    photo, mesh, hair = make_forehead()
    cv2.fillPoly(photo, [np.rint(mesh[[61, 17, 291, 0], :2]).astype(np.int32)], (190, 70, 80))
    source = (
        np.repeat(np.repeat(photo, 2, axis=0), 2, axis=1)[:, :510].copy(),
        2 * mesh + 0.5,
        hair.copy(),
    )
    source[2][:30] = 1
    shown, mesh, hair = make_forehead((110, 50, 106, 84), (124, 50, 126, 82), skin=(170, 140, 120))
    y, x = np.mgrid[:256, :256][..., None]
    shown = shown + np.exp(-((x - 92) ** 2 + (y - 145) ** 2) / 200) * [16, -12, -8]  # a red cheek
    shown[:, :50] = (
        70,
        165,
        225,
    )  # as light as the skin and of another colour: this photo is not monochrome
    shown = np.clip(shown + np.random.default_rng(1).normal(0, 9, shown.shape), 0, 255)
    if kind == "grey":
        shown[:] = shown.mean(2, keepdims=True)
    if kind == "dark":
        shown *= 0.25
    mesh = mesh.copy()
    mesh[:, 0] += 3 * np.sin(mesh[:, 1] / 4)  # another face, bent within a few pixels
    return source, (shown.astype(np.uint8), mesh, hair)


@pytest.mark.parametrize("name", Steps.names())
def test_each_step_changes_the_result(
    fakes: Any, pipe: FusionPipeline, make_forehead: Any, name: str
) -> None:
    both = photos(make_forehead, SPECIAL.get(name, "plain"))
    for photo, mesh, hair in both:
        fakes.faces[photo.shape[:2]], fakes.hair[photo.shape[:2]] = mesh, hair
    source, target = both[0][0], both[1][0]
    made = {}
    for steps in (Steps(), Steps().without(name)):
        made[steps] = result = pipe.with_steps(steps)(source, target, tier="best")
        np.testing.assert_array_equal(result.image[result.mask == 0], target[result.mask == 0])
    on, off = made.values()
    apart = np.abs(on.image.astype(int) - off.image).max(2)
    assert np.count_nonzero(apart > 3) > 40
