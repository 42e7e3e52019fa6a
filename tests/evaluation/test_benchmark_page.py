from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.evaluation.benchmark_page import benchmark_page
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions, BenchmarkResult
from pipeline.evaluation.benchmarks.coco import CocoSet
from pipeline.evaluation.benchmarks.fddb import Fddb
from pipeline.evaluation.benchmarks.single_face import SingleFace
from pipeline.evaluation.benchmarks.voc import Afw, PascalFace
from pipeline.evaluation.coco_ap import CocoCounts
from pipeline.evaluation.fddb_roc import FddbCounts
from pipeline.evaluation.voc_ap import VocCounts

OPTIONS = BenchmarkOptions()


def rows_of(page: str) -> list[list[str]]:
    """Returns the texts of all table rows."""
    rows = re.findall(r'<tr role="row">(.*?)</tr>', page, re.DOTALL)
    return [[re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


def lines_of(page: str) -> list[list[float]]:
    """Returns the first and last point of every curve, as shares of the plot's sides from below left."""
    found = []
    for svg in re.findall(r'<svg class="plot chart".*?</svg>.*?</svg>', page, re.DOTALL):
        for path in ElementTree.fromstring(svg).iter("path"):
            if path.get("class") == "line":
                numbers = [float(each) for each in re.findall(r"-?\d+\.\d+", path.get("d", ""))]
                x, y = np.array(numbers[0::2]), np.array(numbers[1::2])
                found.append([*((x[[0, -1]] - 48) / 322), *((262 - y[[0, -1]]) / 248)])
    return found


def fddb() -> BenchmarkResult:
    hits = (np.arange(300) % 2 == 0).astype(np.int64)
    return Fddb.result(
        FddbCounts(9, 200, np.linspace(1, 0, 300), np.ones(300, np.int64), hits, hits * 0.8), OPTIONS, {}
    )


def test_fddb_has_both_curves_from_the_origin_and_rates_in_numbers() -> None:
    page = benchmark_page(fddb(), "mine", ["wider8k evaluate x"])
    assert "mine on FDDB" in page and "wider8k evaluate x" in page
    discrete, continuous = lines_of(page)
    assert discrete == pytest.approx([0, 150 / 160, 0, 0.75], abs=0.002)
    assert continuous == pytest.approx([0, 150 / 160, 0, 0.6], abs=0.002)
    rows = rows_of(page)
    assert ["100", "50.50", "40.40"] in rows and ["150", "75.00", "60.00"] in rows
    assert ["200", "75.00", "60.00"] not in rows  # beyond the end of the curve
    assert ["overlap", "0.5"] in rows


def test_voc_has_its_curve_and_precision_at_a_recall() -> None:
    counts = VocCounts(4, 4, np.array([0.9, 0.8, 0.7]), np.arange(3), np.array([True, False, True]))
    result = Afw.result(counts, OPTIONS, {})
    page = benchmark_page(BenchmarkResult(result.lines, result.content, {"extra": ["<b>"]}), "mine")
    assert "mine on AFW" in page and "Average precision 41.67 %" in page and "extra: &lt;b&gt;" in page
    assert lines_of(page) == [pytest.approx([0.25, 0.5, 1, 2 / 3], abs=0.002)]
    assert ["50", "66.67", "0.7"] in rows_of(page) and ["60", "–", "–"] in rows_of(page)


def test_single_faces_have_their_counts_at_scores() -> None:
    counts = VocCounts(4, 4, np.array([0.9, 0.8, 0.7]), np.arange(3), np.array([True, False, True]))
    page = benchmark_page(SingleFace.result(counts, BenchmarkOptions(score=0.75), {}), "mine")
    assert "mine on Single face" in page and "Average precision 41.67 %" in page
    rows = rows_of(page)
    assert ["0.75", "1", "3", "1"] in rows and ["0.5", "2", "2", "1"] in rows


def test_coco_has_curves_at_three_overlaps_and_ap_by_overlap() -> None:
    found = np.zeros((2, 4, 10), bool)
    found[0, :, :6] = True
    counts = CocoCounts(1, np.array([2, 0, 0, 2]), np.array([0.9, 0.8]), np.array([[0, 0], [0, 1]]), found, np.zeros_like(found))  # fmt: skip
    page = benchmark_page(CocoSet.result(counts, OPTIONS, {}), "mine")
    half, same, none, by_overlap = lines_of(page)
    assert half == same == pytest.approx([0, 1, 1, 0], abs=0.002)
    assert none == pytest.approx([0, 1, 0, 0])
    assert by_overlap[0] < by_overlap[1]
    assert "overlap 0.90" in page
    assert ["ap50", "50.50"] in rows_of(page) and ["ap_small", "–"] in rows_of(page)
    assert any(row[0] == "areas" and "small 0" in row[1] for row in rows_of(page))


def test_nothing_found_still_has_a_page() -> None:
    none = FddbCounts(2, 3, np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    assert ["0", "0.00", "0.00"] in rows_of(benchmark_page(Fddb.result(none, OPTIONS, {}), "mine"))
    empty = VocCounts(2, 3, np.zeros(0), np.zeros(0, np.int64), np.zeros(0, bool))
    assert "Average precision 0.00 %" in benchmark_page(PascalFace.result(empty, OPTIONS, {}), "mine")
