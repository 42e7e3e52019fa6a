from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.text_lines import finite_numbers, read_lines, refuse, stream_lines


def test_any_line_ending_and_spaces_around_a_line(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("\ufeff a \r\n\r\nb\n \n".encode())
    assert read_lines(file) == ["a", "", "b"]


def test_other_bytes_are_named_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"a\n\xff\n")
    with pytest.raises(ValueError, match="expected") as error:
        read_lines(file)
    assert str(error.value) == f"{file}:2: expected text in UTF-8, found byte 0xff"


def test_a_line_is_named() -> None:
    with pytest.raises(ValueError, match=r"^a\.txt:3: expected one, found two$"):
        refuse(Path("a.txt"), 3, "one", "two")


def test_lines_are_streamed_with_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("\ufeff a \r\n\r\nb".encode() + b"\n\xff\n")
    lines = stream_lines(file)
    assert [next(lines) for _ in range(3)] == [(1, "a"), (2, ""), (3, "b")]
    with pytest.raises(ValueError, match=r"a\.txt:4: expected text in UTF-8, found byte 0xff"):
        next(lines)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1 -2.5 3e2", [1, -2.5, 300]), ("", []), ("1 x", []), ("1 nan", []), ("1 inf", []), ("1_0", [])],
)
def test_words_are_finite_numbers_or_none(text: str, numbers: list[float]) -> None:
    assert finite_numbers(text.split()) == numbers
