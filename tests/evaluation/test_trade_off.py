from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from pipeline.evaluation.trade_off import Point, frontier, trade_off_plot

POINTS = [
    Point(0, "quick", 100, 0.760),
    Point(1, "dominated", 411, 0.750),
    Point(2, "union", 400, 0.842),
    Point(3, "as good, slower", 900, 0.842),
    Point(4, "voting", 2158, 0.858),
]


def test_the_frontier_is_what_nothing_quicker_beats() -> None:
    assert [point.name for point in frontier(POINTS)] == ["quick", "union", "voting"]
    assert frontier([Point(0, "a", 10, 0.5), Point(1, "b", 10, 0.6)]) == [Point(1, "b", 10, 0.6)]
    assert frontier([]) == []


def test_points_are_where_their_numbers_are() -> None:
    svg = trade_off_plot(POINTS, "hard")
    root = ElementTree.fromstring(svg)
    spots = [node for node in root.iter("path") if node.get("class") == "spot"]
    assert [spot.get("data-run") for spot in spots] == ["0", "1", "2", "3", "4"]
    x = [float(re.findall(r"[\d.]+", spot.get("d", ""))[0]) for spot in spots]
    scale, low, high = root.get("data-x", "").split()
    assert scale == "log"
    for point, at in zip(POINTS, x, strict=True):
        share = math.log(point.ms / float(low)) / math.log(float(high) / float(low))
        assert at == pytest.approx(48 + 322 * share, abs=0.2)
    assert "union: AP 84.20, 400.0 ms" in svg
    (steps,) = [node.get("d", "") for node in root.iter("path") if node.get("class") == "frontier"]
    assert steps.count("V") == 2 and steps.endswith("H370.0")


@pytest.mark.parametrize("aps", [(0.0, 1.0), (0.99, 1.0), (0.5, 0.5), (0.01, 0.02), (0.401, 0.855), (0.1735, 0.6224)])
def test_the_axis_of_ap_holds_all_and_ends_at_a_hundred(aps: tuple[float, float]) -> None:
    root = ElementTree.fromstring(trade_off_plot([Point(i, "x", 10, ap) for i, ap in enumerate(aps)], "x"))
    _, low, high = root.get("data-y", "").split()
    assert 0 <= float(low) <= 100 * min(aps) and 100 * max(aps) <= float(high) <= 100
