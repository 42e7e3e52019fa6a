from __future__ import annotations

import pytest

from pipeline.evaluation.result_table import ResultTable, percent


def test_the_first_column_is_aligned_left_and_numbers_right() -> None:
    table = ResultTable("Title", ("group", "AP"), [("a", "100.00"), ("long name", "–")], "Not printed.")
    assert table.text().splitlines() == [
        "Title",
        "  group          AP",
        "  a          100.00",
        "  long name       –",
    ]


def test_rows_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="Title: a row of 1 columns, expected 2"):
        ResultTable("Title", ("a", "b"), [("x",)])


def test_shares_are_shown_in_per_cent() -> None:
    assert (percent(0.12345), percent(0.12345, sign=True), percent(-0.001, 3, sign=True)) == (
        "12.35",
        "+12.35",
        "-0.100",
    )
    assert percent(float("nan"), sign=True) == "–"
