from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluation.fddb_overlap import overlaps


def drawn(ellipse: tuple[float, ...], box: tuple[float, ...], size: tuple[int, int]) -> float:
    """The overlap as FDDB's tool computes it: two masks of the image's size, counted."""
    major, minor, angle, x, y = ellipse
    width, height = size
    one, other = (np.zeros((height, width), np.uint8) for _ in range(2))
    centre = tuple(int(np.rint(np.float32(each))) for each in (x, y))
    cv2.ellipse(one, centre, (int(major), int(minor)), np.degrees(angle), 0, 360, 1, cv2.FILLED)
    corners = [int(np.rint(np.float32(each))) for each in box]
    cv2.rectangle(other, tuple(corners[:2]), tuple(corners[2:]), 1, cv2.FILLED)
    either = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / either if either else 0.0


side = st.floats(-30, 130, allow_nan=False, width=32)
length = st.floats(0, 80, allow_nan=False, width=32)
ellipse = st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(-1.6, 1.6), side, side)


@settings(max_examples=300, deadline=None)
@given(ellipse, st.tuples(side, side, length, length))
def test_equal_to_two_masks_of_the_whole_image(one: tuple[float, ...], xywh: tuple[float, ...]) -> None:
    box = (xywh[0], xywh[1], xywh[0] + xywh[2], xywh[1] + xywh[3])
    found = overlaps(np.array([one]), np.array([box]), (100, 90))[0, 0]
    assert found == pytest.approx(drawn(one, box, (100, 90)), abs=1e-12)


def test_the_area_is_that_of_an_ellipse_and_the_corners_are_part_of_a_rectangle() -> None:
    table = overlaps(np.array([[100, 60, 0.4, 300, 300.0]]), np.array([[0, 0, 999, 999.0]]))
    assert table[0, 0] == pytest.approx(np.pi * 100 * 60 / 1000**2, rel=0.02)


def test_the_angle_is_that_of_the_major_radius_downwards() -> None:
    ellipses = np.array([[40, 5, np.pi / 4, 100, 100.0]])
    along, across = overlaps(ellipses, np.array([[110, 110, 130, 130.0], [110, 70, 130, 90.0]]))[0]
    assert along > 0.05
    assert across == 0


def test_an_unknown_size_cuts_off_at_zero_only() -> None:
    ellipses = np.array([[20, 20, 0, 0, 0], [20, 20, 0, 5000, 5000.0]])
    table = overlaps(ellipses, np.array([[-50, -50, 20, 20], [4980, 4980, 5020, 5020.0]]))
    assert table[0, 0] == pytest.approx(np.pi / 4, abs=0.05)
    assert table[1, 1] == pytest.approx(np.pi / 4, abs=0.05)
    assert table[0, 1] == table[1, 0] == 0


@pytest.mark.parametrize(("faces", "boxes"), [(0, 2), (2, 0), (0, 0)])
def test_nothing(faces: int, boxes: int) -> None:
    assert overlaps(np.zeros((faces, 5)), np.zeros((boxes, 4))).shape == (faces, boxes)


def test_what_is_outside_the_image_has_no_overlap() -> None:
    assert overlaps(np.array([[10, 10, 0, 300, 50.0]]), np.array([[290, 40, 310, 60.0]]), (100, 100))[0, 0] == 0
