from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from pipeline.evaluation.face_statistics import ScaleBin
from pipeline.evaluation.hits_and_misses import SizeHistogram
from pipeline.evaluation.plots import (
    box_path,
    range_bars,
    scale_bars,
    score_bars,
    size_bars,
    target_bars,
)
from pipeline.evaluation.wider_ap import ApCounts


def _elements(svg: str, tag: str, kind: str) -> list[ElementTree.Element]:
    return [node for node in ElementTree.fromstring(svg).iter(tag) if kind in node.get("class", "").split()]


def _numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", path)]


def test_bars_are_as_high_as_their_counts() -> None:
    svg = size_bars(SizeHistogram((0, 8, 16), np.array([0, 100, 50]), np.array([0, 25, 50])))
    tall = [float(bar.get("height", "")) for bar in _elements(svg, "rect", "bar-all")]
    found = [float(bar.get("height", "")) for bar in _elements(svg, "rect", "bar-found")]
    assert tall[0] == found[0] == 0
    assert tall[1] == pytest.approx(2 * tall[2])
    assert found[1] == pytest.approx(tall[1] / 4)
    assert found[2] == tall[2]
    assert [node.text for node in _elements(svg, "text", "share")] == [None, "25%", "all"]
    assert "8 to 16 px: 25 of 100 faces found" in svg
    assert "16 px and more: 50 of 50 faces found" in svg


def test_an_empty_histogram_still_draws() -> None:
    assert len(_elements(size_bars(SizeHistogram((0,), np.zeros(1, int), np.zeros(1, int))), "rect", "bar-all")) == 1


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


def test_scores_are_counted_between_thresholds() -> None:
    proposals = np.concatenate([np.full(50, 10), np.full(950, 1010)])
    matches = np.minimum(proposals, 110)
    svg = score_bars(ApCounts(200, 1, 1010, proposals, matches))
    assert "0.95 to 1.00: 10 on faces, 0 false" in svg
    assert "0.90 to 0.95: 100 on faces, 900 false" in svg
    assert "0.00 to 0.05: 0 on faces, 0 false" in svg
    heights = [float(bar.get("height", "")) for bar in _elements(svg, "rect", "bar-found")]
    # One decade of the logarithmic axis between 10 and 100; its top is 1,000 and a single detection has a height.
    assert heights[18] - heights[19] == pytest.approx((300 - 52) / 4, abs=0.2)
    assert heights[0] == 0
