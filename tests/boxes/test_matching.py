from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.boxes import matching
from pipeline.boxes.matching import best_faces, first_hits, match_faces


def test_best_face_is_the_first_of_equal_ones_and_none_where_nothing_overlaps() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 11], [500, 500, 510, 510]], np.float32)
    faces = np.array([[0, 0, 10, 10], [0, 0, 10, 11], [0, 0, 10, 10]], np.float32)
    face, iou = best_faces(boxes, faces)
    assert face.tolist() == [0, 1, -1]
    assert iou.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(("boxes", "faces"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_match(boxes: int, faces: int) -> None:
    box, face = np.ones((boxes, 4)), np.ones((faces, 4))
    found = best_faces(box, face)
    assert found[0].tolist() == [-1] * boxes
    assert found[1].tolist() == [0.0] * boxes
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


def _scene(seed: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
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
    boxes, box_image, faces, face_image = _scene(seed, spread)
    expected = np.full(len(boxes), -1)
    for image in np.unique(box_image):
        mine, theirs = np.flatnonzero(box_image == image), np.flatnonzero(face_image == image)
        face, best = best_faces(boxes[mine], faces[theirs])
        for row, place, value in zip(mine, face, best, strict=True):
            if value >= iou:
                expected[row] = theirs[place]
    assert match_faces(boxes, box_image, faces, face_image, iou).tolist() == expected.tolist()


def test_pairs_in_rounds_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = [_scene(seed, 6.0) for seed in range(20)]
    whole = [match_faces(*scene, 0.3) for scene in scenes]
    best = [best_faces(scene[0], scene[2])[0] for scene in scenes]
    assert sum((face >= 0).sum() for face in whole) > 50
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", 5)
    for scene, expected, nearest in zip(scenes, whole, best, strict=True):
        assert match_faces(*scene, 0.3).tolist() == expected.tolist()
        assert best_faces(scene[0], scene[2])[0].tolist() == nearest.tolist()


def test_only_the_first_row_of_a_face_is_its_hit() -> None:
    hits = first_hits(np.array([2, -1, 0, 2, 0, -1]), 3)
    assert hits.tolist() == [True, False, True, False, False, False]
    assert first_hits(np.zeros(0, np.int64), 3).tolist() == []
