from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.evaluation.face_statistics import ScaleBin
from pipeline.evaluation.hits_and_misses import SizeHistogram
from pipeline.evaluation.plots import (
    box_path,
    line_plot,
    loss_curves,
    pr_curves,
    range_bars,
    scale_bars,
    size_bars,
    size_curves,
    target_bars,
)
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


def test_bars_of_scales_share_one_axis() -> None:
    bins = [ScaleBin(None, None, 4.0, 0, 0.0), ScaleBin(None, 4.0, 8.0, 30, 0.3), ScaleBin(None, 8.0, None, 70, 0.7)]
    svg = scale_bars(bins, most=0.8)
    heights = [float(bar.get("height", "")) for bar in _elements(svg, "rect", "bar-found")]
    assert heights[0] == 0
    assert heights[1] / heights[2] == pytest.approx(3 / 7, rel=0.01)
    assert heights[2] == pytest.approx(7 / 8 * (300 - 52), abs=0.1)
    for words in ("below 4 px: 0.0%, 0 faces", "4 to 8 px: 30.0%, 30 faces", "8 px and more: 70.0%", ">80%<", ">4<"):
        assert words in svg
    assert len(_elements(scale_bars([], 0.0), "rect", "bar-found")) == 0


def test_targets_stand_beside_where_they_should_be() -> None:
    drawn = {
        "das": [ScaleBin(2, 8.0, 16.0, 5, 0.5), ScaleBin(3, 16.0, 32.0, 5, 0.5)],
        "sse": [ScaleBin(2, 8.0, 16.0, 4, 0.4, 0.5), ScaleBin(3, 16.0, 32.0, 6, 0.6, 0.5)],
    }
    svg = target_bars(drawn)
    bars = list(ElementTree.fromstring(svg).iter("rect"))
    assert [float(bar.get("height", "")) for bar in bars] == pytest.approx(
        [share / 0.6 * (300 - 52) for share in (0.5, 0.5, 0.4, 0.6)], abs=0.1
    )
    assert [bar.get("style") for bar in bars] == ["fill:var(--c0)"] * 2 + ["fill:var(--c1)"] * 2
    lefts = [float(bar.get("x", "")) for bar in bars]
    assert lefts[0] < lefts[2] < lefts[1] < lefts[3]
    marks = _elements(svg, "path", "mark")
    assert [_numbers(mark.get("d", ""))[1] for mark in marks] == pytest.approx(
        [300 - 38 - 5 / 6 * (300 - 52)] * 2, abs=0.1
    )
    assert "p3, 16 to 32 px, sse: 60.00% of the sampled sizes, expected 50.00%" in svg


def test_ranges_lie_on_octaves_and_levels_that_nothing_is_for_have_none() -> None:
    readings = {
        "best": [ScaleBin(2, 8.0, 16.0, 9, 0.9), ScaleBin(3, 16.0, 32.0, 9, 0.8)],
        "most": [ScaleBin(2, 8.0, 32.0, 9, 1.0), ScaleBin(3, None, None, 0, 0.0)],
    }
    bars = list(ElementTree.fromstring(range_bars(readings)).iter("rect"))
    spans = [(float(bar.get("x", "")), float(bar.get("width", ""))) for bar in bars]
    full = 380 - 58
    assert spans == [pytest.approx(at, abs=0.1) for at in ((48, full / 2), (48 + full / 2, full / 2), (48, full))]
    downs = [float(bar.get("y", "")) for bar in bars]
    assert downs[0] < downs[2] < downs[1]  # both readings of p2, then p3
    assert [node.text for node in _elements(range_bars(readings), "text", "tick")] == ["p2", "p3", "8", "16", "32"]
    assert "p3, best: 16 to 32 px; gives 80% of the anchors of faces in there" in range_bars(readings)
    assert list(ElementTree.fromstring(range_bars({})).iter("rect")) == []


def test_box_path() -> None:
    assert box_path(np.array([[1, 2, 3.25, 4], [5, 6, 7, 8]], np.float64)) == (
        "M1.0 2.0H3.2V4.0H1.0zM5.0 6.0H7.0V8.0H5.0z"
    )
    assert box_path(np.zeros((0, 4))) == ""


def test_ap_over_size_lies_in_octaves() -> None:
    lines = {"as <detected>": [(1024, 0.5), (2048, 0.75), (4096, 1.0)], "oracle": [(1024, float("nan")), (4096, 0.9)]}
    svg = size_curves(lines, "hard")
    first, second = _elements(svg, "path", "line")
    spots = [node for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("circle")]
    across = [float(spot.get("cx", "")) for spot in spots]
    assert len(spots) == 4
    assert across[1] - across[0] == pytest.approx(across[2] - across[1], abs=0.2)
    assert (across[0], across[2]) == (48, 370)
    up = [float(spot.get("cy", "")) for spot in spots]
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
    ticks = [node.text for node in _elements(svg, "text", "mid")]
    assert ticks == ["1", "2", "4"]
    assert "a &lt;b&gt;, 4: 100" in svg and svg.count("<circle") == 2


def test_a_line_plot_without_octaves_begins_at_zero_and_one_without_points_still_draws() -> None:
    svg = line_plot({"a": [(0.5, 1.0), (1.0, 3.0)]}, "t", "x", "y")
    (line,) = _elements(svg, "path", "line")
    assert _numbers(line.get("d", ""))[0] == pytest.approx(48 + (380 - 58) / 2, abs=0.1)
    assert line_plot({}, "t", "x", "y").startswith("<svg")
    assert line_plot({}, "t", "x", "y", octaves=True).startswith("<svg")
