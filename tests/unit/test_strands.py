"""Strands over a forehead are found; wrinkles, moles, gloss, brows and bare skin are not."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from facefusion.perception.strands import CROP_SIZE, Strands, find_strands, joined, without_strands

#: Lines from the hair down the forehead: x and y of both ends.
FRINGE = [(110, 50, 106, 84), (124, 50, 126, 82), (150, 50, 156, 80)]
#: Rows below the hair that a strand reaches.
ROWS = slice(62, 78)
BARE = (205, 160, 140)
#: First row below the edge of the hair, which is not told from strands.
HAIR_ENDS = 62


def middle(line: tuple[int, int, int, int]) -> tuple[int, int]:
    """Row and column in the middle of what hangs from the hair."""
    return 68, round(line[0] + (line[2] - line[0]) * (68 - line[1]) / (line[3] - line[1]))


@pytest.mark.parametrize("width", [1, 3, 6])
def test_strands_are_found_where_they_hang(make_forehead: Any, width: int) -> None:
    photo, mesh, hair = make_forehead(*FRINGE, width=width)
    found = find_strands(photo, mesh, hair)
    assert found.shape == (256, 256) and found.dtype == np.uint8 and set(np.unique(found)) == {0, 1}
    assert all(found[middle(line)] for line in FRINGE)
    assert 0.5 * 3 * width < found[ROWS].sum(1).mean() < 3 * (width + 7)
    assert not found[95:].any() and not found[:, :90].any() and not found[:, 175:].any()


@pytest.mark.parametrize(
    ("lines", "drawing"),
    [
        ([], {}),
        (
            [(95, 76, 160, 76), (95, 84, 160, 85)],
            {"colour": (160, 120, 105), "width": 2},
        ),  # wrinkles
        ([(130, 66, 130, 66)], {"width": 5}),  # a mole beside the hair
        ([(110, 66, 150, 66)], {"colour": (255, 237, 227), "width": 12}),  # gloss
        ([(110, 75, 108, 86), (124, 75, 126, 86)], {}),  # begins nowhere near the hair
        ([(110, 50, 106, 84)], {"colour": (190, 148, 130)}),  # hardly darker than skin
        (
            [(110, 63, 106, 84)],
            {"colour": (172, 134, 118)},
        ),  # a crease: too light for a strand that is not part of the hair
    ],
)
def test_what_is_no_strand(
    make_forehead: Any, lines: list[tuple[int, ...]], drawing: dict[str, Any]
) -> None:
    photo, mesh, hair = make_forehead(*lines, **drawing)
    assert not find_strands(photo, mesh, hair)[HAIR_ENDS:].any()


def test_a_face_without_hair_has_no_strands(make_forehead: Any) -> None:
    photo, mesh, hair = make_forehead(*FRINGE)
    assert not find_strands(photo, mesh, 0 * hair).any()


@pytest.mark.parametrize("colour", [(40, 70, 160), (200, 30, 40), (30, 30, 34)])
def test_the_edge_of_a_hat_that_the_hair_map_misses_is_found(
    make_forehead: Any, colour: tuple[int, int, int]
) -> None:
    photo, mesh, hair = make_forehead(hair=colour)
    photo[:70, 100:160] = (
        colour  # 14 rows further down than the map says, and much wider than a strand
    )
    found = find_strands(photo, mesh, hair)
    assert found[58:68, 104:156].mean() > 0.95 and not found[76:].any()
    assert (
        found[58:68, 104:156].sum()
        > 1.5 * find_strands(photo, mesh, hair, wide=False)[58:68, 104:156].sum()
    )


@pytest.mark.parametrize("skin", [(235, 205, 190), (205, 160, 140), (120, 80, 60)])
def test_strands_are_found_on_any_skin(make_forehead: Any, skin: tuple[int, int, int]) -> None:
    photo, mesh, hair = make_forehead(*FRINGE, colour=(30, 22, 18), hair=(30, 22, 18), skin=skin)
    found = find_strands(photo, mesh, hair)
    assert all(found[middle(line)] for line in FRINGE) and not found[95:].any()


def test_what_is_dark_and_thin_is_filled_with_what_is_around_it(make_forehead: Any) -> None:
    photo, bare = make_forehead(*FRINGE)[0], make_forehead()[0]
    filled = without_strands(photo)
    assert filled.shape == photo.shape
    assert (
        np.abs(filled[ROWS].astype(int) - bare[ROWS]).max()
        < 20
        < np.abs(photo[ROWS].astype(int) - bare[ROWS]).max()
    )
    assert without_strands(photo[..., 0]).shape == (CROP_SIZE, CROP_SIZE)


def test_single_strands_are_kept_with_the_skin_beneath_them(make_forehead: Any) -> None:
    photo, mesh, hair = make_forehead(*FRINGE)
    strands = Strands.of(photo, mesh, hair)
    assert strands is not None and strands.nbytes == 4 * 4 * 256**2
    assert strands.opacity.shape == (256, 256) and strands.opacity.max() <= 1 + 1e-6
    for line in FRINGE:
        row, column = middle(line)
        assert (
            strands.opacity[row, column] > 0.9
            and np.abs(strands.skin[row, column] - BARE).max() < 20
        )
    assert strands.opacity[100:].max() < 1e-3
    assert Strands.of(photo, mesh, 0 * hair) is None


def test_strands_side_by_side_are_a_fringe_and_single_ones_are_not() -> None:
    strands = np.zeros((256, 256), np.uint8)
    strands[40:80, 60:120:5] = strands[40:80, 61:121:5] = strands[40:80, 180:183] = 1
    fringe = joined(strands)
    assert fringe.shape == (256, 256) and fringe.dtype == np.float32
    assert fringe[50:70, 66:114].min() > 0.95
    assert fringe[:, 170:].max() < 1e-3 and not fringe[100:].any()


def test_brows_are_not_taken_for_strands(make_forehead: Any, make_mesh: Any) -> None:
    photo, mesh, hair = make_forehead()
    for brow in (
        [70, 63, 105, 66, 107, 55, 65, 52, 53, 46],
        [300, 293, 334, 296, 336, 285, 295, 282, 283, 276],
    ):
        cv2.fillPoly(photo, [np.rint(mesh[brow, :2]).astype(np.int32)], (50, 35, 30))
    low = hair.copy()
    low[:32] = 1  # hair down to the brows
    assert not find_strands(photo, mesh, low)[80:].any()
