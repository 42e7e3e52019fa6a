from __future__ import annotations

import numpy as np
import pytest

from pipeline.data.number_rows import numbers_of, parse_rows


def test_plain_rows() -> None:
    assert np.array_equal(parse_rows(b"1 2.5\n-3 4e1\r\n", 2, 2), [[1, 2.5], [-3, 40]])
    assert np.array_equal(parse_rows(b"1,2\n", 1, 2, ","), [[1, 2]])
    assert parse_rows(b"", 0, 3).shape == (0, 3)


@pytest.mark.parametrize(
    "text", [b"", b"1 2\n", b"1 2 3\n4 5 6\n", b"1 nan\n3 4\n", b"1 x\n3 4\n", b"1  2\n3 4\n", b"1 \n3 4\n"]
)
def test_anything_else_is_none(text: bytes) -> None:
    assert parse_rows(text, 2, 2) is None


@pytest.mark.parametrize("lines", [[b"1 2\n", b"3 4"], [b"1 2 \r\n", b"3 4 \n"], [b"1\t2\n", b"  3   4\n"]])
def test_spaces_do_not_matter(lines: list[bytes]) -> None:
    assert np.array_equal(numbers_of("f", range(2), lines, "a b"), [[1, 2], [3, 4]])
    assert numbers_of("f", [], [], "a b").shape == (0, 2)


@pytest.mark.parametrize(
    ("line", "found"),
    [(b"1", "'1'"), (b"1 2 3", "'1 2 3'"), (b"1 inf", "'1 inf'"), (b"1 1_0", "'1 1_0'"), (b" \n", "nothing")],
)
def test_a_bad_line_is_named(line: bytes, found: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        numbers_of("rows.txt", [5, 8], [b"1 2\n", line], "a b")
    assert str(error.value) == f"rows.txt:8: expected 2 finite numbers (a b), found {found}"
