"""The closest face, against a loop over pairs and the published oracle figures."""

from __future__ import annotations

import json
import tracemalloc
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pipeline.boxes import closest_face
from pipeline.boxes.closest_face import closest_overlap
from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth, load_ground_truth
from pipeline.data.datasets.wider_face.predictions import read_wider_text
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.wider_result import evaluate


def _boxes(rng: np.random.Generator, count: int, field: float = 200) -> np.ndarray:
    corner = rng.uniform(0, field, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(0, 40, (count, 2))], axis=1).astype(np.float32)


def _slowly(boxes: np.ndarray, faces: np.ndarray, pixel_inclusive: bool) -> list[float]:
    one, found = float(pixel_inclusive), []
    for ax1, ay1, ax2, ay2 in boxes.tolist():
        best = 0.0
        for bx1, by1, bx2, by2 in faces.tolist():
            w, h = min(ax2, bx2) - max(ax1, bx1) + one, min(ay2, by2) - max(ay1, by1) + one
            if w > 0 and h > 0:
                areas = (ax2 - ax1 + one) * (ay2 - ay1 + one) + (bx2 - bx1 + one) * (by2 - by1 + one)
                best = max(best, w * h / (areas - w * h))
        found.append(best)
    return found


@pytest.mark.parametrize("pixel_inclusive", [False, True])
@pytest.mark.parametrize("block", [1, 50, 1 << 16])
def test_equals_a_loop_over_pairs(monkeypatch: pytest.MonkeyPatch, block: int, pixel_inclusive: bool) -> None:
    monkeypatch.setattr(closest_face, "BLOCK", block)
    rng = np.random.default_rng(0)
    boxes, faces = _boxes(rng, 90), _boxes(rng, 13)
    found = closest_overlap(boxes, faces, pixel_inclusive)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, _slowly(boxes, faces, pixel_inclusive), atol=1e-7)
    assert 0 < (found > 0).sum() < 90
    exact = closest_overlap(boxes.astype(np.float64), faces, pixel_inclusive)
    assert exact.dtype == np.float64
    np.testing.assert_allclose(exact, _slowly(boxes, faces, pixel_inclusive), rtol=1e-14)


def test_worked_numbers() -> None:
    box, face = np.float32([[0, 0, 10, 10]]), np.float32([[0, 0, 10, 5], [50, 50, 60, 60]])
    assert closest_overlap(box, face).tolist() == [0.5]
    assert closest_overlap(box, face, pixel_inclusive=True).tolist() == [np.float32(66 / 121)]
    assert closest_overlap(box, box).tolist() == [1.0]


def test_nothing_to_lie_on_or_nothing_that_lies() -> None:
    none = np.zeros((0, 4), np.float32)
    assert closest_overlap(none, np.float32([[0, 0, 1, 1]])).shape == (0,)
    assert closest_overlap(np.float32([[0, 0, 1, 1], [5, 5, 6, 6]]), none).tolist() == [0, 0]
    assert closest_overlap(none, none).dtype == np.float32


def test_faces_and_boxes_without_area_match_nothing() -> None:
    """Not even one another: WIDER FACE has eleven such faces and one of negative width."""
    empty = np.float32([[5, 5, 5, 5], [5, 5, 9, 5], [5, 5, 3, 9]])
    box = np.float32([[0, 0, 10, 10]])
    assert closest_overlap(box, empty).tolist() == [0]
    assert closest_overlap(empty, empty).tolist() == [0, 0, 0]
    assert closest_overlap(empty, box).tolist() == [0, 0, 0]
    assert closest_overlap(box, np.concatenate([empty, box])).tolist() == [1]
    # With inclusive corners the first two are a pixel and a row of five; one of width -1 is still nothing.
    np.testing.assert_allclose(closest_overlap(box, empty[:1], pixel_inclusive=True), [1 / 121], rtol=1e-6)
    assert closest_overlap(box, empty[2:], pixel_inclusive=True).tolist() == [0]


@pytest.mark.parametrize("shape", [(4,), (3, 5)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="faces have shape"):
        closest_overlap(np.zeros((1, 4), np.float32), np.zeros(shape, np.float32))


def test_the_whole_table_is_never_there() -> None:
    rng = np.random.default_rng(1)
    boxes, faces = _boxes(rng, 5000, 2000), _boxes(rng, 2000, 2000)
    tracemalloc.start()
    found = closest_overlap(boxes, faces)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6  # one table of 5,000 x 2,000 would be 80
    sample = rng.integers(0, 5000, 20)
    np.testing.assert_allclose(found[sample], _slowly(boxes[sample], faces, False), atol=1e-7)


@cache
def _truth(shared: Path) -> WiderGroundTruth:
    return load_ground_truth(shared / "data/wider_val_gt")


@pytest.mark.wider
@pytest.mark.parametrize("name", ["yolov7_face", "retinaface_ajmalrasi"])
def test_oracle_of_the_published_sets_to_ten_digits(shared: Path, name: str) -> None:
    expected = json.loads((shared / "reference/wider_eval/expected.json").read_text())
    wanted, truth = expected["oracle_on_published_sets"][name], _truth(shared)
    file = shared.joinpath(*Path(expected["sets"][name]["file"]).parts[1:])
    rows = read_wider_text(file, truth.image_ids).predictions.select(truth.image_ids)
    spans = (slice(*rows.offsets[number : number + 2]) for number in range(len(truth.image_ids)))
    pairs = zip(spans, truth.boxes, strict=True)
    scores = np.concatenate([closest_overlap(rows.boxes[span], faces, pixel_inclusive=True) for span, faces in pairs])
    assert (scores == 0).sum() == wanted["boxes_iou_zero"]
    assert (scores >= 0.5).sum() == wanted["boxes_iou_ge_0.5"]
    rescored = PredictionSet(rows.image_ids, rows.offsets, rows.boxes, scores).falling()
    assert {level: round(ap, 10) for level, ap in evaluate(truth, rescored).ap.items()} == wanted["oracle"]
