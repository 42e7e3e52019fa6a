from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pipeline.evaluation.plot_frame import Axis, line, nice_top, plot, spot


def test_only_a_plot_with_axes_may_be_zoomed() -> None:
    still = plot("A & b", "x", "y", [], [], [line(0, [(1, 2)])])
    moving = plot("A", "x", "y", [(0.5, "5")], [], [line(9, [(1, 2)])], (Axis(0, 10), Axis(1, 100, "log")))
    root = ElementTree.fromstring(still)
    assert (root.get("class"), root.get("aria-label"), root.find("svg")) == ("plot", "A & b", None)
    root = ElementTree.fromstring(moving)
    assert root.get("class") == "plot chart"
    assert (root.get("data-x"), root.get("data-y"), root.get("data-names")) == ("linear 0 10", "log 1 100", "x|y")
    area = root.find("svg")
    assert area is not None
    (path,) = area.findall("path")
    assert (path.get("data-run"), path.get("style")) == ("9", "stroke:var(--c1)")
    assert [tick.text for tick in root.iter("text")][:1] == ["5"]


def test_labels_are_escaped() -> None:
    assert ElementTree.fromstring(spot(0, 1, 2, 'a <b> "c"')).get("data-label") == 'a <b> "c"'


@pytest.mark.parametrize(("value", "top"), [(0, 1), (0.9, 1), (1, 1), (11, 12), (101, 120), (0.031, 0.04)])
def test_tops_are_round(value: float, top: float) -> None:
    assert nice_top(value) == pytest.approx(top)
