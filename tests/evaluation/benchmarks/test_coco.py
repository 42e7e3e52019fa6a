from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions
from pipeline.evaluation.benchmarks.coco import CocoSet
from pipeline.evaluation.coco_ap import CocoCounts
from tests.evaluation.benchmarks.nine_images import guesses, write_csv


def test_coco_has_ap_by_overlap_and_the_curves_of_three() -> None:
    found = np.zeros((2, 4, 10), bool)
    found[0, :, :6] = True  # the first detection is on its face up to an overlap of 0.75
    counts = CocoCounts(1, np.array([2, 0, 0, 2]), np.array([0.9, 0.8]), np.array([[0, 0], [0, 1]]), found, np.zeros_like(found))  # fmt: skip
    content = json.loads(CocoSet.result(counts, BenchmarkOptions(), {}).to_json())
    half = 51 / 101
    assert content["by_overlap"] == pytest.approx(
        {f"{0.5 + 0.05 * place:.2f}": half if place < 6 else 0 for place in range(10)}
    )
    assert list(content["curves"]) == ["0.50", "0.75", "0.90"]
    assert content["curves"]["0.75"] == [1.0] * 51 + [0.0] * 50
    assert content["ap_small"] is None


def test_the_best_so_many_of_an_image_count(tmp_path: Path) -> None:
    whole = CocoSet.read(write_csv(tmp_path), BenchmarkOptions(max_detections=2))
    counts = whole.count(guesses())
    assert len(counts.scores) < len(guesses().scores) and counts.positions[:, 1].max() == 1
    figures = CocoSet.headline(CocoSet.result(counts, whole.options, {}).content)
    assert list(figures) == ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"]
