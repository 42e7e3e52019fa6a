from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.evaluation.benchmark_results import coco_result, fddb_result, voc_result
from pipeline.evaluation.coco_ap import CocoCounts
from pipeline.evaluation.fddb_roc import FddbCounts
from pipeline.evaluation.voc_ap import FACE_EVAL, VOC, VocCounts


def test_rates_of_fddb_are_printed_at_round_numbers_and_at_the_end() -> None:
    scores = np.linspace(1, 0, 151)
    hits = (np.arange(151) % 2 == 0).astype(np.int64)
    result = fddb_result(FddbCounts(9, 100, scores, np.ones(151, np.int64), hits, hits * 0.75), {"borders": "none"})
    assert result.lines == [
        "FDDB: 100 faces in 9 images, 151 detections",
        "false positives  discrete  continuous",
        "             75     76.00       57.00",
    ]
    assert result.content["protocol"] == {"benchmark": "FDDB", "overlap": 0.5, "borders": "none"}
    more = FddbCounts(
        9, 1000, np.linspace(1, 0, 301), np.ones(301, np.int64), np.tile([1, 0, 0], 101)[:301], np.zeros(301)
    )
    assert [line.split()[0] for line in fddb_result(more, {}).lines[2:]] == ["100", "200"]


def test_fddb_without_a_detection_has_a_line() -> None:
    none = FddbCounts(2, 3, np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    result = fddb_result(none, {})
    assert result.lines[-1].split() == ["0", "0.00", "0.00"]
    assert json.loads(result.to_json())["discrete"] == []


def test_ap_says_by_which_protocol() -> None:
    counts = VocCounts(4, 2, np.array([0.9, 0.8]), np.arange(2), np.array([True, False]))
    result = voc_result("afw", counts, VOC, {"labels": "CSV"})
    assert result.lines == [
        "AFW: AP 50.00  (2 faces in 4 images)",
        "protocol voc: faces under 0 px ignored, 0 refinements",
    ]
    assert result.content["curve"] == [[0.5, 1.0, 0.9], [0.5, 0.5, 0.8]]
    assert (result.content["protocol"]["min_box"], result.content["protocol"]["labels"]) == (None, "CSV")
    other = voc_result("pascal", counts, FACE_EVAL, {})
    assert other.lines[0].startswith("PASCAL Face: AP")
    assert (other.content["protocol"]["min_box"], other.content["protocol"]["refinements"]) == (21, 4)


def test_coco_has_ap_by_overlap_and_the_curves_of_three() -> None:
    found = np.zeros((2, 4, 10), bool)
    found[0, :, :6] = True  # the first detection is on its face up to an overlap of 0.75
    counts = CocoCounts(1, np.array([2, 0, 0, 2]), np.array([0.9, 0.8]), np.array([[0, 0], [0, 1]]), found, np.zeros_like(found))  # fmt: skip
    content = json.loads(coco_result(counts, {}, 100).to_json())
    half = 51 / 101
    assert content["by_overlap"] == pytest.approx(
        {f"{0.5 + 0.05 * place:.2f}": half if place < 6 else 0 for place in range(10)}
    )
    assert list(content["curves"]) == ["0.50", "0.75", "0.90"]
    assert content["curves"]["0.75"] == [1.0] * 51 + [0.0] * 50
    assert content["ap_small"] is None
