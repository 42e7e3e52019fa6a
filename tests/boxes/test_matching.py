"""Matching of many boxes: in rounds of bounded memory, in any order, with ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.boxes import matching
from pipeline.boxes.iou import iou_matrix
from pipeline.boxes.matching import first_hits, match_faces


def nearest_faces(boxes: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns each box's face of highest IoU in one image (the first of equal ones, -1 for none), and that IoU."""
    if not len(faces):
        return np.full(len(boxes), -1), np.zeros(len(boxes))
    iou = iou_matrix(boxes, faces, pixel_inclusive=True)
    best = iou.max(axis=1)
    return np.where(best > 0, iou.argmax(axis=1), -1), best


@pytest.mark.parametrize(("boxes", "faces"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_match(boxes: int, faces: int) -> None:
    box, face = np.ones((boxes, 4)), np.ones((faces, 4))
    assert match_faces(box, np.zeros(boxes, int), face, np.zeros(faces, int)).tolist() == [-1] * boxes


@pytest.mark.parametrize("iou", [0.0, -1.0, 1.5])
def test_threshold_out_of_range(iou: float) -> None:
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        match_faces(np.zeros((1, 4)), np.zeros(1, int), np.zeros((1, 4)), np.zeros(1, int), iou)


@pytest.mark.parametrize("iou", [0.05, 0.3, 0.5, 0.75])
@pytest.mark.parametrize("large", ["box", "face", "neither"])
@pytest.mark.parametrize("end", ["left", "right"])
def test_partners_as_far_apart_as_the_threshold_allows_are_found(iou: float, large: str, end: str) -> None:
    """A share `iou` of one at an end of the other, or two alike that share so much: centres can be no farther apart."""
    side = np.exp(np.random.default_rng(4).uniform(3, 8, 200))
    share = iou * (1 + 1e-6)
    move = side * (1 - share) / (1 + share) if large == "neither" else side * (1 - share)
    length = side if large == "neither" else side * share
    low = (move if end == "right" else -move if large == "neither" else 0) + np.zeros(200)
    flat = np.zeros(200)
    # A side counts one pixel more than its corners differ.
    one, other = (np.stack([x, flat, x + w - 1, flat + 29], 1) for x, w in ((flat, side), (low, length)))
    boxes, faces = (one, other) if large != "face" else (other, one)
    image = np.arange(200)
    assert (match_faces(boxes, image, faces, image, iou) == image).all()
    assert (match_faces(boxes, image, faces, image, min(1, iou * 1.001)) == -1).all()


def _random_images(seed: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 5)
    face_image = rng.integers(0, images, rng.integers(0, 30))
    box_image = rng.integers(0, images, rng.integers(0, 60))
    faces, boxes = (np.round(rng.uniform(0, spread, (len(rows), 4))) for rows in (face_image, box_image))
    faces[:, 2:] = faces[:, :2] + rng.integers(-2, 14, (len(faces), 2))
    boxes[:, 2:] = boxes[:, :2] + rng.integers(-2, 14, (len(boxes), 2))
    boxes[rng.random(len(boxes)) < 0.05] += 1e7  # far outside: must not reach into another image
    return boxes, box_image, faces, face_image


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([6.0, 40.0]), st.sampled_from([0.05, 0.3, 0.5, 0.75, 1.0]))
def test_many_images_at_once_equal_one_by_one(seed: int, spread: float, iou: float) -> None:
    boxes, box_image, faces, face_image = _random_images(seed, spread)
    expected = np.full(len(boxes), -1)
    for image in np.unique(box_image):
        mine, theirs = np.flatnonzero(box_image == image), np.flatnonzero(face_image == image)
        face, best = nearest_faces(boxes[mine], faces[theirs])
        for row, place, value in zip(mine, face, best, strict=True):
            if value >= iou:
                expected[row] = theirs[place]
    assert match_faces(boxes, box_image, faces, face_image, iou).tolist() == expected.tolist()


def test_pairs_in_rounds_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [_random_images(seed, 6.0) for seed in range(20)]
    at_once = [match_faces(*case, 0.3) for case in cases]
    assert sum((face >= 0).sum() for face in at_once) > 50
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", 5)
    for case, expected in zip(cases, at_once, strict=True):
        assert match_faces(*case, 0.3).tolist() == expected.tolist()


def test_only_the_first_row_of_a_face_is_its_hit() -> None:
    hits = first_hits(np.array([2, -1, 0, 2, 0, -1]), 3)
    assert hits.tolist() == [True, False, True, False, False, False]
    assert first_hits(np.zeros(0, np.int64), 3).tolist() == []


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


def test_a_hit_is_the_first_row_and_no_face_is_none() -> None:
    assert first_hits(np.array([-1, -1]), 0).tolist() == [False, False]
    assert first_hits(np.array([0, 0, 1]), 2).tolist() == [True, False, True]


def test_boxes_without_area_match_nothing_not_even_themselves() -> None:
    boxes = np.array([[0.0, 0, 9, -1], [0.0, 0, -1, 9]])  # inclusive pixels: no rows, no columns
    assert match_faces(boxes, np.zeros(2, int), boxes, np.zeros(2, int), 0.1).tolist() == [-1, -1]
