from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.predictions.matching import find_predictions
from pipeline.evaluation.voc_ap import FACE_EVAL, VOC, VocCounts, VocProtocol, average_precision, count_boxes


def slow_ap(found: PredictionSet, labels: BoxLabels, protocol: VocProtocol, positions: Any) -> float:
    """The development kit's loop over all detections by falling score, and the area point by point."""
    owner = found.image_rows()
    rows = sorted(range(len(found.scores)), key=lambda row: (-found.scores[row], positions[row]))
    taken: set[tuple[int, int]] = set()
    outcomes = []
    faces = 0
    ignored: dict[int, list[bool]] = {}
    for image, (boxes, flags) in enumerate(zip(labels.boxes, labels.ignored, strict=True)):
        small = [min(abs(x2 - x1), abs(y2 - y1)) < protocol.min_face for x1, y1, x2, y2 in boxes]
        ignored[image] = [bool(flag) or each for flag, each in zip(flags, small, strict=True)]
        faces += ignored[image].count(False)
    for row in rows:
        image, box = int(owner[row]), found.boxes[row]
        best, chosen = 0.0, None
        for number, face in enumerate(labels.boxes[image]):
            w = min(box[2], face[2]) - max(box[0], face[0]) + 1
            h = min(box[3], face[3]) - max(box[1], face[1]) + 1
            if w <= 0 or h <= 0:
                continue
            area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1) + (face[2] - face[0] + 1) * (face[3] - face[1] + 1)
            iou = w * h / (area - w * h)
            if iou > best or (iou == best and protocol.name == "face-eval"):
                best, chosen = iou, number
        if chosen is None or not (best > 0.5 or (best == 0.5 and protocol.name == "voc")):
            outcomes.append(0)
        elif not ignored[image][chosen]:
            outcomes.append(int((image, chosen) not in taken))
            taken.add((image, chosen))
    recalls, precisions = [0.0], [0.0]
    for count in range(1, len(outcomes) + 1):
        recalls.append(sum(outcomes[:count]) / faces)
        precisions.append(sum(outcomes[:count]) / count)
    area = 0.0
    for point in range(1, len(recalls)):
        area += (recalls[point] - recalls[point - 1]) * max(precisions[point:])
    return area


def small_set(seed: int, images: int = 10) -> tuple[PredictionSet, BoxLabels, np.ndarray]:
    """Faces of whole pixels, several of them ignored or small, boxes near them, scores of one decimal, rows mixed."""
    random = np.random.default_rng(seed)
    rows, labelled = [], []
    for _ in range(images):
        faces = int(random.integers(0, 5))
        corner, sides = random.integers(0, 80, (faces, 2)), random.integers(8, 60, (faces, 2))
        boxes = np.c_[corner, corner + sides].astype(float)
        labelled.append((f"i{len(labelled)}", boxes, random.random(faces) < 0.2))
        near = np.repeat(boxes, 2, axis=0) + random.integers(-8, 9, (2 * faces, 4))
        far = random.integers(0, 80, (3, 2))
        rows.append(np.concatenate([near, np.c_[far, far + 20], boxes]))
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in rows])])
    scores = np.round(random.uniform(-2, 6, offsets[-1]), 1)
    labels = BoxLabels.of(labelled)
    found = PredictionSet(labels.image_ids, offsets, np.concatenate(rows), scores)
    return found, labels, random.permutation(offsets[-1])


@pytest.mark.parametrize("protocol", [VOC, FACE_EVAL, VocProtocol(min_face=25)])
@pytest.mark.parametrize("seed", range(6))
def test_equal_to_a_slow_loop(seed: int, protocol: VocProtocol) -> None:
    found, labels, positions = small_set(seed)
    counts = count_boxes(found, labels, protocol, positions)
    result = average_precision(counts)
    assert result.ap == pytest.approx(slow_ap(found, labels, protocol, positions), abs=1e-12)
    assert 0 < result.ap < 1
    assert len(result.recall) == len(result.precision) == len(result.scores) == len(counts.scores)


def test_parts_of_the_images_add_up_in_any_order() -> None:
    found, labels, positions = small_set(7, 21)
    parts = []
    for start in range(0, 21, 4):
        rows = range(start, min(start + 4, 21))
        part = labels.select(rows)
        spans = slice(found.offsets[rows[0]], found.offsets[rows[-1] + 1])
        parts.append(count_boxes(found.select(part.image_ids), part, VOC, positions[spans]))
    whole = average_precision(count_boxes(found, labels, VOC, positions))
    for order in (1, -1):
        total = average_precision(reduce(add, parts[::order], VocCounts.zero()))
        assert total.ap == whole.ap
        assert np.array_equal(total.precision, whole.precision)


def _one(boxes: Any, scores: Any, faces: Any, ignored: Any = None, protocol: VocProtocol = VOC) -> VocCounts:
    table = np.array(faces, float).reshape(-1, 4)
    labels = BoxLabels.of([("a", table, np.zeros(len(table), bool) if ignored is None else np.array(ignored))])
    found = PredictionSet(
        ("a",), np.array([0, len(scores)]), np.array(boxes, float).reshape(-1, 4), np.array(scores, float)
    )
    return count_boxes(found, labels, protocol)


def test_an_overlap_of_one_half_is_enough_for_voc_only() -> None:
    # 10 x 10 pixels against 10 x 20, corners included.
    found = ([[0, 0, 9, 9]], [1], [[0, 0, 9, 19]])
    assert _one(*found).hits.tolist() == [True]
    assert _one(*found, protocol=VocProtocol("face-eval")).hits.tolist() == [False]


def test_an_ignored_face_removes_every_box_on_it() -> None:
    counts = _one(
        [[0, 0, 9, 9]] * 3 + [[50, 50, 59, 59]], [3, 2, 1, 0.5], [[0, 0, 9, 9], [50, 50, 59, 59]], [True, False]
    )
    assert (counts.faces, counts.hits.tolist()) == (1, [True])


def test_a_second_box_on_a_face_is_a_false_alarm_and_takes_no_other() -> None:
    counts = _one([[0, 0, 9, 9], [0, 0, 9, 9]], [2, 1], [[0, 0, 9, 9], [0, 2, 9, 11]])
    assert counts.hits.tolist() == [True, False]
    assert average_precision(counts).ap == 0.5


def test_equal_scores_keep_the_order_in_which_they_were_written() -> None:
    hit_first, miss_first = [[0, 0, 9, 9], [50, 50, 59, 59]], [[50, 50, 59, 59], [0, 0, 9, 9]]
    assert average_precision(_one(hit_first, [1, 1], [[0, 0, 9, 9]])).ap == 1
    assert average_precision(_one(miss_first, [1, 1], [[0, 0, 9, 9]])).ap == 0.5


def test_no_detection_and_no_face() -> None:
    assert average_precision(_one([], [], [[0, 0, 9, 9]])).ap == 0
    with pytest.raises(ValueError, match="expected faces that count, found none in 1 images"):
        average_precision(_one([], [], []))


@pytest.mark.wider
@pytest.mark.parametrize("file", ["afw/DPM", "afw/Headhunter", "afw/SFD", "pascal_face/SFD"])
def test_published_detections_against_those_of_another_detector(shared: Path, file: str) -> None:
    """There is no annotation here: the confident boxes of one detector stand for it, at the scale of the real sets."""
    truth = shared / f"data/{file.split('/')[0]}/Headhunter.txt"
    names = sorted({line.split()[0] for line in truth.read_text().splitlines()})
    best = find_predictions(truth).of_images(names).table
    labels = BoxLabels.of(
        (name, boxes[scores > 0.2], np.zeros((scores > 0.2).sum(), bool)) for name, boxes, scores in best.by_image()
    )
    rows = find_predictions(shared / f"data/{file}.txt").of_images(names).table
    chosen = np.concatenate([[0], np.cumsum(np.minimum(np.diff(rows.offsets), 12))])
    keep = np.concatenate([np.arange(a, a + n) for a, n in zip(rows.offsets[:-1], np.diff(chosen), strict=True)])
    found = PredictionSet(tuple(names), chosen, rows.boxes[keep], rows.scores[keep])
    result = average_precision(count_boxes(found, labels, VOC, rows.positions[keep])).ap
    assert result == pytest.approx(slow_ap(found, labels, VOC, rows.positions[keep]), abs=1e-12)
    assert 0.5 < result <= 1
