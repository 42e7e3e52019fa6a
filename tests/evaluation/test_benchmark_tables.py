from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.benchmark_tables import by_benchmark, headline, joined_figures, joined_tables
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions, BenchmarkResult
from pipeline.evaluation.benchmarks.coco import CocoSet
from pipeline.evaluation.benchmarks.fddb import Fddb
from pipeline.evaluation.benchmarks.single_face import SingleFace
from pipeline.evaluation.benchmarks.voc import Afw
from pipeline.evaluation.coco_ap import CocoCounts
from pipeline.evaluation.fddb_roc import FddbCounts
from pipeline.evaluation.voc_ap import VocCounts

OPTIONS = BenchmarkOptions()


def content(result: BenchmarkResult) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.to_json())
    return found


def fddb(detections: int, **protocol: Any) -> dict[str, Any]:
    """Every second detection hits, with an overlap of 0.8."""
    hits = (np.arange(detections) % 2 == 0).astype(np.int64)
    counts = FddbCounts(9, 2000, np.linspace(1, 0, detections), np.ones(detections, np.int64), hits, hits * 0.8)
    return content(Fddb.result(counts, OPTIONS, protocol))


def voc() -> VocCounts:
    return VocCounts(4, 4, np.array([0.9, 0.8, 0.7]), np.arange(3), np.array([True, False, True]))


def coco() -> dict[str, Any]:
    found = np.zeros((2, 4, 10), bool)
    found[0, :, :6] = True
    counts = CocoCounts(1, np.array([2, 0, 0, 2]), np.array([0.9, 0.8]), np.array([[0, 0], [0, 1]]), found, np.zeros_like(found))  # fmt: skip
    return content(CocoSet.result(counts, OPTIONS, {}))


def test_each_benchmark_is_compared_by_its_own_figures() -> None:
    assert headline(fddb(3000)) == pytest.approx({"discrete": 1001 / 2000, "continuous": 0.8 * 1001 / 2000})
    assert headline(fddb(300)) == pytest.approx({"discrete": 0.075, "continuous": 0.06})  # where it ends
    assert headline(content(Afw.result(voc(), OPTIONS, {}))) == pytest.approx({"ap": 5 / 12})
    assert headline(content(SingleFace.result(voc(), BenchmarkOptions(score=0.75), {}))) == pytest.approx(
        {"ap": 5 / 12, "found": 0.25}
    )
    figures = headline(coco())
    assert list(figures) == ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar100"]
    assert figures["ap50"] == pytest.approx(51 / 101) and np.isnan(figures["ap_small"])
    nothing = FddbCounts(2, 3, np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    assert headline(content(Fddb.result(nothing, OPTIONS, {}))) == {"discrete": 0, "continuous": 0}


def test_results_of_one_benchmark_share_a_table_with_what_differs() -> None:
    results = {"a": fddb(300), "one": content(Afw.result(voc(), OPTIONS, {})), "b": fddb(100, images_left_out=2)}
    assert {title: list(rows) for title, rows in by_benchmark(results).items()} == {"FDDB": ["a", "b"], "AFW": ["one"]}
    facts = {"a": {"guess.jitter": 0.1, "guess.most": 5}, "b": {"guess.jitter": 0.2, "guess.most": 5}}
    first, second = joined_tables(results, facts)
    assert first.header == ["", "discrete", "continuous", "images", "faces", "images left out", "jitter"]
    assert first.rows == [
        ["a", "7.50", "6.00", "9", "2,000", "0", "0.1"],
        ["b", "2.50", "2.00", "9", "2,000", "2", "0.2"],
    ]
    assert "at 1,000 false positives" in first.note and "do not compare" not in first.note
    assert (second.title, second.header, second.rows) == (
        "AFW",
        ["", "ap", "images", "faces"],
        [["one", "41.67", "4", "4"]],
    )


def test_rows_of_other_images_say_so() -> None:
    other = content(Afw.result(VocCounts(5, 4, np.zeros(0), np.arange(0), np.zeros(0, bool)), OPTIONS, {}))
    (table,) = joined_tables({"a": content(Afw.result(voc(), OPTIONS, {})), "b": other})
    assert table.note == "In per cent. Rows of other images or faces do not compare."


def test_curves_of_one_benchmark_are_in_one_plot() -> None:
    figures = joined_figures({"a": fddb(300), "c": coco(), "b": fddb(100)})
    assert [(each.title.partition(":")[0], each.names) for each in figures] == [("FDDB", ["a", "b"])] * 2 + [
        ("COCO", ["c"])
    ] * 3
    assert all(each.plot.count('class="line"') == len(each.names) for each in figures)
    (alone,) = joined_figures({"x": content(SingleFace.result(voc(), BenchmarkOptions(score=0.5), {}))})
    assert alone.title == "Single face: precision and recall"
