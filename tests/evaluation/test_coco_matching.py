from __future__ import annotations

import numpy as np

from pipeline.evaluation.coco_matching import match_image, outside

FACE = [0, 0, 100, 100]


def match(
    boxes: list[list[float]], faces: list[list[float]], crowd: list[bool], ignored: list[bool]
) -> tuple[list, list]:
    """Returns found and ignored of the whole range at an overlap of one half."""
    flags = np.tile(np.array(ignored, bool), (4, 1))
    found, dropped = match_image(
        np.array(boxes, float), np.array(faces, float).reshape(-1, 4), np.array(crowd, bool), flags
    )
    return found[0, 0].tolist(), dropped[0, 0].tolist()


def test_a_face_is_found_once() -> None:
    assert match([FACE, FACE], [FACE], [False], [False]) == ([True, False], [False, False])


def test_the_next_best_face_is_taken_where_the_best_is_gone() -> None:
    near = [0, 10, 100, 110]
    assert match([FACE, FACE], [FACE, near], [False, False], [False, False]) == ([True, True], [False, False])


def test_a_face_that_counts_is_preferred_to_a_better_one_that_is_ignored() -> None:
    near = [0, 10, 100, 110]
    assert match([FACE, FACE], [FACE, near], [False, False], [True, False]) == ([True, True], [False, True])


def test_a_crowd_takes_any_number_that_is_mostly_inside() -> None:
    inside = [[10, 10, 20, 20], [30, 30, 40, 40], [95, 95, 110, 110]]
    assert match(inside, [FACE], [True], [True]) == ([True, True, False], [True, True, False])


def test_an_ignored_face_takes_one() -> None:
    assert match([FACE, FACE], [FACE], [False], [True]) == ([True, False], [True, False])


def test_a_detection_of_another_area_without_a_face_is_ignored() -> None:
    found, ignored = match_image(
        np.array([[0, 0, 10, 10.0]]), np.zeros((0, 4)), np.zeros(0, bool), np.zeros((4, 0), bool)
    )
    assert not found.any()
    assert ignored[:, 0, 0].tolist() == [False, False, True, True]


def test_limits_of_the_ranges_belong_to_both() -> None:
    assert outside(np.array([1024.0]))[:, 0].tolist() == [False, False, False, True]
