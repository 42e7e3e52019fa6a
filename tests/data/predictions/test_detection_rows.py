from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.predictions.detection_rows import read_detection_rows, write_detection_rows
from pipeline.data.predictions.form import WriteOptions

ROWS = "b 0.5 1 2 3 4\na 2.25 -1.5 2 3 4\n\nb -0.25 5 6 7 8\nc d 1 1 1 1 1\nb 0.5 9 9 9 9 \n"


def test_rows_in_any_order_keep_their_place(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text(ROWS)
    found = read_detection_rows(tmp_path / "rows.txt")
    assert found.names == ("b", "a", "c d")
    assert found.offsets.tolist() == [0, 3, 4, 5]
    assert found.scores.tolist() == [0.5, -0.25, 0.5, 2.25, 1]
    assert found.boxes[3].tolist() == [-1.5, 2, 3, 4]
    assert found.positions.tolist() == [0, 2, 4, 1, 3]


def test_what_is_written_reads_back_as_the_same_numbers(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text(ROWS.replace("9 9 9 9", f"{1 / 3} 1e-9 {2**0.5} 9"))
    table = read_detection_rows(tmp_path / "rows.txt")
    assert write_detection_rows(table, tmp_path / "again.txt", WriteOptions()) == []
    again = read_detection_rows(tmp_path / "again.txt")
    assert np.array_equal(again.boxes, table.prediction_set().falling().boxes)
    assert np.array_equal(again.scores, table.prediction_set().falling().scores)


@pytest.mark.parametrize("row", ["a 0.5 1 2 3", "a 0.5 1 2 3 x", "a nan 1 2 3 4", "a 0.5 1_0 2 3 4", "0.5 1 2 3 4"])
def test_a_malformed_row_is_named(tmp_path: Path, row: str) -> None:
    (tmp_path / "rows.txt").write_text(f"a 1 2 3 4 5\n{row}\n")
    with pytest.raises(ValueError, match="expected") as error:
        read_detection_rows(tmp_path / "rows.txt")
    expected = "expected a row image score x1 y1 x2 y2 of finite numbers"
    assert str(error.value) == f"{tmp_path / 'rows.txt'}:2: {expected}, found {row!r}"


@pytest.mark.wider
@pytest.mark.parametrize(
    ("file", "rows", "images"),
    [("afw/DPM", 11248, 205), ("afw/Headhunter", 1796, 205), ("afw/SFD", 2967, 205), ("pascal_face/SFD", None, 851)],
)
def test_the_published_files(shared: Path, file: str, rows: int | None, images: int) -> None:
    path = shared / f"data/{file}.txt"
    found = read_detection_rows(path)
    assert len(found.scores) == (rows or len(path.read_text().splitlines()))
    assert len(found) == images
