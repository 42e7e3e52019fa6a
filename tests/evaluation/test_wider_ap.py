from __future__ import annotations

import json
from dataclasses import asdict
from functools import reduce
from operator import add, or_
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth
from pipeline.data.datasets.wider_face.prediction_lines import Reading
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.wider_ap import (
    STEPS,
    THRESHOLDS,
    ApCounts,
    ScoreRange,
    average_precision,
    count_images,
    curve,
    score_range,
)

UNIT = ScoreRange(0.0, 1.0)


def _corners(xywh: Any) -> np.ndarray:
    boxes = np.array(xywh, np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def count_image(
    boxes: np.ndarray,
    image_scores: np.ndarray,
    faces: np.ndarray,
    counted: np.ndarray,
    scores: ScoreRange,
    reading: Reading = "matlab",
) -> ApCounts:
    offsets = np.array([0, len(image_scores)], np.int64)
    rows = PredictionSet(("image",), offsets, boxes.astype(np.float64), image_scores.astype(np.float64))
    truth = WiderGroundTruth(("image",), (faces.astype(np.float64),), {"x": (counted,)})
    return count_images(rows, truth, scores, reading)["x"]


@pytest.mark.wider
def test_the_twelve_cases(shared: Path) -> None:
    cases = json.loads((shared / "reference/wider_eval/cases.json").read_text())
    assert len(cases) == 12
    for case in cases:
        rows = np.array(case["pred_xywhs"], np.float64)
        faces = _corners(case["gt_xywh"])
        kept = np.isin(np.arange(1, len(faces) + 1), case["keep_1based"])
        counts = count_image(_corners(rows[:, :4]), rows[:, 4], faces, kept, UNIT, "python")
        expected = np.zeros((1000, 2), np.int64)
        for start, proposals, matches in case["pr_changes"]:
            expected[start:] = proposals, matches
        assert np.stack([counts.proposals, counts.matches], 1).tolist() == expected.tolist(), case["name"]
        assert [counts.proposals[999], counts.matches[999]] == case["pr_at_999"], case["name"]


def slow_counts(
    images: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]], reading: Reading
) -> tuple[list[int], list[int], int]:
    """Counts one detection, one face and one threshold after the other, as the protocol is put in words."""
    scores = [s for _, image_scores, _, _ in images for s in image_scores.tolist()]
    low, high = (min([*scores, np.inf]), max([*scores, -np.inf])) if reading == "matlab" else (0.0, 0.0)
    if reading == "python":
        low, high = min([*scores, 1.0]), max([*scores, 0.0])
    proposals, matches = [0] * 1000, [0] * 1000
    for boxes, image_scores, faces, counted in images:
        if len(faces) == 0:
            continue
        order = list(range(len(boxes)))
        if reading == "matlab":
            order.sort(key=lambda row: -image_scores[row])
        taken: set[int] = set()
        kind = []
        for row in order:
            best, best_iou = -1, 0.0
            for face in range(len(faces)):
                w = min(boxes[row][2], faces[face][2]) - max(boxes[row][0], faces[face][0]) + 1
                h = min(boxes[row][3], faces[face][3]) - max(boxes[row][1], faces[face][1]) + 1
                if w <= 0 or h <= 0:
                    continue
                size = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (boxes[row], faces[face])]
                if w * h / (size[0] + size[1] - w * h) > best_iou:
                    best, best_iou = face, w * h / (size[0] + size[1] - w * h)
            if best_iou < 0.5:
                kind.append((1, 0))
            elif not counted[best]:
                kind.append((0, 0))
            else:
                kind.append((1, int(best not in taken)))
                taken.add(best)
        normal = [1.0 if high <= low else (image_scores[row] - low) / (high - low) for row in order]
        for t in range(1000):
            passing = [place for place, score in enumerate(normal) if score >= 1 - (t + 1) / 1000]
            upto = passing[-1] + 1 if passing else 0
            proposals[t] += sum(proposal for proposal, _ in kind[:upto])
            matches[t] += sum(match for _, match in kind[:upto])
    return proposals, matches, sum(int(counted.sum()) for _, _, _, counted in images)


def _images(seed: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(rng.integers(1, 5)):
        faces = _corners(np.hstack([rng.integers(0, 12, (k := rng.integers(0, 6), 2)), rng.integers(-2, 9, (k, 2))]))
        n = rng.integers(0, 12)
        boxes = _corners(np.hstack([rng.integers(0, 12, (n, 2)), rng.integers(0, 9, (n, 2))]))
        near = rng.random(n) < 0.5
        if k:  # half of the boxes lie on a face, so that hits, repeats and ties happen
            boxes[near] = faces[rng.integers(0, k, int(near.sum()))] + rng.integers(0, 2, (int(near.sum()), 4))
        scores = rng.choice([-0.5, 0.1, 0.3, 0.3001, 0.7, 0.7, 1.5], n)
        images.append((boxes, scores, faces, rng.random(k) < 0.6))
    return images


def _flat(images: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]) -> tuple[PredictionSet, Any]:
    names = tuple(f"image {place}" for place in range(len(images)))
    offsets = np.cumsum([0, *(len(image[1]) for image in images)])
    boxes, scores = np.concatenate([i[0] for i in images]), np.concatenate([i[1] for i in images])
    truth = WiderGroundTruth(names, tuple(i[2] for i in images), {"x": tuple(i[3] for i in images)})
    return PredictionSet(names, offsets, boxes, scores), truth


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["matlab", "python"]))
def test_equals_the_loops(seed: int, reading: Reading) -> None:
    images = _images(seed)
    predictions, truth = _flat(images)
    found = count_images(predictions, truth, score_range(predictions.scores, reading), reading)["x"]
    proposals, matches, faces = slow_counts(images, reading)
    assert found.proposals.tolist() == proposals
    assert found.matches.tolist() == matches
    assert found.faces == faces
    assert found.images == sum(len(image[2]) > 0 for image in images)
    assert found.boxes == sum(len(image[1]) for image in images if len(image[2]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["matlab", "python"]))
def test_any_split_of_the_images_adds_up_to_the_whole(seed: int, reading: Reading) -> None:
    images = _images(seed)
    predictions, truth = _flat(images)
    scores = reduce(or_, [score_range(image[1], reading) for image in images])
    assert scores == score_range(predictions.scores, reading)
    parts = [count_image(b, s, f, c, scores, reading) for b, s, f, c in images]
    together = count_images(predictions, truth, scores, reading)["x"]
    np.testing.assert_equal(asdict(reduce(add, parts, ApCounts.zero())), asdict(together))


def test_thresholds_are_the_tools_doubles() -> None:
    assert THRESHOLDS[0] == 0.999
    assert THRESHOLDS[999] == 0.0
    assert THRESHOLDS[699] > 0.3
    assert THRESHOLDS[699] == 1 - 700 / 1000


def test_scores_above_and_below_every_threshold_under_a_foreign_range() -> None:
    box = np.array([[0, 0, 9, 9]])
    for score, first in ((2.0, 0), (-1.0, None)):
        counts = count_image(box, np.array([score]), box, np.ones(1, bool), UNIT)
        assert counts.matches.tolist() == ([1] * 1000 if first == 0 else [0] * 1000)


def test_ranges_of_the_two_tools() -> None:
    high = np.array([2.0, 3.0])
    assert score_range(high) == ScoreRange(2.0, 3.0)
    assert score_range(high, "python") == ScoreRange(1.0, 3.0)
    assert score_range(-high, "python") == ScoreRange(-3.0, 0.0)
    assert ScoreRange(1.0, 3.0).normalise(high).tolist() == [0.5, 1.0]
    assert score_range(np.zeros(0)) | score_range(high) == ScoreRange(2.0, 3.0)


def test_equal_scores_all_enter_at_once() -> None:
    box = np.array([[0, 0, 9, 9], [50, 50, 59, 59]])
    scores = np.array([0.4, 0.4])
    counts = count_image(box, scores, box[:1], np.ones(1, bool), score_range(scores))
    assert counts.proposals.tolist() == [2] * 1000


def test_average_precision_of_a_known_curve() -> None:
    proposals, matches = np.full(1000, 4), np.full(1000, 3)
    proposals[:300], matches[:300] = 0, 0  # 0/0 before the first proposal
    proposals[300:600], matches[300:600] = 2, 1
    counts = ApCounts(4, 1, 4, proposals, matches)
    precision, recall = curve(counts)
    assert np.isnan(precision[0])
    assert (precision[300], recall[300], precision[999], recall[999]) == (0.5, 0.25, 0.75, 0.75)
    # The envelope lifts the first step to the precision reached later.
    assert average_precision(counts) == 0.25 * 0.75 + 0.5 * 0.75


def test_average_precision_without_faces_does_not_exist() -> None:
    assert np.isnan(average_precision(ApCounts.zero()))
    assert np.isnan(curve(ApCounts.zero())[1]).all()


ONE = ApCounts(3, 2, 7, np.arange(STEPS), np.arange(STEPS) // 2)


def test_each_count_is_added_to_its_own() -> None:
    total = ONE + ApCounts(30, 20, 70, np.full(STEPS, 5), np.full(STEPS, 2))
    np.testing.assert_equal(asdict(total), asdict(ApCounts(33, 22, 77, ONE.proposals + 5, ONE.matches + 2)))
    np.testing.assert_equal(asdict(ApCounts.zero() + ONE), asdict(ONE))


@pytest.mark.parametrize("shapes", [(STEPS, 10), (10, STEPS)])
def test_both_curves_have_one_count_per_threshold(shapes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"\({shapes[0]},\) and \({shapes[1]},\), expected \(1000,\)"):
        ApCounts(0, 0, 0, *(np.zeros(n, np.int64) for n in shapes))


def test_the_area_is_that_of_the_steps() -> None:
    proposals, matches = np.full(STEPS, 10), np.full(STEPS, 4)
    proposals[:500], matches[:500] = 2, 2
    # Two of five faces at precision 1, two more at 0.4, the last never.
    assert average_precision(ApCounts(5, 1, 10, proposals, matches)) == pytest.approx(0.4 * 1 + 0.4 * 0.4)
    assert average_precision(ApCounts(4, 1, 4, np.full(STEPS, 4), np.full(STEPS, 4))) == 1
    assert average_precision(ApCounts(1, 1, 2, np.full(STEPS, 2), np.full(STEPS, 1))) == 0.5
    assert average_precision(ApCounts(4, 1, 0, np.zeros(STEPS, int), np.zeros(STEPS, int))) == 0


def test_a_range_is_of_doubles() -> None:
    scores = np.array([0.1, 0.7], np.float32)
    found = score_range(scores)
    assert (found.low, found.high) == (float(scores[0]), float(scores[1]))
    normal = found.normalise(np.array([0.1, 0.4, 0.7], np.float32))
    assert normal.dtype == np.float64
    assert normal[1] == (float(np.float32(0.4)) - found.low) / (found.high - found.low)
    for nothing_to_map in (ScoreRange(2.0, 2.0), ScoreRange.empty(), ScoreRange.empty("python")):
        assert nothing_to_map.normalise(np.array([1.0, 2.0])).tolist() == [1.0, 1.0]
    assert ScoreRange(2.0, np.nextafter(2.0, 3)).normalise(np.array([2.0])).tolist() == [0.0]
