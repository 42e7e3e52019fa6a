from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.evaluation.curves import dense_curves, line_plot, pr_curves, size_curves
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


def test_ap_over_size_lies_in_octaves() -> None:
    lines = {"as <detected>": [(1024, 0.5), (2048, 0.75), (4096, 1.0)], "oracle": [(1024, float("nan")), (4096, 0.9)]}
    svg = size_curves(lines, "hard")
    first, second = _elements(svg, "path", "line")
    spots = [_numbers(spot.get("d", "")) for spot in _elements(svg, "path", "spot")]
    across = [spot[0] for spot in spots]
    assert len(spots) == 4
    assert across[1] - across[0] == pytest.approx(across[2] - across[1], abs=0.2)
    assert (across[0], across[2]) == (48, 370)
    up = [spot[1] for spot in spots]
    assert up[2] == pytest.approx(14) and up[0] == pytest.approx((14 + 262) / 2)
    assert first.get("style") != second.get("style")
    assert "as &lt;detected&gt;, 2048 px: 75.00" in svg
    assert [node.text for node in ElementTree.fromstring(svg).iter() if node.text in ("1024", "2048", "4096")]


def test_no_line_at_all_is_an_empty_plot() -> None:
    assert _elements(size_curves({}, "hard"), "path", "line") == []


def test_lines_go_through_their_points_and_leave_out_what_is_no_number() -> None:
    svg = line_plot({"a <b>": [(1.0, 0.0), (2.0, float("nan")), (4.0, 100.0)]}, "t", "x", "y", octaves=True)
    (line,) = _elements(svg, "path", "line")
    assert _numbers(line.get("d", "")) == pytest.approx([48, 262, 370, 14], abs=0.1)
    ticks = [node.text for node in ElementTree.fromstring(svg).iter("text")]
    assert {"1", "2", "4"} <= set(ticks)
    assert "a &lt;b&gt;, 4: 100" in svg and svg.count('class="spot"') == 2


def test_a_line_plot_without_octaves_begins_at_zero_and_one_without_points_still_draws() -> None:
    svg = line_plot({"a": [(0.5, 1.0), (1.0, 3.0)]}, "t", "x", "y")
    (line,) = _elements(svg, "path", "line")
    assert _numbers(line.get("d", ""))[0] == pytest.approx(48 + (380 - 58) / 2, abs=0.1)
    assert line_plot({}, "t", "x", "y").startswith("<svg")
    assert line_plot({}, "t", "x", "y", octaves=True).startswith("<svg")


def test_dense_curves_have_no_spots_and_shares_where_nothing_is_above_one() -> None:
    svg = dense_curves({"a": [(0.0, 1.0), (0.5, 0.5)], "b": []}, "t", "recall", "precision")
    line, empty = _elements(svg, "path", "line")
    assert _numbers(line.get("d", "")) == pytest.approx([48, 14, 48 + 161, 138], abs=0.1)
    assert empty.get("d") == "M" and _elements(svg, "path", "spot") == []
    assert ElementTree.fromstring(svg).get("data-x") == "linear 0 1"
    counts = dense_curves({"a": [(0.0, 0.0), (1500.0, 0.5)]}, "t", "false positives", "rate")
    assert ElementTree.fromstring(counts).get("data-x") == "linear 0 1600"
    assert [node.text for node in _elements(counts, "text", "mid")] == ["0", "400", "800", "1,200", "1,600"]
