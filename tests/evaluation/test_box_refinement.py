from __future__ import annotations

import numpy as np
import pytest

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.box_refinement import Fit, counted, fit_boxes
from pipeline.evaluation.voc_ap import FACE_EVAL, VOC, VocProtocol, average_precision, count_boxes


def shifted_set() -> tuple[PredictionSet, BoxLabels]:
    """Ten faces, and boxes that are all 10 % lower, 5 % to the left and 25 % larger than these."""
    random = np.random.default_rng(1)
    corners, sides = random.uniform(0, 300, (10, 2)), random.uniform(60, 120, (10, 1)).repeat(2, axis=1)
    faces = np.c_[corners, corners + sides]
    labels = BoxLabels.of([("a", faces[:6], np.zeros(6, bool)), ("b", faces[6:], np.zeros(4, bool))])
    centres, half = corners + sides / 2 + sides * [-0.05, 0.1], sides * 1.25 / 2
    found = PredictionSet(("a", "b"), np.array([0, 6, 10]), np.c_[centres - half, centres + half], np.arange(10.0))
    return found, labels


def refined(
    found: PredictionSet, labels: BoxLabels, protocol: VocProtocol, positions: np.ndarray
) -> tuple[PredictionSet, np.ndarray]:
    """Detections that are counted, their boxes after all rounds but the last, and their positions."""
    fits: list[Fit] = []
    for _ in range(protocol.rounds - 1):
        chosen, places = counted(found, protocol, positions, fits)
        fits.append(fit_boxes(chosen, labels, protocol, places))
    return counted(found, protocol, positions, fits)


def test_a_common_shift_and_scale_is_found_and_undone() -> None:
    found, labels = shifted_set()
    fit = fit_boxes(found, labels, VOC, np.arange(10))
    assert len(fit.changes) == 10
    assert fit.changes.mean(axis=0) == pytest.approx([0.04, -0.08, 0.8, 0.8])
    boxes, positions = refined(found, labels, FACE_EVAL, np.arange(10))
    assert boxes.boxes == pytest.approx(np.concatenate(labels.boxes))
    assert positions.tolist() == list(range(10))
    assert average_precision(count_boxes(boxes, labels, FACE_EVAL, positions)).ap == 1


def test_parts_add_up() -> None:
    found, labels = shifted_set()
    places = {"a": np.arange(6), "b": np.arange(4)}
    parts = [fit_boxes(found.select([name]), labels.select([row]), VOC, places[name]) for row, name in enumerate("ab")]
    whole = fit_boxes(found, labels, VOC, np.arange(10))
    assert parts[0] + parts[1] == whole
    boxes = whole.apply(found.boxes)
    assert np.array_equal((parts[1] + parts[0]).apply(found.boxes), boxes)
    assert not np.array_equal(parts[0].apply(found.boxes), boxes)


def test_without_hits_boxes_stay() -> None:
    boxes = np.array([[1, 2, 3, 4.0]])
    assert Fit.zero().apply(boxes) is boxes


def test_small_detections_are_left_out_and_the_plain_protocol_changes_nothing() -> None:
    labels = BoxLabels.of([("a", np.array([[0, 0, 50, 50.0]]), np.zeros(1, bool))])
    rows = np.array([[0, 0, 21, 21], [0, 0, 50, 50], [0, 0, 22, 5.0]])
    found = PredictionSet(("a",), np.array([0, 3]), rows, np.array([3, 2, 1.0]))
    kept, positions = refined(found, labels, FACE_EVAL, np.array([5, 6, 7]))
    assert (kept.scores.tolist(), kept.offsets.tolist(), positions.tolist()) == ([2, 1], [0, 2], [6, 7])
    same, _ = refined(found, labels, VOC, np.arange(3))
    assert np.array_equal(same.boxes, rows)
