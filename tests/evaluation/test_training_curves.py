from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from pipeline.evaluation.training_curves import loss_curves, metric_curves


def _elements(svg: str, tag: str, kind: str) -> list[ElementTree.Element]:
    return [node for node in ElementTree.fromstring(svg).iter(tag) if kind in node.get("class", "").split()]


def _numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", path)]


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


def test_no_losses_still_draw() -> None:
    assert _elements(loss_curves({"none": []}), "path", "line") == []


def test_numbers_of_a_training_are_at_their_steps() -> None:
    svg = metric_curves({"a": [(1, 0.0), (11, 0.5)], "b": [], "c": [(6, 1.0), (7, float("nan"))]}, "AP", "ap")
    first, empty, single = _elements(svg, "path", "line")
    assert _numbers(first.get("d", ""))[::2] == [48, 370]
    assert empty.get("d") == "M"
    assert _numbers(single.get("d", "")) == [48 + 161, 14]
    assert ElementTree.fromstring(svg).get("data-x") == "linear 1 11"


def _heights(svg: str) -> list[list[float]]:
    """Returns the y of the points of each line, in pixels."""
    return [_numbers(line.get("d", ""))[1::2] for line in _elements(svg, "path", "line")]


def test_trainings_far_apart_share_a_logarithmic_axis() -> None:
    svg = metric_curves({"detector": [(1, 10.0), (2, 1.0)], "ranker": [(1, 0.1), (2, 0.01)]}, "t", "loss")
    assert ElementTree.fromstring(svg).get("data-y") == "log 0.01 10"
    assert [node.text for node in _elements(svg, "text", "end")] == ["0.01", "0.1", "1", "10"]
    third = (300 - 52) / 3
    expected = [[14, 14 + third], [14 + 2 * third, 14 + 3 * third]]
    assert [pytest.approx(each, abs=0.1) for each in _heights(svg)] == expected
    assert ">loss, logarithmic<" in svg


@pytest.mark.parametrize(
    "series",
    [
        {"a": [(1, 9.0), (2, 4.0)], "b": [(1, 2.0), (2, 1.0)]},  # medians of 6.5 and 1.5
        {"a": [(1, 9.0)], "b": [(1, 0.0), (2, 0.1)]},  # 0 has no logarithm
        {"a": [(1, 9.0), (2, 0.001)]},  # one training, however far it falls
    ],
)
def test_others_keep_a_linear_axis_from_zero(series: dict[str, list[tuple[int, float]]]) -> None:
    assert (ElementTree.fromstring(metric_curves(series, "t", "loss")).get("data-y") or "").startswith("linear 0 ")


def test_a_value_far_below_all_others_is_at_the_lower_end() -> None:
    svg = metric_curves({"a": [(1, 10.0)], "b": [(1, 1.0), (2, 1e-9), (3, 1.0)]}, "t", "loss")
    assert ElementTree.fromstring(svg).get("data-y") == "log 0.001 10"
    assert _heights(svg)[1][1] == 262
    assert [node.text for node in _elements(svg, "text", "end")] == ["1e-3", "0.01", "0.1", "1", "10"]


def test_few_powers_of_ten_have_ticks_between_them() -> None:
    svg = metric_curves({"a": [(1, 8.0)], "b": [(1, 1.0)]}, "t", "loss")
    assert [node.text for node in _elements(svg, "text", "end")] == ["1", "2", "5"]
