from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets.labels.form import HEAD, head_of, number


def test_the_head_of_files_with_an_ending(tmp_path: Path) -> None:
    file = tmp_path / "a.TXT"
    file.write_bytes(b"\xef\xbb\xbf" + b"x" * (2 * HEAD))
    assert head_of(file, ".txt") == "x" * (HEAD - 3)
    assert head_of(file, ".xml", ".json") == ""
    assert head_of(tmp_path / "gone.txt", ".txt") == head_of(tmp_path, ".txt") == ""


@pytest.mark.parametrize(("value", "text"), [(3.0, "3"), (-0.5, "-0.5"), (0.1 + 0.2, "0.3"), (1e7, "10000000")])
def test_numbers_as_text(value: float, text: str) -> None:
    assert number(value) == text
