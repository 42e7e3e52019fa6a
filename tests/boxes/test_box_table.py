from __future__ import annotations

import numpy as np
import pytest

from pipeline.boxes.box_table import box_table

BOXES = np.array([[10, 20, 60, 40], [0, 0, 200, 100], [-20, 90, 20, 110]], np.float32)
SCORES = np.array([0.9, 0.5, 0.5], np.float32)


def test_numbers_by_hand() -> None:
    table, valid = box_table(BOXES, SCORES, 200, 100, 5)
    assert valid == 3
    assert table.dtype == np.float32
    expected = [[0.05, 0.2, 0.25, 0.2, 0.9], [0, 0, 1, 1, 0.5], [0, 0.9, 0.1, 0.1, 0.5], [0] * 5, [0] * 5]
    np.testing.assert_allclose(table, np.array(expected, np.float32), atol=1e-7)


def test_a_box_outside_has_no_area_and_keeps_its_row() -> None:
    boxes = np.array([[250, 20, 300, 40], [10, -30, 20, -5]], np.float32)
    table, valid = box_table(boxes, SCORES[:2], 200, 100, 2)
    assert valid == 2
    np.testing.assert_allclose(table[:, :4], [[1, 0.2, 0, 0.2], [0.05, 0, 0.05, 0]], atol=1e-7)


def test_what_does_not_fit_is_left_out_from_the_end() -> None:
    table, valid = box_table(BOXES, SCORES, 200, 100, 2)
    assert (table.shape, valid) == ((2, 5), 2)
    np.testing.assert_array_equal(table, box_table(BOXES, SCORES, 200, 100, 3)[0][:2])


def test_equal_scores_keep_the_order_given() -> None:
    one = box_table(BOXES, SCORES, 200, 100, 3)[0]
    other = box_table(BOXES[[0, 2, 1]], SCORES, 200, 100, 3)[0]
    np.testing.assert_array_equal(one[[0, 2, 1]], other)


def test_no_candidate_gives_zeros() -> None:
    table, valid = box_table(BOXES[:0], SCORES[:0], 200, 100, 4)
    assert valid == 0
    assert not table.any()


@pytest.mark.parametrize(
    ("boxes", "scores", "size", "rows", "words"),
    [
        (BOXES, SCORES[::-1], (200, 100), 3, "row 2 has 0.8999999761581421 after 0.5"),
        (
            BOXES,
            np.array([0.9, np.nan, 0.1], np.float32),
            (200, 100),
            3,
            "1 of 3 candidates are not finite.*row 1.*nan",
        ),
        (np.where(BOXES == 110, np.inf, BOXES), SCORES, (200, 100), 3, "not finite.*row 2.*inf"),
        (BOXES, SCORES[:2], (200, 100), 3, r"boxes \(3, 4\) and scores \(2,\)"),
        (BOXES[:, :3], SCORES, (200, 100), 3, r"boxes \(3, 3\)"),
        (BOXES, SCORES, (0, 100), 3, "0 x 100 pixels"),
        (BOXES, SCORES, (200, 100), 0, "0 rows"),
    ],
)
def test_mistakes_are_named(
    boxes: np.ndarray, scores: np.ndarray, size: tuple[int, int], rows: int, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        box_table(boxes, scores, *size, rows)
