from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.evaluation.gallery import SizeHistogram
from pipeline.evaluation.plots import box_path, loss_curves, pr_curves, size_bars
from pipeline.evaluation.wider_ap import ApCounts


def _elements(svg: str, tag: str, kind: str) -> list[ElementTree.Element]:
    return [node for node in ElementTree.fromstring(svg).iter(tag) if kind in node.get("class", "").split()]


def _numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", path)]


def test_curve_runs_from_the_corner_of_certainty_to_the_last_recall() -> None:
    proposals = np.concatenate([np.zeros(100, np.int64), np.arange(1, 901)])
    counts = ApCounts(900, 1, 900, proposals, proposals // 2)
    (line,) = _elements(pr_curves([counts], "easy"), "path", "line")
    numbers = _numbers(line.get("d", ""))
    assert numbers[0] == pytest.approx(48, abs=0.1)  # recall 0 at the left edge
    assert numbers[-2] == pytest.approx(48 + 0.5 * (380 - 58), abs=0.3)
    assert numbers[-1] == pytest.approx(300 - 38 - 0.5 * (300 - 52), abs=0.3)


def test_one_line_per_run_even_without_faces() -> None:
    lines = _elements(pr_curves([ApCounts.zero()] * 10, "hard"), "path", "line")
    assert len(lines) == 10
    assert lines[0].get("style") == lines[8].get("style") == "stroke:var(--c0)"
    assert lines[0].get("d") == "M"


def test_bars_are_as_high_as_their_counts() -> None:
    svg = size_bars(SizeHistogram((0, 8, 16), np.array([0, 100, 50]), np.array([0, 25, 50])))
    tall = [float(bar.get("height", "")) for bar in _elements(svg, "rect", "bar-all")]
    found = [float(bar.get("height", "")) for bar in _elements(svg, "rect", "bar-found")]
    assert tall[0] == found[0] == 0
    assert tall[1] == pytest.approx(2 * tall[2])
    assert found[1] == pytest.approx(tall[1] / 4)
    assert found[2] == tall[2]
    assert [node.text for node in _elements(svg, "text", "share")] == [None, "25%", "100%"]
    assert "8 to 16 px: 25 of 100 faces found" in svg
    assert "16 px and more: 50 of 50 faces found" in svg


def test_empty_histogram_and_empty_losses_still_draw() -> None:
    assert len(_elements(size_bars(SizeHistogram((0,), np.zeros(1, int), np.zeros(1, int))), "rect", "bar-all")) == 1
    assert _elements(loss_curves({"none": []}), "path", "line") == []


def test_losses_fall_on_the_page_as_they_do_in_training() -> None:
    svg = loss_curves({"a": [11.0, 6.0, float("nan"), 1.0], "b": [2.0]})
    lines = _elements(svg, "path", "line")
    assert len(lines) == 4  # raw and smoothed, twice
    numbers = _numbers(lines[0].get("d", ""))
    assert len(numbers) == 6  # the NaN is left out
    assert numbers[1] < numbers[3] < numbers[5]  # y grows downwards
    assert [node.text for node in _elements(svg, "text", "end")] == ["0", "3", "6", "9", "12"]
    assert "nan" not in svg


def test_zero_losses_have_a_scale() -> None:
    assert [node.text for node in _elements(loss_curves({"a": [0.0, 0.0]}), "text", "end")][-1] == "1"


def test_box_path() -> None:
    assert box_path(np.array([[1, 2, 3.25, 4], [5, 6, 7, 8]], np.float64)) == (
        "M1.0 2.0H3.2V4.0H1.0zM5.0 6.0H7.0V8.0H5.0z"
    )
    assert box_path(np.zeros((0, 4))) == ""
