"""How boxes fit their images, at every threshold."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.datasets.label_fit import LabelFit, overlaps_image
from pipeline.data.records import Sample
from pipeline.data.schemas import LEVELS, SAMPLES

FORMS = {"corners": "CORNERS", "centre": "CENTRE", "relative": "RELATIVE"}
Box = Sequence[float]


def fitted(*boxes: Box, width: int = 400, height: int = 300, tables: int = 1) -> LabelFit:
    """Boxes x, y, width, height of one image per table, all of which count."""
    fit = LabelFit()
    for number, part in enumerate(np.array_split(np.array(boxes, np.float32).reshape(-1, 4), tables)):
        corners = np.concatenate([part[:, :2], part[:, :2] + part[:, 2:]], axis=1)
        levels = {level: np.ones(len(part), bool) for level in LEVELS}
        sample = Sample(f"{number}.jpg", "", "", width, height, corners, levels=levels)
        fit.add(pa.Table.from_pylist([sample.to_row()], SAMPLES))
    return fit


def test_what_can_be_found_has_an_area_and_shares_some_with_its_image() -> None:
    rows = [
        ([0, 0, 1, 1], True), ([5, 5, 5, 9], False), ([5, 5, 9, 5], False), ([9, 5, 5, 9], False),
        ([-9, 5, 0, 9], False), ([-9, 5, 1, 9], True), ([5, -9, 9, 0], False), ([5, -9, 9, 1], True),
        ([80, 5, 99, 9], False), ([79, 5, 99, 9], True), ([5, 60, 9, 99], False), ([5, 59, 9, 99], True),
    ]  # fmt: skip
    boxes = np.array([box for box, _ in rows], np.float64)
    assert overlaps_image(boxes, 80, 60).tolist() == [inside for _, inside in rows]
    assert overlaps_image(boxes, 0, 0).tolist() == [True, False, False, False] + [True] * 8  # of an unread image


@pytest.mark.parametrize(
    ("box", "out"),
    [
        ([0, 0, 408, 50], 0), ([0, 0, 409, 50], 1), ([0, 0, 50, 306], 0), ([0, 0, 50, 307], 1),
        ([-8, 0, 50, 50], 0), ([-9, 0, 50, 50], 1), ([0, -6, 50, 50], 0), ([0, -7, 50, 50], 1),
    ],
)  # fmt: skip
def test_a_little_may_reach_out(box: Box, out: int) -> None:
    assert (fitted(box).out, fitted(box).outside) == (out, 0)


@pytest.mark.parametrize(("right", "out"), [(42, 0), (42.5, 1)])
def test_of_a_small_image_two_pixels_may(right: float, out: int) -> None:
    assert fitted([0, 0, right, 20], width=40, height=30).out == out


def test_counts_add_up_over_tables_and_the_first_of_a_kind_is_shown() -> None:
    boxes = [[0, 0, 9, 60], [5, 5, 0, 9], [5, 5, 9, -1], [400, 5, 9, 9], [5, -20, 9, 9], [390, 5, 40, 40]]
    for tables in (1, 2, 6):
        fit = fitted(*boxes, tables=tables)
        assert (fit.faces, fit.images, fit.flat, fit.outside, fit.out) == (6, tables, 2, 2, 3)
        assert fit.counted == {"easy": 6, "medium": 6, "hard": 6}
        assert fit.first["flat"].startswith("[5, 5, 0, 9] in ")
        assert fit.first["outside"].startswith("[400, 5, 9, 9] in ")
    unreadable = Sample("x.jpg", "", "", 0, 0, np.ones((3, 4), np.float32), error="gone")
    fit.add(pa.Table.from_pylist([unreadable.to_row()], SAMPLES))
    assert fit.faces == 6


FITS = [10, 10, 20, 20]  # however it is read
OUT = [300, 200, 390, 290]  # fits as corners


@pytest.mark.parametrize(
    ("boxes", "says"),
    [
        ([OUT] + [[10, 10, 20, 20]] * 9, "CORNERS"),
        ([OUT] + [[10, 10, 20, 20]] * 10, None),
        ([OUT] * 20 + [FITS] * 79 + [[50, 50, 20, 20]], "CORNERS"),
        ([OUT] * 20 + [FITS] * 78 + [[50, 50, 20, 20]] * 2, None),
        ([[395, 100, 40, 40]] * 2 + [[50, 50, 20, 20]] * 98, None),  # out as a centre too
        ([[380, 100, 40, 40]] * 2 + [[50, 50, 20, 20]] * 98, "CENTRE"),
        ([[380, 100, 40, 40]] * 1 + [[50, 50, 20, 20]] * 49, None),
        ([[380, 100, 40, 40]] * 2 + [[50, 50, 20, 20]] * 99, None),
        ([[380, 100, 40, 40]] * 2 + [[50, 50, 20, 20]] * 97 + [[0, 0, 90, 90]], "CENTRE"),
        ([[380, 100, 40, 40]] * 2 + [[50, 50, 20, 20]] * 96 + [[0, 0, 90, 90]] * 2, None),
        ([[395, 5, 90, 90]] * 1 + [[0, 0, 90, 90]] * 3, None),
        ([[395, 5, 90, 90]] * 2 + [[0, 0, 90, 90]] * 3, "images of another size"),
        ([[0, 0, 1, 1], [0.5, 0.5, 0.2, 0.2]], "RELATIVE"),
        ([[-0.01, 0, 1.03, 1], [0.5, 0.5, 0.2, 0.2]], "RELATIVE"),
        ([[0, 0, 1, 1], [0.5, 0.5, 0.2, 1.2]], None),
        ([OUT] * 20 + [FITS] * 78 + [[0, 0, 0, 0]] * 2, "CORNERS"),  # rows without a face belong to no form
        ([], None),
    ],
)
def test_the_form_of_boxes_is_recognised(boxes: list[Box], says: str | None) -> None:
    doubt = fitted(*boxes).contradiction(FORMS)
    assert (doubt is None) == (says is None), doubt
    assert says is None or says in str(doubt)
    if says == "RELATIVE":
        assert "all 2 boxes have numbers between 0 and 1" in str(doubt)
    elif doubt:
        assert f"of {len(boxes)} boxes reach out of their image, such as " in doubt


def test_a_far_half_without_any_of_many_faces_is_odd() -> None:
    near = [[10, 10, 190, 140]]
    assert len(fitted(*near * 20).remarks(True)) == 2 and len(fitted(*near * 19).remarks(True)) == 1
    assert len(fitted(*near * 19, [10, 10, 200, 140]).remarks(True)) == 1


def test_many_boxes_without_an_area_are_a_contradiction() -> None:
    flat, good = [390, 290, -20, -20], [10, 10, 20, 20]
    doubt = str(fitted(*[flat] * 3, *[good] * 3).contradiction(FORMS))
    assert "3 of 6 boxes have no area, such as [390, 290, -20, -20] in " in doubt
    assert fitted(flat, good).contradiction(FORMS) is None
    assert fitted(*[flat] * 2, *[good] * 6).contradiction(FORMS) is None
    assert "are they of another form?" in doubt
    # x y w h of 50, 60, 20, 30 taken as corners:
    as_corners = str(fitted(*[[50, 60, 20 - 50, 30 - 60]] * 4).contradiction(FORMS))
    assert as_corners.endswith("; they fit as x, y, width, height: name them so")


def test_a_few_boxes_that_would_fit_as_centres_are_a_remark() -> None:
    centres = [[380, 100, 40, 40]] * 2 + [[50, 50, 20, 20]] * 200
    assert any("2 boxes reach out" in line and "centres" in line for line in fitted(*centres).remarks(True))
    for other in ([0, 0, 90, 90], [395, 100, 40, 40]):
        assert not any("centres" in line for line in fitted(*centres, other).remarks(True))
