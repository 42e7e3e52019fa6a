from __future__ import annotations

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.ground_truth import ground_truth_of
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Detections, Sample
from pipeline.evaluation.hits_and_misses import match_image, most_mistakes, shrink, size_histogram

FACES = np.array([[0, 0, 9, 9], [50, 0, 69, 29], [100, 0, 109, 9]], np.float32)
HARD = np.array([True, True, False])


def _sample(image_id: str = "a", width: int = 200) -> Sample:
    return Sample(image_id, f"{image_id}.jpg", "", width, width, FACES, levels={"hard": HARD})


def _found(image_id: str, *rows: tuple[float, float, float, float, float]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(image_id, 200, 200, table[:, :4], table[:, 4])


HIT, AGAIN, IGNORED = (0, 0, 9, 9, 0.9), (0, 0, 9, 8, 0.8), (100, 0, 109, 9, 0.7)
NOWHERE, WEAK = (150, 150, 160, 160, 0.6), (50, 0, 69, 29, 0.4)


def test_every_detection_is_one_kind() -> None:
    matches = match_image(_sample(), _found("a", HIT, AGAIN, IGNORED, NOWHERE, WEAK), 0.5)
    assert matches.hits.tolist() == [[0, 0, 9, 9]]
    assert matches.misses.tolist() == [[50, 0, 69, 29]]
    assert matches.false_alarms.tolist() == [[0, 0, 9, 8], [150, 150, 160, 160]]
    assert matches.mistakes == 3
    lower = match_image(_sample(), _found("a", HIT, AGAIN, IGNORED, NOWHERE, WEAK), float(np.float32(0.4)))
    assert (len(lower.hits), len(lower.misses)) == (2, 0)


def test_without_levels_every_face_counts() -> None:
    plain = Sample("a", "a.jpg", "", 9, 9, FACES)
    assert len(match_image(plain, _found("a"), 0.5).misses) == 3
    assert len(match_image(plain, _found("a", IGNORED), 0.5).hits) == 1


def test_of_one_image() -> None:
    with pytest.raises(ValueError, match="faces of a, detections of b"):
        match_image(_sample("a"), _found("b"), 0.5)


def test_worst_first_then_by_name_without_unreadable_ones() -> None:
    pairs = [
        (_sample("fine"), _found("fine", HIT, (50, 0, 69, 29, 0.8))),
        (_sample("z"), _found("z")),
        (_sample("b"), _found("b")),
        (_sample("worst"), _found("worst", NOWHERE)),
        (_sample("broken", 0), _found("broken")),
        (_sample("failed"), Detections("failed", 0, 0, error="x")),
    ]
    assert [item.image_id for item in most_mistakes(pairs, 0.5)] == ["worst", "b", "z", "fine"]
    assert [item.image_id for item in most_mistakes(pairs, 0.5, limit=1)] == ["worst"]


@pytest.mark.parametrize(
    ("size", "expected"), [((3000, 100), (1024, 34)), ((40, 50), (40, 50)), ((1, 5000), (1, 1024))]
)
def test_images_are_made_small(size: tuple[int, int], expected: tuple[int, int]) -> None:
    pixels = np.full((size[1], size[0], 3), (250, 10, 10), np.uint8)
    small = shrink(pixels)
    assert small.shape == (expected[1], expected[0], 3)
    assert (small == (250, 10, 10)).all()


def test_faces_per_height() -> None:
    truth = ground_truth_of([_sample("a"), _sample("b")])
    predictions = PredictionSet.of([_found("b", HIT, IGNORED, WEAK), _found("stranger", HIT)])
    histogram = size_histogram(truth, predictions, 0.5, edges=(8, 16, 29))
    assert histogram.edges == (8, 16, 29)
    assert histogram.faces.tolist() == [2, 0, 2]
    assert histogram.found.tolist() == [1, 0, 0]
    assert size_histogram(truth, predictions, 0.1, edges=(10, 29)).found.tolist() == [1, 1]
