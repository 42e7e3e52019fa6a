from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions
from pipeline.evaluation.benchmarks.single_face import SingleFace, at_score, require_single
from pipeline.evaluation.voc_ap import VocCounts, count_boxes


def labels(*counts: int, ignored: int = 0) -> BoxLabels:
    """As many faces to each image, below one another, the last ones ignored."""
    rows = []
    for image, count in enumerate(counts):
        boxes = np.array([[0, 100 * row, 50, 100 * row + 50] for row in range(count + ignored)], np.float64)
        rows.append((f"{image}.png", boxes.reshape(-1, 4), np.arange(count + ignored) >= count))
    return BoxLabels.of(rows)


def counted() -> VocCounts:
    """Four images: found twice and beside it, found at a low score, an empty one, and a wrong box."""
    boxes = [
        [[0, 0, 50, 50], [2, 0, 50, 50], [300, 0, 350, 50]],
        [[0, 0, 48, 50]],
        [],
        [[300, 0, 350, 50]],
    ]
    scores = [[0.9, 0.8, 0.6], [0.4], [], [0.5]]
    offsets = np.cumsum([0, *map(len, boxes)])
    found = PredictionSet(
        labels(1, 1, 1, 1).image_ids,
        offsets,
        np.array([box for each in boxes for box in each], np.float64).reshape(-1, 4),
        np.array([score for each in scores for score in each]),
    )
    return count_boxes(found, labels(1, 1, 1, 1))


def test_the_first_box_on_the_face_is_the_hit_and_every_other_one_is_extra() -> None:
    assert at_score(counted(), 0.5) == {"found": 1, "missed": 3, "extra": 3}
    assert at_score(counted(), 0.51) == {"found": 1, "missed": 3, "extra": 2}
    assert at_score(counted(), 0.3) == {"found": 2, "missed": 2, "extra": 3}
    assert at_score(counted(), 0.95) == {"found": 0, "missed": 4, "extra": 0}


def test_counts_ap_and_the_score_are_in_the_result() -> None:
    result = SingleFace.result(counted(), BenchmarkOptions("face-eval", score=0.6), {"labels": "CSV"})
    assert result.lines == [
        "Single face: AP 35.00  (4 faces in 4 images)",
        "at score 0.6: 1 found, 3 missed, 2 extra boxes",
    ]
    content = result.content
    assert (content["found"], content["missed"], content["extra"]) == (1, 3, 2)
    assert content["ap"] == pytest.approx(0.25 * 1 + 0.25 * 2 / 5)
    assert content["by_score"] == [
        *([0.1, 2, 2, 3], [0.3, 2, 2, 3], [0.5, 1, 3, 3], [0.6, 1, 3, 2]),
        *([0.7, 1, 3, 1], [0.9, 1, 3, 0]),
    ]
    assert (content["protocol"]["score"], content["protocol"]["labels"]) == (0.6, "CSV")
    assert content["protocol"]["benchmark"] == "Single face"


def test_every_image_has_one_face_that_counts() -> None:
    require_single(labels(1, 1, ignored=2), Path("faces.csv"))
    words = (
        r"faces\.csv: expected one face that counts in every image, found 0 in 1\.png, and 2 such images of 3; .*pascal"
    )
    with pytest.raises(ValueError, match=words):
        require_single(labels(1, 0, 2), Path("faces.csv"))
