from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.text_lines import read_lines, refuse


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
