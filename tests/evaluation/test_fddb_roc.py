from __future__ import annotations

from functools import reduce
from itertools import permutations
from operator import add
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.fddb.annotation import FddbLabels, read_fddb
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.predictions.matching import PLAIN
from pipeline.evaluation.benchmark_inputs import WantedImages, read_detections
from pipeline.evaluation.fddb_overlap import overlaps
from pipeline.evaluation.fddb_roc import FddbCounts, count_ellipses, curves


def small_set(seed: int, images: int = 12) -> tuple[PredictionSet, FddbLabels]:
    """Random faces with boxes around them, near them and elsewhere, and scores of one decimal."""
    random = np.random.default_rng(seed)
    names = tuple(f"i{number}" for number in range(images))
    ellipses, boxes, scores = {}, [], []
    for name in names:
        count = int(random.integers(0, 4))
        centres = random.uniform(20, 120, (count, 2))
        ellipses[name] = np.c_[random.uniform(8, 40, (count, 2)), random.uniform(-1.5, 1.5, count), centres]
        middle = np.concatenate([centres, random.uniform(0, 140, (int(random.integers(0, 3)), 2))])
        middle = middle + random.normal(0, 8, middle.shape)
        half = random.uniform(8, 40, middle.shape)
        boxes.append(np.c_[middle - half, middle + half])
        scores.append(np.round(random.uniform(-1, 1, len(middle)), 1))
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in scores])])
    found = PredictionSet(names, offsets, np.concatenate(boxes), np.concatenate(scores))
    return found, FddbLabels({"01": names[:5], "02": names[5:]}, ellipses)


def slow(found: PredictionSet, labels: FddbLabels) -> list[tuple[int, float, float, float]]:
    """Every assignment tried, at every score again, over all images: false positives, both rates, score."""
    points = []
    for score in sorted(set(found.scores.tolist()), reverse=True):
        detections, hits, total = 0, 0, 0.0
        for name, (boxes, scores) in found.by_image():
            chosen = boxes[scores >= score]
            detections += len(chosen)
            table = overlaps(labels.ellipses[name], chosen, labels.border(name))
            table = table if table.shape[0] <= table.shape[1] else table.T
            best = max(
                ([table[row, column] for row, column in enumerate(order)] for order in permutations(range(table.shape[1]), table.shape[0])),
                key=sum,
                default=[],
            )  # fmt: skip
            hits += sum(each > 0.5 for each in best)
            total += sum(best)
        points.append((detections - hits, hits / labels.faces, total / labels.faces, score))
    return points


@pytest.mark.parametrize("seed", range(8))
def test_equal_to_every_assignment_tried_at_every_score(seed: int) -> None:
    found, labels = small_set(seed)
    result = curves(count_ellipses(found, labels))
    expected = np.array(slow(found, labels))
    assert result.false_positives.tolist() == expected[:, 0].tolist()
    assert result.discrete == pytest.approx(expected[:, 1], abs=1e-12)
    assert result.continuous == pytest.approx(expected[:, 2], abs=1e-12)
    assert result.scores.tolist() == expected[:, 3].tolist()


@pytest.mark.parametrize("order", [1, -1])
def test_parts_of_the_images_add_up_to_the_same_bits(order: int) -> None:
    found, labels = small_set(3, 30)
    parts = [labels.restrict(labels.image_ids[start : start + 7]) for start in range(0, 30, 7)]
    total = reduce(add, [count_ellipses(found, part) for part in parts][::order], FddbCounts.zero())
    whole = curves(count_ellipses(found, labels))
    assert curves(total).to_json() == whole.to_json()
    assert whole.images == 30


def test_a_better_box_that_comes_later_takes_the_face() -> None:
    labels = FddbLabels({"01": ("a",)}, {"a": np.array([[30, 30, 0, 100, 100.0]])})
    boxes = np.array([[90, 90, 140, 140], [72, 72, 128, 128.0]])
    result = curves(count_ellipses(PredictionSet(("a",), np.array([0, 2]), boxes, np.array([0.9, 0.4])), labels))
    assert result.to_json()["discrete"] == [[1, 0.0, 0.9], [1, 1.0, 0.4]]


def test_no_detection_and_no_face() -> None:
    labels = FddbLabels({"01": ("a",)}, {"a": np.array([[30, 30, 0, 100, 100.0]])})
    none = PredictionSet((), np.array([0]), np.zeros((0, 4)), np.zeros(0))
    assert curves(count_ellipses(none, labels)).to_json() == {"images": 1, "faces": 1, "discrete": [], "continuous": []}
    with pytest.raises(ValueError, match="expected faces, found none in 0 images"):
        curves(FddbCounts.zero())


# As measured, not derived: what remains may be the unknown right and lower borders (the photographs are not there).
LARGEST = {"MTCNN": (2, 0.00072), "jfda": (0, 0.00045)}


@pytest.mark.wider
@pytest.mark.parametrize("detector", LARGEST)
def test_every_point_of_the_official_curves(shared: Path, detector: str) -> None:
    folder = shared / "data/fddb"
    labels = read_fddb(folder / "FDDB-folds")
    found = read_detections(folder / "detections" / detector, WantedImages(labels.image_ids), PLAIN)
    assert not any(found.problems.values())
    result = curves(count_ellipses(found.predictions, labels))
    # From the lowest score up; the last row has no detection.
    discrete = np.loadtxt(folder / f"roc/{detector}DiscROC.txt")[-2::-1]
    continuous = np.loadtxt(folder / f"roc/{detector}ContROC.txt")[-2::-1]
    hits, rate = LARGEST[detector]
    assert result.scores == pytest.approx(discrete[:, 2], abs=1e-5)
    assert np.abs(result.discrete - discrete[:, 0]).max() * 5171 <= hits + 0.01
    assert np.abs(result.false_positives - discrete[:, 1]).max() <= hits
    assert np.abs(result.false_positives - continuous[:, 1]).max() <= hits
    assert np.abs(result.continuous - continuous[:, 0]).max() <= rate
