from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.benchmark_parts import BenchmarkPart, Counts
from pipeline.evaluation.benchmark_results import BenchmarkName, coco_result, fddb_result, voc_result
from pipeline.evaluation.benchmarks import BenchmarkOptions
from pipeline.evaluation.box_refinement import Fit
from pipeline.evaluation.coco_ap import CocoCounts
from pipeline.evaluation.fddb_roc import FddbCounts
from pipeline.evaluation.voc_ap import VOC

IMAGES = 9


def faces_of(image: int) -> np.ndarray:
    """float64 [F, 4] xyxy, 0 to 4 faces of an image of 400 x 400 px."""
    random = np.random.default_rng(image)
    corners, sides = random.uniform(0, 300, (image % 5, 2)), random.uniform(25, 100, (image % 5, 2))
    return np.concatenate([corners, corners + sides], axis=1)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    rows = ["image,x1,y1,x2,y2"]
    for image in range(IMAGES):
        rows += [f"{image}.jpg,{x1},{y1},{x2},{y2}" for x1, y1, x2, y2 in faces_of(image).tolist()]
        rows += [] if len(faces_of(image)) else [f"{image}.jpg,,,,"]
    (tmp_path / "faces.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "faces.csv"


@pytest.fixture
def folds(tmp_path: Path) -> Path:
    (tmp_path / "FDDB-fold-01.txt").write_text("".join(f"{image}.jpg\n" for image in range(IMAGES)))
    lines = []
    for image in range(IMAGES):
        faces = faces_of(image)
        lines += [f"{image}.jpg", str(len(faces))]
        lines += [
            f"{(y2 - y1) / 2} {(x2 - x1) / 2} 1.57 {(x1 + x2) / 2} {(y1 + y2) / 2} 1"
            for x1, y1, x2, y2 in faces.tolist()
        ]
    (tmp_path / "FDDB-fold-01-ellipseList.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def guesses() -> PredictionSet:
    """Boxes beside every face and one elsewhere, with scores of which many are equal, rows in no order."""
    random = np.random.default_rng(99)
    parts = [np.concatenate([faces_of(image), [[300, 300, 350, 350]]]) for image in range(IMAGES)]
    boxes = np.concatenate(parts)
    boxes += random.normal(0, 8, boxes.shape)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 22)
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    scores = random.integers(1, 6, len(boxes)) / 5
    return PredictionSet(tuple(f"{image}.jpg" for image in range(IMAGES)), offsets, boxes, scores)


@pytest.mark.parametrize(
    ("benchmark", "options"),
    [
        ("fddb", BenchmarkOptions()),
        ("pascal", BenchmarkOptions()),
        ("afw", BenchmarkOptions("face-eval")),
        ("coco", BenchmarkOptions(max_detections=3)),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_parts_add_up_to_the_whole_in_any_order(
    benchmark: BenchmarkName, options: BenchmarkOptions, size: int, csv: Path, folds: Path
) -> None:
    whole, found = BenchmarkPart.read(benchmark, folds if benchmark == "fddb" else csv, options), guesses()
    names = list(np.random.default_rng(size).permutation(list(whole.numbers)))
    parts = [whole.restrict(names[start : start + size]) for start in range(0, IMAGES, size)]
    fits: list[Fit] = []
    expected_fits: list[Fit] = []
    for _ in range(whole.rounds):
        fits.append(reduce(add, [part.fit(found.select(list(part.numbers)), fits) for part in parts]))
        expected_fits.append(whole.fit(found, expected_fits))
        assert np.array_equal(fits[-1].apply(found.boxes), expected_fits[-1].apply(found.boxes))
    counts = reduce(add, [part.count(found.select(list(part.numbers)), fits) for part in parts])
    assert figures(counts) == figures(whole.count(found, expected_fits))


def figures(counts: Counts) -> Mapping[str, Any]:
    """Returns all figures and curves of counts."""
    if isinstance(counts, FddbCounts):
        return fddb_result(counts, {}).content
    return (
        coco_result(counts, {}).content
        if isinstance(counts, CocoCounts)
        else voc_result("afw", counts, VOC, {}).content
    )


def test_sizes_of_images_are_borders_of_fddb_alone(csv: Path, folds: Path) -> None:
    part = BenchmarkPart.read("fddb", folds, BenchmarkOptions())
    before = part.count(guesses())
    after = part.measured({"4.jpg": (60, 60)}).count(guesses())
    assert before != after
    other = BenchmarkPart.read("coco", csv, BenchmarkOptions())
    assert other.measured({"4.jpg": (60, 60)}) is other


def test_what_is_read_says_its_form(csv: Path, folds: Path, write: Callable[[str, str], Path]) -> None:
    assert BenchmarkPart.read("fddb", folds, BenchmarkOptions()).form == "FDDB folds"
    assert BenchmarkPart.read("afw", csv, BenchmarkOptions()).form == "CSV"
    with pytest.raises(ValueError, match=r"none\.csv: expected faces that count, found none in 1 images"):
        BenchmarkPart.read("coco", write("none.csv", "image,x1,y1,x2,y2\na,,,,\n"), BenchmarkOptions())


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def to_file(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return to_file
