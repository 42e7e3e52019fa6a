"""Matching of many boxes: in rounds of bounded memory, in any order, with ties."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.boxes import matching
from pipeline.boxes.matching import best_faces, first_hits, match_faces


def test_no_round_holds_more_pairs_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    plain = matching._keep_best

    def counted(face_N: np.ndarray, boxes: np.ndarray, faces: np.ndarray, box_P: np.ndarray, *rest: object) -> None:
        sizes.append(len(box_P))
        plain(face_N, boxes, faces, box_P, *rest)

    monkeypatch.setattr(matching, "_keep_best", counted)
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", 7)
    boxes, faces = np.tile([0.0, 0, 9, 9], (10, 1)), np.tile([0.0, 0, 9, 9], (3, 1))
    assert match_faces(boxes, np.zeros(10, int), faces, np.zeros(3, int)).tolist() == [0] * 10
    assert sizes == [6] * 5
    sizes.clear()
    # More faces than a round may hold still go together: each box needs all of its own.
    many = np.tile([0.0, 0, 9, 9], (8, 1))
    assert match_faces(boxes, np.zeros(10, int), many, np.zeros(8, int)).tolist() == [0] * 10
    assert sizes == [8] * 10


def test_an_overlap_of_exactly_the_threshold_matches() -> None:
    boxes, faces = np.array([[0.0, 0, 9, 4]]), np.array([[0.0, 0, 9, 9]])
    one = np.zeros(1, int)
    assert match_faces(boxes, one, faces, one, 0.5).tolist() == [0]
    assert match_faces(boxes, one, faces, one).tolist() == [0]
    assert match_faces(boxes, one, faces, one, np.nextafter(0.5, 1)).tolist() == [-1]


def test_the_first_of_equal_faces_in_any_order_of_images() -> None:
    face = [0.0, 0, 9, 9]
    faces = np.array([face, [100.0, 0, 109, 9], face, face])
    found = match_faces(np.array([face, face]), np.array([1, 0]), faces, np.array([1, 0, 0, 1]))
    assert found.tolist() == [0, 2]


def test_a_wide_face_is_found_from_its_end() -> None:
    # The farthest centres that still reach the threshold: a box of half the width at the very end.
    faces = np.array([[0.0, 0, 99, 9]])
    boxes = np.array([[0.0, 0, 49, 9], [50, 0, 99, 9], [49, 0, 97, 9]])
    assert match_faces(boxes, np.zeros(3, int), faces, np.zeros(1, int), 0.5).tolist() == [0, 0, -1]
    assert match_faces(faces, np.zeros(1, int), boxes[1:2], np.zeros(1, int), 0.5).tolist() == [0]
    assert match_faces(boxes[:1], np.zeros(1, int), faces, np.zeros(1, int), 0.25).tolist() == [0]


def test_numbers_of_boxes_are_reckoned_in_double() -> None:
    # In float32 the two overlaps are equal, and the first face would be taken.
    boxes = np.array([[0, 0, 9999, 9999]], np.float64)
    faces = np.array([[0, 0, 9999, 9998.9999], [0, 0, 9999, 9998.99995]])
    assert match_faces(boxes, np.zeros(1, int), faces, np.zeros(2, int)).tolist() == [1]
    assert best_faces(boxes, faces)[0].tolist() == [1]


def test_a_hit_is_the_first_row_and_no_face_is_none() -> None:
    assert first_hits(np.array([-1, -1]), 0).tolist() == [False, False]
    assert first_hits(np.array([0, 0, 1]), 2).tolist() == [True, False, True]


def test_boxes_without_area_match_nothing_not_even_themselves() -> None:
    boxes = np.array([[0.0, 0, 9, -1], [0.0, 0, -1, 9]])  # inclusive pixels: no rows, no columns
    assert match_faces(boxes, np.zeros(2, int), boxes, np.zeros(2, int), 0.1).tolist() == [-1, -1]
