from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pipeline.boxes.agreement import FEATURES, Agreement, Scored


def scored(rng: np.random.Generator, count: int, around: np.ndarray | None = None) -> Scored:
    """Boxes, those near others where these are given, and rising scores, some of them exactly at a threshold."""
    corner, side = rng.uniform(0, 100, (count, 2)), rng.uniform(2, 60, (count, 2))
    boxes = np.concatenate([corner, corner + side], axis=1)
    if around is not None and len(around):
        boxes = around[rng.integers(len(around), size=count)] + rng.normal(0, 3, (count, 4))
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])
    scores = rng.uniform(0, 1, count)
    scores[::7] = 0.01
    return boxes.astype(np.float32), scores.astype(np.float32)


def iou(one: Any, other: Any) -> float:
    """Sides one pixel larger, in plain numbers."""
    width = min(one[2], other[2]) - max(one[0], other[0]) + 1
    height = min(one[3], other[3]) - max(one[1], other[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    area = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (one, other)]
    return float(width * height / (area[0] + area[1] - width * height))


def slow(boxes: np.ndarray, scores: np.ndarray, sets: list[Scored], settings: Agreement) -> np.ndarray:
    """The features one box and one candidate at a time."""
    rows = []
    for box, score in zip(boxes.astype(float).tolist(), scores.astype(float).tolist(), strict=True):
        count = mass = close = 0.0
        for others, their_scores in sets:
            found = [
                (iou(box, other), s)
                for other, s in zip(others.astype(float).tolist(), their_scores.tolist(), strict=True)
                if s > settings.candidate_score
            ]
            count += math.log1p(sum(o >= settings.iou for o, _ in found))
            mass += math.log1p(sum(s for o, s in found if o >= settings.iou))
            close += math.log1p(sum(s for o, s in found if o >= settings.close_iou))
        width, height = max(box[2] - box[0], 1), max(box[3] - box[1], 1)
        inside = min(max(score, 1e-5), 1 - 1e-5)
        shape = [math.log2(math.sqrt(width * height)), math.log2(width / height)]
        rows.append([score, math.log(inside / (1 - inside)), *shape, count, mass, close])
    return np.array(rows).reshape(-1, len(FEATURES))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sets", [1, 2, 3])
def test_features_are_those_of_a_slow_loop(seed: int, sets: int) -> None:
    rng = np.random.default_rng(seed)
    boxes, scores = scored(rng, 25)
    settings = Agreement(candidate_score=float(np.float32(0.01)), iou=0.3 + 0.1 * seed, close_iou=0.75)
    found = [scored(rng, 40, boxes) for _ in range(sets)]
    features = settings.features(boxes, scores, found)
    assert (features.shape, features.dtype) == ((25, len(FEATURES)), np.float32)
    np.testing.assert_allclose(features, slow(boxes, scores, found, settings), rtol=1e-6, atol=1e-6)
    assert (features[:, FEATURES.index("count")] > 0).any()


def test_a_candidate_at_the_least_score_supports_nothing_and_one_at_the_least_overlap_does() -> None:
    box, half = np.float32([[0, 0, 9, 9]]), np.float32([[0, 0, 9, 4]])
    count = FEATURES.index("count")
    settings = Agreement(candidate_score=0.25, iou=0.5, close_iou=0.6)
    (row,) = settings.features(box, np.float32([0.5]), [(half, np.float32([0.75]))])
    assert row.tolist() == pytest.approx([0.5, 0, math.log2(9), 0, math.log(2), math.log(1.75), 0])
    (row,) = settings.features(box, np.float32([0.5]), [(half, np.float32([0.25]))])
    assert row[count] == 0


def test_sums_grow_with_the_sets_that_agree_and_forget_which_they_are() -> None:
    rng = np.random.default_rng(0)
    boxes, scores = scored(rng, 20)
    one, other = scored(rng, 30, boxes), scored(rng, 50, boxes)
    settings, count = Agreement(), FEATURES.index("count")
    both = settings.features(boxes, scores, [one, other])
    np.testing.assert_allclose(settings.features(boxes, scores, [other, one]), both, rtol=1e-6)
    apart = [settings.features(boxes, scores, [each])[:, count:] for each in (one, other)]
    np.testing.assert_allclose(both[:, count:], apart[0] + apart[1], rtol=1e-5, atol=1e-6)
    joined = tuple(np.concatenate(parts) for parts in zip(one, other, strict=True))
    together = settings.features(boxes, scores, [(joined[0], joined[1])])
    assert (together[:, count] <= both[:, count] + 1e-5).all() and (together[:, count] < both[:, count] - 0.1).any()


def test_no_boxes_and_no_candidates() -> None:
    none = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    assert Agreement().features(*none, [none, none]).shape == (0, len(FEATURES))
    boxes, scores = scored(np.random.default_rng(0), 3)
    assert (Agreement().features(boxes, scores, [none, none])[:, 4:] == 0).all()
    assert Agreement().features(*none, [(boxes, scores)]).shape == (0, len(FEATURES))


def test_boxes_without_area_and_scores_at_the_ends_are_finite() -> None:
    boxes = np.float32([[5, 5, 5, 5], [5, 5, 9, 5]])
    features = Agreement().features(boxes, np.float32([1, 0]), [(boxes, np.float32([1, 1]))])
    assert np.isfinite(features).all()
    assert features[:, 2].tolist() == [0, 1]
    assert features[0, 1] == pytest.approx(-features[1, 1]) and features[0, 1] > 11


@pytest.mark.parametrize(
    ("boxes", "candidates", "words"),
    [
        ([1.5], [0.5], "scores of boxes are 1.5 to 1.5, expected 0..1"),
        ([0.5], [-0.25], "scores of candidates are -0.25 to -0.25, expected 0..1"),
        ([math.nan], [0.5], "scores of boxes are nan"),
    ],
)
def test_scores_outside_0_to_1_are_refused(boxes: list[float], candidates: list[float], words: str) -> None:
    box = np.float32([[0, 0, 9, 9]])
    with pytest.raises(ValueError, match=words):
        Agreement().features(box, np.float32(boxes), [(box, np.float32(candidates))])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"score": 1.0}, r"score is 1.0, expected a number in \[0, 1\)"),
        ({"candidate_score": -0.1}, "candidate_score is -0.1"),
        ({"iou": 0.0}, "iou is 0.0 and close_iou 0.7, expected 0 < iou <= close_iou <= 1"),
        ({"iou": 0.8}, "iou is 0.8 and close_iou 0.7"),
        ({"close_iou": 1.1}, "close_iou 1.1"),
    ],
)
def test_settings_out_of_range_are_refused(fields: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Agreement(**fields)
