from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets.fddb.blocks import read_blocks


def test_names_counts_and_rows(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(b"a/b\r\n2\r\n1 2 0.5 \r\n-3 4e0 1\r\n\r\nc d\n0\n\n")
    first, second = read_blocks(file, "x y score")
    assert (first.name, first.line, first.rows.tolist()) == ("a/b", 1, [[1, 2, 0.5], [-3, 4, 1]])
    assert (second.name, second.line, second.rows.shape) == ("c d", 6, (0, 3))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\n", ":2: expected the number of rows of a, found nothing"),
        ("a\n1.5\n", ":2: expected the number of rows of a, found '1.5'"),
        ("a\n2\n1 2 3\n", ":3: expected 2 rows of a as line 2 says, found the end of the file after 1"),
        ("a\n1\n1 2\n", ":3: expected 3 numbers (x y score), found '1 2'"),
        ("a\n1\n1 2 3 4\n", ":3: expected 3 numbers (x y score), found '1 2 3 4'"),
        ("a\n1\n1 2_0 3\n", ":3: expected 3 numbers (x y score), found '1 2_0 3'"),
        ("a\n1\n1 nan 3\n", ":3: expected finite numbers, found '1 nan 3'"),
        ("a\n2\n1 2 3\n\n1 2 3\n", ":4: expected 3 numbers (x y score), found nothing"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "list.txt"
    file.write_text(text)
    with pytest.raises(ValueError, match="expected") as error:
        read_blocks(file, "x y score")
    assert str(error.value) == f"{file}{words}"


def test_other_bytes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(b"a\n0\n\xff\n")
    with pytest.raises(ValueError, match=r":3: expected text in UTF-8, found byte 0xff"):
        read_blocks(file, "x")
