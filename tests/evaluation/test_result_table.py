from __future__ import annotations

import pytest

from pipeline.evaluation.result_table import ResultTable, percent, shortened


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


def test_a_table_that_is_too_wide_has_a_line_for_each_text() -> None:
    table = ResultTable("Title", ("field", "first", "b"), [("a.long.name", "1" * 20, "2"), ("c", "3", "4")])
    assert table.text(50) == table.text()
    assert table.text(30).splitlines() == [
        "Title",
        "  a.long.name",
        f"    first  {'1' * 20}",
        "    b      2",
        "  c",
        "    first  3",
        "    b      4",
    ]


def test_texts_are_shortened_where_they_still_differ() -> None:
    assert shortened(["abcdef", "ab"], 4) == ["abc…", "ab"]
    assert shortened(["/data/a", "/data/b"], 5) == ["…ta/a", "…ta/b"]
    assert shortened(["aaaa1bbbb", "aaaa2bbbb"], 5) == ["aaaa1bbbb", "aaaa2bbbb"]  # every cut leaves out the difference
    assert shortened(["xaaaa1", "xaaaa2", "yaaaa1"], 5) == ["xa…a1", "xa…a2", "ya…a1"]
